"""How much sooner an early-exit model answers than the same backbone without exits.

    python -m benchmarks.early_exit_speed WEIGHTS MODEL.onnx --data DATA

Exports the plain backbone of the saved weights, then runs it, the model at its own thresholds and
the model at full depth on the same test images in turn, so that a noisy machine treats all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from tqdm import tqdm

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.model.compute import Compute, all_cores
from eevit_ros.model.engine import Engine
from model_export.data import check_classes, evaluation_batch, load_split
from model_export.errors import ModelExportError
from model_export.network.backbones import Backbone
from model_export.weights.stored import load_model

WARM_UP = 10  # frames of each, not counted


class PlainForm(torch.nn.Module):
    """The backbone's probabilities, as the model file gives them."""

    def __init__(self, backbone: Backbone) -> None:
        """Wrap a trained backbone."""
        super().__init__()
        self.backbone = backbone

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Probabilities (1, C) of a uint8 image (1, H, W, 3)."""
        return self.backbone(image).softmax(-1)


def plain_proto(backbone: Backbone) -> onnx.ModelProto:
    """The backbone without exits as a graph: input `image`, one output of probabilities."""
    size = backbone.recipe.image_size
    example = (torch.zeros(1, size, size, 3, dtype=torch.uint8),)
    program = torch.onnx.export(
        PlainForm(backbone).eval(), example, input_names=['image'], dynamo=True, verbose=False
    )
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    return proto


def plain_session(backbone: Backbone, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the backbone without exits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        plain_proto(backbone).SerializeToString(), options, providers=['CPUExecutionProvider']
    )


def main() -> int:
    """Measure, print a table, write JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('weights', type=Path, help='folder of saved weights or a training run')
    parser.add_argument('model', type=Path, help='the .onnx file exported from them')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--images', type=int, default=1000, help='default: %(default)s')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: one a core')
    parser.add_argument('--out', type=Path, default=Path('build/early_exit_speed.json'))
    args = parser.parse_args()
    try:
        measure(args.weights, args.model, args.data, args.images, args.threads, args.out)
    except (ModelExportError, EevitError, OSError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    return 0


def measure(weights: Path, model: Path, data: Path, images: int, threads: int, out: Path) -> None:
    """Time the three on the same images; print a table, write JSON to `out`."""
    if images < 1:
        raise ModelExportError(f'--images must be at least 1. Got {images}')
    threads = threads or all_cores()
    out.parent.mkdir(parents=True, exist_ok=True)
    trained, class_names = load_model(weights)
    engine = Engine(model, compute=Compute(provider='cpu', threads=threads))
    if engine.metadata.class_names != class_names:
        raise ModelExportError(f'{model} was not exported from {weights}: it has other classes')
    size = engine.metadata.input_height
    test = load_split(data, 'test', size)
    check_classes(test, class_names, data)
    chosen = evaluation_batch(test.spread(images).images, size)
    plain = plain_session(trained.backbone, threads)
    thresholds = engine.thresholds

    def run_plain(image: Image) -> float:
        start = time.perf_counter()
        plain.run(None, {'image': image[None]})
        return (time.perf_counter() - start) * 1e3

    def run_engine(image: Image, thresholds: Sequence[float] | float) -> float:
        engine.thresholds = thresholds
        return engine.run(image).inference_ms

    runs: dict[str, Callable[[Image], float]] = {
        'plain backbone': run_plain,
        'early exit': lambda image: run_engine(image, thresholds),
        'full depth': lambda image: run_engine(image, 1.0),
    }
    for _ in range(WARM_UP):
        for run in runs.values():
            run(chosen[0])
    times: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for image in tqdm(chosen):
        for name in names:
            times[name].append(runs[name](image))
        names = names[1:] + names[:1]  # each is the first of an image as often

    base = float(np.mean(times['plain backbone']))
    figures = {
        name: {
            'mean_ms': float(np.mean(values)),
            'p50_ms': float(np.percentile(values, 50)),
            'p99_ms': float(np.percentile(values, 99)),
            'speedup': base / float(np.mean(values)),
        }
        for name, values in times.items()
    }
    version = onnxruntime.__version__
    machine = f'{platform.machine()}, {os.cpu_count()} cores, ONNX Runtime {version}'
    print(f'\n{machine}, {len(chosen)} images\n')
    print('| | mean ms | p50 ms | p99 ms | speed-up |\n|---|---|---|---|---|')
    for name, row in figures.items():
        print(
            f'| {name} | {row["mean_ms"]:.1f} | {row["p50_ms"]:.1f} | {row["p99_ms"]:.1f} '
            f'| {row["speedup"]:.2f}x |'
        )
    out.write_text(json.dumps({'machine': machine, 'rows': figures}, indent=1) + '\n')


if __name__ == '__main__':
    sys.exit(main())
