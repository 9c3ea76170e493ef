"""Would a robot gain by not asking heads that refused the frame before? Counted, not timed.

    python -m benchmarks.exit_scheduling MODEL.onnx RECORDING [RECORDING ...]

Neighbouring frames leave at similar depth, so heads far before the last frame's exit will refuse
again. Scheduled, a frame asks the head of the last frame's exit, `margin` heads before it, and all
after it; every `every` frames it asks all. A frame can so leave later than it would, never where
its own head refuses. Every exit's answer to every frame is taken first, then each schedule is
played on them. Heads and layers cost MACs, and time by the study `latency`.

A schedule that knows which heads will refuse and skips just those gives all answers unchanged: no
other one that keeps them saves more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmarks.report_file import Cell, Report, Table, add_options, machine
from eevit_ros.errors import EevitError
from eevit_ros.model.all_exits import AllExits
from eevit_ros.recordings.open import open_source
from harness.paths import ROOT

LATENCY = ROOT / 'docs' / 'studies' / 'latency.json'
MARGINS = (0, 1, 2, 4, 6)
EVERY = (5, 30)

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """What layers and heads cost, in any unit. E early exits.

    Attributes:
        until: (E + 1,), from the frame to an exit's answer, all heads before it asked.
        heads: (E,), each head.
    """

    until: Floats
    heads: Floats

    def spent(self, left: Integers, first: Integers) -> Floats:
        """(N,) for frames that left at exits (N,), having asked the heads from `first` (N,) on."""
        skipped = np.concatenate([[0.0], np.cumsum(self.heads)])
        return np.asarray(self.until[left] - skipped[first])


def schedule(leaves: npt.NDArray[np.bool_], margin: int, every: int) -> tuple[Integers, Integers]:
    """Play one schedule on frames in their order.

    Args:
        leaves: (E, N), whether each early exit lets each frame go.
        margin: How many heads before the last frame's exit are run.
        every: All heads run every so many frames, the first included.

    Returns:
        Exit index (N,) at which each frame left, E for the final one, and the first head run
        (N,), E where none ran.
    """
    exits, frames = leaves.shape
    left, first = np.full(frames, exits), np.zeros(frames, np.int64)
    last = 0
    for frame in range(frames):
        if frame % every:
            first[frame] = max(0, last - margin)
        asked = leaves[first[frame] :, frame]
        if asked.any():
            left[frame] = first[frame] + int(asked.argmax())
        last = int(left[frame])
    return left, first


def in_macs(until: Sequence[int], heads: Sequence[int]) -> Cost:
    """Return the costs that a model file names."""
    return Cost(np.array(until, np.float64), np.array(heads, np.float64))


def in_time(layers: Sequence[int], study: Path) -> Cost:
    """Return costs in times of a layer without a head, from a `latency` study of the same model.

    Args:
        layers: E + 1, how many run until each exit has answered.
        study: Its JSON.

    Raises:
        ValueError: The study is of a model with other exits.
    """
    by_exit, means = json.loads(study.read_text())['tables'][:2]
    units = {row[0].removesuffix(' alone'): row[-1] for row in means['rows']}
    rows = [row for row in by_exit['rows'] if row[1] in units]
    if [row[0] for row in rows] != list(layers[:-1]):
        raise ValueError(f'{study} has exits after layers {[row[0] for row in rows]}, not {layers}')
    heads = np.array([units[row[1]] for row in rows], np.float64)
    asked = np.append(np.cumsum(heads), heads.sum())
    return Cost(np.array(layers, np.float64) + asked, heads)


def rows_of(
    leaves: npt.NDArray[np.bool_], answers: Integers, layers: Integers, costs: Sequence[Cost]
) -> list[list[Cell]]:
    """Return one row a schedule, the oracle last: savings and changes against running all heads."""
    exits, frames = leaves.shape
    own = np.where(leaves.any(axis=0), leaves.argmax(axis=0), exits)
    everything = np.zeros(frames, np.int64)
    columns = np.arange(frames)

    def row(name: str, left: Integers, first: Integers) -> list[Cell]:
        saved = [
            100 * (1 - float(cost.spent(left, first).sum() / cost.spent(own, everything).sum()))
            for cost in costs
        ]
        return [
            name,
            *saved,
            100 * float((left != own).mean()),
            100 * float((answers[left, columns] != answers[own, columns]).mean()),
            float((layers[left] - layers[own]).mean()),
        ]

    rows = [
        row(f'margin {margin}, all every {every} frames', *schedule(leaves, margin, every))
        for margin in MARGINS
        for every in EVERY
    ]
    return [*rows, row('knowing which heads reject', own, own)]


COLUMNS = (
    'schedule',
    'MACs saved, %',
    'time saved, %',
    'frames that leave later, %',
    'frames with another answer, %',
    'layers later, mean',
)


def main() -> int:
    """Answer the recordings at every exit, play the schedules, print and keep the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('model', type=Path)
    parser.add_argument('recordings', type=Path, nargs='+', metavar='RECORDING')
    add_options(parser, 'exit_scheduling')
    args = parser.parse_args()
    before = machine()
    try:
        model = AllExits(args.model)
        meta = model.metadata
        costs = [in_macs(meta.macs, meta.head_macs), in_time(meta.answer_layers, LATENCY)]
        thresholds = np.array(meta.default_thresholds, np.float32)[:, np.newaxis]
        tables = []
        for path in args.recordings:
            source = open_source(path, None)
            answers = [
                model.answers(frame.decode())
                for frame in tqdm(source, source.name, source.frames, unit=' frames', disable=None)
            ]
            measure = np.stack([one.measure for one in answers], axis=1)
            rows = rows_of(
                measure[:-1] > thresholds,
                np.stack([one.class_index for one in answers], axis=1),
                np.array(meta.answer_layers),
                costs,
            )
            tables.append(Table(f'{source.name}, {len(answers)} frames', COLUMNS, rows))
    except (EevitError, ValueError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    report = Report('Exit scheduling', before, tables)
    report.deliver(args, 'exit_scheduling')
    return 0


if __name__ == '__main__':
    sys.exit(main())
