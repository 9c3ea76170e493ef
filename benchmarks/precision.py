"""What an int8 file gives up and gains against the fp32 file of the same weights.

    python -m model_export export models/weights --data DATA --precision int8 --out int8.onnx
    python benchmarks/precision.py models/eevit_s14_cifar100.onnx int8.onnx --data DATA

Accuracy at each file's own thresholds and at full depth, how often both leave at the same exit and
say the same, and time: both files alternate image by image in one process.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from eevit_ros.cores import all_cores  # noqa: E402
from eevit_ros.engine import Engine  # noqa: E402
from eevit_ros.replay.machine import describe_machine  # noqa: E402
from model_export.data import load_split  # noqa: E402


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
    machine = describe_machine()
    engines = [Engine(path, threads=args.threads) for path in (args.fp32, args.int8)]
    for engine in engines:
        engine.warm_up()
    data = load_split(args.data, 'test', engines[0].metadata.input_height).spread(args.images)
    labels, exits, ends = (np.zeros((2, len(data)), np.int64) for _ in range(3))
    spent_ms = np.zeros((2, 2, len(data)))  # file; at its thresholds, at full depth
    for n, image in enumerate(tqdm(data.images, 'both files', unit='image')):
        for which, engine in enumerate(engines):
            early, full = engine.run(image), engine.run_to_the_end(image)
            labels[which, n], exits[which, n] = early.class_index, early.exit_index
            ends[which, n] = full.class_index
            spent_ms[which, :, n] = early.inference_ms, full.inference_ms
    layers = np.array(engines[0].metadata.answer_layers)
    mean_ms = spent_ms.mean(axis=2)
    figures = {
        'files': [path.name for path in (args.fp32, args.int8)],
        'sha256': [engine.sha256 for engine in engines],
        'size_mb': [round(path.stat().st_size / 1e6, 1) for path in (args.fp32, args.int8)],
        'images': len(data),
        'threads': args.threads,
        'accuracy': (labels == data.labels).mean(axis=1).tolist(),
        'accuracy_full_depth': (ends == data.labels).mean(axis=1).tolist(),
        'mean_layers': layers[exits].mean(axis=1).tolist(),
        'same_exit': float((exits[0] == exits[1]).mean()),
        'same_label': float((labels[0] == labels[1]).mean()),
        'same_label_full_depth': float((ends[0] == ends[1]).mean()),
        'mean_ms': mean_ms[:, 0].tolist(),
        'full_depth_ms': mean_ms[:, 1].tolist(),
        'time_ratio': float(mean_ms[1, 0] / mean_ms[0, 0]),
        'time_ratio_full_depth': float(mean_ms[1, 1] / mean_ms[0, 1]),
        'machine': machine,
    }
    print(json.dumps(figures, indent=1))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + '\n')


if __name__ == '__main__':
    main()
