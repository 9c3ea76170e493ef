"""What an int8 file gives up and gains against the fp32 file of the same weights.

    python -m model_export export models/weights --data DATA --precision int8 --out int8.onnx
    python -m benchmarks.precision models/eevit_s14_cifar100.onnx int8.onnx --data DATA

Both files answer the same test images at every exit. From that follow the accuracy of each exit,
and where images leave: at each file's own thresholds, and with fp32's thresholds on both, which
shows quantisation alone. Then both files run in both forms, image by image in turn, and are timed.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmarks.report_file import Cell, Report, Table, add_options, machine
from eevit_ros.model.compute import SINGLE, STAGED, Compute, all_cores
from eevit_ros.model.engine import Engine
from eevit_ros.policies import STATELESS
from eevit_ros.policies.operating_point import measure_exits
from eevit_ros.policies.threshold_search import exits_taken
from model_export.data import Images, load_split
from model_export.measuring.answers import answers

Labels = npt.NDArray[np.int64]
Pair = Sequence[npt.NDArray[np.float32]]
Thresholds = Sequence[Sequence[float]]


def main() -> None:
    """Compare two files and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('fp32', type=Path, help='the exported .onnx file')
    parser.add_argument('int8', type=Path, help='the same, exported with --precision int8')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--images', type=int, default=10_000, help='test images (default all)')
    parser.add_argument('--timed', type=int, default=1000, help='of them, timed (default 1000)')
    parser.add_argument('--threads', type=int, default=all_cores(), help='default: all cores')
    parser.add_argument('--cache', type=Path, help='folder that keeps answers for a second call')
    add_options(parser, 'precision')
    args = parser.parse_args()
    computer, files = machine('onnx', 'torch'), (args.fp32, args.int8)
    said = [answers(path, args.data, limit=args.images, cache=args.cache) for path in files]
    size = said[0].metadata.input_height
    images = load_split(args.data, 'test', size).spread(args.timed).images
    own = [one.metadata.default_thresholds for one in said]
    layers, policy = said[0].metadata.answer_layers, said[0].metadata.policy
    answered, truth = [one.probabilities for one in said], said[0].labels
    decisions = [
        row
        for at, chosen in (('own thresholds', own), ("fp32's thresholds on both", [own[0]] * 2))
        for row in decided(at, layers, answered, truth, policy, chosen)
    ]
    timed = [row for form in (SINGLE, STAGED) for row in _timed(files, form, args.threads, images)]
    sizes = [path.stat().st_size / 1e6 for path in files]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files]
    notes = [
        f'{len(said[0].labels)} test images, {len(images)} of them timed, {args.threads} threads. '
        f'SHA-256 of the files begins with {hashes[0]} (fp32) and {hashes[1]} (int8).',
        'Times are means; the two files run each image in turn.',
    ]
    tables = [
        Table('Decisions', ['', 'fp32', 'int8', 'the same %'], decisions),
        Table(
            'Accuracy of each exit, %',
            ['layer', 'fp32', 'int8', 'the same label'],
            each_exit(layers, answered, truth),
        ),
        Table('File and time', ['', 'fp32', 'int8', 'ratio'], [_ratio('file, MB', *sizes), *timed]),
    ]
    report = Report('int8 beside fp32', computer, tables, notes)
    report.deliver(args, 'precision')


def each_exit(layers: Sequence[int], answered: Pair, truth: Labels) -> list[list[Cell]]:
    """Rows of each exit's accuracy in two forms of a model, and how many labels are the same.

    Args:
        layers: Layers that run to each exit.
        answered: What both forms say, float32 (E + 1, N, C).
        truth: int64 (N,).
    """
    labels = [probabilities.argmax(-1) for probabilities in answered]
    right = [(found == truth).mean(axis=1) for found in labels]
    percent = (100 * np.stack([*right, _same(labels)], axis=1)).tolist()
    return [[layer, *row] for layer, row in zip(layers, percent, strict=True)]


def decided(
    at: str, layers: Sequence[int], answered: Pair, truth: Labels, policy: str, chosen: Thresholds
) -> list[list[Cell]]:
    """Rows of where images leave in two forms at these thresholds, and what they are told.

    Args:
        at: The thresholds, in words.
        layers: Layers that run to each exit.
        answered: What both forms say, float32 (E + 1, N, C).
        truth: int64 (N,).
        policy: The exits' measure, one of `STATELESS`.
        chosen: E thresholds of each form.
    """
    taken, labels = [], []
    for probabilities, thresholds in zip(answered, chosen, strict=True):
        measure = measure_exits(STATELESS[policy](), probabilities).measure
        left = exits_taken(measure, np.array(thresholds, np.float32))
        taken.append(left)
        labels.append(probabilities.argmax(-1)[left, np.arange(len(left))])
    accuracy = [100 * float((found == truth).mean()) for found in labels]
    ran = [float(np.array(layers)[left].mean()) for left in taken]
    return [
        [f'accuracy %, {at}', *accuracy, 100 * float(_same(labels))],
        [f'layers that ran, {at}', *ran, 100 * float(_same(taken))],
    ]


def _same(pair: Sequence[Labels]) -> Any:
    return (pair[0] == pair[1]).mean(axis=-1)


def _timed(files: tuple[Path, Path], form: str, threads: int, images: Images) -> list[list[Cell]]:
    """Mean milliseconds of both files, in turn."""
    engines = [Engine(path, compute=Compute(execution=form, threads=threads)) for path in files]
    for engine in engines:
        engine.warm_up()
    spent_ms = np.zeros((2, 2))  # at its thresholds, at full depth; file
    for image in tqdm(images, f'{form}: both files', unit='image'):
        for which, engine in enumerate(engines):
            spent_ms[0, which] += engine.run(image).inference_ms
            spent_ms[1, which] += engine.run(image, full_depth=True).inference_ms
    own_ms, full_ms = (spent_ms / len(images)).tolist()
    return [
        _ratio(f'ms, own thresholds, {form}', *own_ms),
        _ratio(f'ms, full depth, {form}', *full_ms),
    ]


def _ratio(what: str, fp32: float, int8: float) -> list[Cell]:
    return [what, fp32, int8, int8 / fp32]


if __name__ == '__main__':
    main()
