"""The CIFAR-100 test set as a bag: does `replay` find the figures of the model's own evaluation?

    python -m benchmarks.replay_cifar100 CIFAR_FOLDER [--json build/benchmarks/replay_cifar100.json]

Writes the 10,000 test images, lossless, into an mcap bag of 11 minutes, replays it, and compares
accuracy, shares and accuracies per exit with models/eevit_s14_cifar100.json, which
`python -m model_export evaluate` wrote. Prints frames per second and resident memory every 2,000
frames, too: the first must not fall and the second not grow.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from rosbags.rosbag2 import StoragePlugin, Writer

from eevit_ros.model.compute import Compute, all_cores
from eevit_ros.model.engine import Engine
from eevit_ros.recordings.bag.types import typestore
from eevit_ros.recordings.open import open_source
from eevit_ros.recordings.truth import open_truth
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.parameters import classifier_settings, governor_settings
from eevit_ros.replay.results.frame_table import LIMIT_COLUMNS, frame_writer, read_frames
from eevit_ros.replay.results.summary import summarise
from eevit_ros.replay.running.recording import RecordingReplay
from eevit_ros.reporting.host_info import describe_machine
from harness.paths import ROOT
from model_export.data import load_split

EVALUATION = ROOT / 'models' / 'eevit_s14_cifar100.json'
IMAGES, TRUTH = '/camera/image_raw/compressed', '/camera/truth'
HZ = 15
START_NS = 1_700_000_000_000_000_000
EVERY = 2000


def main() -> int:
    """Write, replay, compare; return 1 if any figure differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('cifar', type=Path)
    parser.add_argument('--json', type=Path, default=Path('build/benchmarks/replay_cifar100.json'))
    args = parser.parse_args()
    folder = args.json.parent / 'replay_cifar100'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_bag(folder / 'bag', args.cifar)
    metrics, exits, marks = replay(folder)
    expected = json.loads(EVALUATION.read_text())
    rows = [('accuracy', expected['accuracy'], metrics['accuracy'])]
    for ours, theirs in zip(exits, expected['exits'], strict=True):
        for name in ('share', 'accuracy'):
            rows.append((f'{name}, layer {ours["layer"]}', theirs[name], ours[name]))
    print(f'\n{"":24}{"evaluate":>12}{"replay":>12}')
    for name, theirs, ours in rows:
        print(f'{name:24}{theirs:12.6f}{ours:12.6f}  {"equal" if theirs == ours else "DIFFERS"}')
    equal = all(theirs == ours for _, theirs, ours in rows)
    print('\nall equal' if equal else '\nNOT EQUAL')
    result = {'equal': equal, 'rows': rows, 'marks': marks, 'machine': describe_machine()}
    args.json.write_text(json.dumps(result, indent=1) + '\n')
    print(f'wrote {args.json}')
    return 0 if equal else 1


def write_bag(path: Path, cifar: Path) -> None:
    """Write image and truth of every test image, in the order of the set."""
    test = load_split(cifar, 'test', 32)
    types = typestore()
    make = types.types
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        images = writer.add_connection(IMAGES, 'sensor_msgs/msg/CompressedImage', typestore=types)
        truths = writer.add_connection(TRUTH, 'vision_msgs/msg/Classification', typestore=types)
        for index, (image, label) in enumerate(zip(test.images, test.labels, strict=True)):
            time_ns = START_NS + index * 1_000_000_000 // HZ
            stamp = make['builtin_interfaces/msg/Time'](*divmod(time_ns, 1_000_000_000))
            header = make['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
            _, png = cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            picture = make[images.msgtype](
                header=header, format='png', data=np.frombuffer(png.tobytes(), np.uint8)
            )
            name = make['vision_msgs/msg/ObjectHypothesis'](test.class_names[label], 1.0)
            truth = make[truths.msgtype](header=header, results=[name])
            for connection, message in ((images, picture), (truths, truth)):
                raw = types.serialize_cdr(message, connection.msgtype)
                writer.write(connection, time_ns, raw)


def replay(folder: Path) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """Replay the bag; return metrics, exits, and (frames, frames per second, MiB) on the way."""
    settings, _ = classifier_settings(None, [])
    engine = Engine(settings.model, compute=Compute(threads=all_cores()))
    engine.warm_up()
    options = ReplayOptions(settings, governor_settings(None))
    source = open_source(folder / 'bag', None)
    marks: list[tuple[int, float, float]] = []
    begin_s = time.perf_counter()

    def on_frame() -> None:
        nonlocal begin_s
        if rows.count % EVERY == 0:
            pages = int(Path('/proc/self/statm').read_text().split()[1])
            mib = pages * resource.getpagesize() / 2**20
            rate = EVERY / (time.perf_counter() - begin_s)
            print(f'{rows.count:6d} frames  {rate:6.1f} frames/s  {mib:7.1f} MiB', flush=True)
            marks.append((rows.count, round(rate, 1), round(mib, 1)))
            begin_s = time.perf_counter()

    table = folder / 'frames.csv'
    with frame_writer(table) as rows:
        truth = open_truth(TRUTH, source)
        RecordingReplay(engine, options, source, truth, rows, lambda *tick: None).run(on_frame)
    meta = engine.metadata
    model = {'layers': meta.layers, 'exit_layers': meta.exit_layers,
             'backbone_macs': meta.backbone_macs}  # fmt: skip
    limits = pd.DataFrame(columns=LIMIT_COLUMNS, dtype=float)
    summary = summarise(read_frames(table), limits, {'model': model})
    if source.problems or truth.problems():
        raise SystemExit(f'the bag was not read whole: {source.problems + truth.problems()}')
    return summary['metrics'], summary['exits'], marks


if __name__ == '__main__':
    sys.exit(main())
