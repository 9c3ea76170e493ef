"""How near a model comes to what these cores can do at all: a large product of two matrices.

    python -m benchmarks.roofline

The demo model and a ViT-B/16 without exits at full depth, and ONNX Runtime's own float32 product of
two square matrices, in turn, in one process: GFLOP/s are 2 x MACs / time. Norms, softmax, GELU and
all that moves data cost time and count as no work.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import onnx
import torch
from tqdm import tqdm

from benchmarks.early_exit_speed import plain_proto
from benchmarks.random_file import random_model
from benchmarks.report_file import Cell, Report, Table, add_options, machine
from eevit_ros.model.compute import Compute, all_cores
from eevit_ros.model.engine import Engine
from eevit_ros.model.ort_session import open_session
from eevit_ros.reporting.interval import median_interval
from harness.paths import ROOT
from model_export.network.macs import count_run
from model_export.recipe.recipe import load_recipe

DEMO = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
RECIPE = ROOT / 'config' / 'recipes' / 'lgvit_vit_b16.yaml'
Run = Callable[[], object]


def product(side: int, threads: int) -> tuple[Run, int]:
    """A product of two square matrices, the second a weight as in a model, and its MACs."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, side, side), np.float32)
    shape = [side, side]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('MatMul', ['left', 'right'], ['out'])],
        'product',
        [onnx.helper.make_tensor_value_info('left', onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info('out', onnx.TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(right, 'right')],
    )
    proto = onnx.helper.make_model(
        graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid('', 20)]
    )
    compute = Compute(provider='cpu', threads=threads)
    session = open_session(proto.SerializeToString(), compute)
    return lambda: session.run(None, {'left': left}), side**3


def plain_vit(threads: int) -> tuple[Run, int]:
    """A ViT-B/16 without exits, and its MACs."""
    backbone = random_model(load_recipe(RECIPE)).backbone
    size = backbone.recipe.image_size
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    compute = Compute(provider='cpu', threads=threads)
    session = open_session(plain_proto(backbone).SerializeToString(), compute)
    with torch.no_grad():
        macs = count_run(backbone, torch.from_numpy(image))
    return lambda: session.run(None, {'image': image}), macs


def demo_model(threads: int) -> tuple[Run, int]:
    """The demo model to its end, and its MACs, heads included."""
    engine = Engine(DEMO, compute=Compute(provider='cpu', threads=threads))
    height, width = engine.metadata.input_height, engine.metadata.input_width
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return lambda: engine.run(image, full_depth=True), engine.metadata.macs[-1]


def main() -> None:
    """Measure in turn and report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=40)
    parser.add_argument('--threads', type=int, default=all_cores())
    parser.add_argument('--side', type=int, default=2048, help='of the matrices: %(default)s')
    add_options(parser, 'roofline')
    args = parser.parse_args()
    computer = machine('onnx', 'torch')
    roof = f'product {args.side} x {args.side}'
    work = {
        roof: product(args.side, args.threads),
        'ViT-B/16 without exits': plain_vit(args.threads),
        'demo model, full depth': demo_model(args.threads),
    }
    rates: dict[str, list[float]] = {name: [] for name in work}  # GFLOP/s
    for run, _ in work.values():
        run()
    for _ in tqdm(range(args.rounds), 'rounds'):
        for name, (run, macs) in work.items():
            start = time.perf_counter()
            run()
            rates[name].append(2 * macs / (time.perf_counter() - start) / 1e9)
    rows: list[list[Cell]] = [
        [
            name,
            2 * macs / 1e9,
            *median_interval(rates[name]),
            *median_interval(np.divide(rates[name], rates[roof])),
        ]
        for name, (_, macs) in work.items()
    ]
    columns = ['', 'GFLOP', 'GFLOP/s', 'low', 'high', 'of the product', 'low', 'high']
    notes = [
        f'{args.rounds} rounds in turn, {args.threads} threads, float32. Low and high: 95 % '
        'interval of the median.'
    ]
    report = Report('Roofline', computer, [Table('Work and rate', columns, rows)], notes)
    report.deliver(args, 'roofline')


if __name__ == '__main__':
    main()
