"""What an int8 file gives up and gains against the fp32 file of the same weights.

    python -m model_export export models/weights --data DATA --precision int8 --out int8.onnx
    python benchmarks/precision.py models/eevit_s14_cifar100.onnx int8.onnx --data DATA

Both files answer the same test images at every exit. From that follow the accuracy of each exit,
and where images leave: at each file's own thresholds, and with fp32's thresholds on both, which
shows quantisation alone. Then both files run in both forms, image by image in turn, and are timed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from eevit_ros.cores import all_cores  # noqa: E402
from eevit_ros.engine import Engine  # noqa: E402
from eevit_ros.exit_policy import judge  # noqa: E402
from eevit_ros.images import Image  # noqa: E402
from eevit_ros.policies import STATELESS  # noqa: E402
from eevit_ros.replay.machine import describe_machine  # noqa: E402
from eevit_ros.runners import SINGLE, STAGED  # noqa: E402
from eevit_ros.threshold_search import exits_taken  # noqa: E402
from model_export.data import load_split  # noqa: E402
from model_export.studies.answers import Answers, answers  # noqa: E402


def main() -> None:
    """Compare two files and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('fp32', type=Path, help='the exported .onnx file')
    parser.add_argument('int8', type=Path, help='the same, exported with --precision int8')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--images', type=int, default=10_000, help='test images (default all)')
    parser.add_argument('--threads', type=int, default=all_cores(), help='default: all cores')
    parser.add_argument('--out', type=Path, help='write the figures to this JSON file')
    args = parser.parse_args()
    machine, files = describe_machine(), (args.fp32, args.int8)
    said = [answers(path, args.data, limit=args.images) for path in files]
    size = said[0].metadata.input_height
    images = load_split(args.data, 'test', size).spread(args.images).images
    fp32_thresholds = said[0].metadata.default_thresholds
    own = [one.metadata.default_thresholds for one in said]
    figures = {
        'files': [path.name for path in files],
        'sha256': [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
        'size_mb': [round(path.stat().st_size / 1e6, 1) for path in files],
        'images': len(images),
        'accuracy_each_exit': [one.right.mean(axis=1).tolist() for one in said],
        'same_label_each_exit': _same([one.probabilities.argmax(-1) for one in said]).tolist(),
        'largest_difference': float(np.abs(said[0].probabilities - said[1].probabilities).max()),
        'own_thresholds': _decided(said, own),
        'equal_thresholds': _decided(said, [fp32_thresholds] * 2),
        'threads': args.threads,
        'time': {form: _timed(files, form, args.threads, images) for form in (SINGLE, STAGED)},
        'machine': machine,
    }
    print(json.dumps(figures, indent=1))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + '\n')


def _decided(said: list[Answers], thresholds: list[tuple[float, ...]]) -> dict[str, Any]:
    """Where images leave at these thresholds, one vector a file, and what they are told."""
    taken, labels = [], []
    for one, values in zip(said, thresholds, strict=True):
        measure = judge(STATELESS[one.metadata.policy](), one.probabilities).measure
        left = exits_taken(measure, np.array(values, np.float32))
        taken.append(left)
        labels.append(one.probabilities.argmax(-1)[left, np.arange(len(left))])
    layers = np.array(said[0].metadata.answer_layers)
    return {
        'accuracy': [float((found == said[0].labels).mean()) for found in labels],
        'mean_layers': [float(layers[left].mean()) for left in taken],
        'same_exit': float(_same(taken)),
        'same_label': float(_same(labels)),
    }


def _same(pair: list[npt.NDArray[np.int64]]) -> Any:
    return (pair[0] == pair[1]).mean(axis=-1)


def _timed(files: tuple[Path, Path], form: str, threads: int, images: Image) -> dict[str, Any]:
    """Mean milliseconds of both files, in turn."""
    engines = [Engine(path, execution=form, threads=threads) for path in files]
    for engine in engines:
        engine.warm_up()
    spent_ms = np.zeros((2, 2))  # at its thresholds, at full depth; file
    for image in tqdm(images, f'{form}: both files', unit='image'):
        for which, engine in enumerate(engines):
            spent_ms[0, which] += engine.run(image).inference_ms
            spent_ms[1, which] += engine.run_to_the_end(image).inference_ms
    own_ms, full_ms = (spent_ms / len(images)).tolist()
    return {
        'mean_ms': own_ms,
        'ratio': own_ms[1] / own_ms[0],
        'full_depth_ms': full_ms,
        'full_depth_ratio': full_ms[1] / full_ms[0],
    }


if __name__ == '__main__':
    main()
