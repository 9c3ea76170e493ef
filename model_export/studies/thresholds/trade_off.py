"""The trade-off that the command `thresholds` shows: its text, tables and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from eevit_ros.policies import NAMES, STATELESS, Anytime
from eevit_ros.policies.operating_point import OperatingPoint, measure_exits
from model_export.calibration.choose import CalibrationSet, Target, choose
from model_export.errors import ModelExportError
from model_export.studies.report import Study, Table, model_facts
from model_export.studies.thresholds.held_out_answers import HeldOutAnswers
from model_export.studies.thresholds.reliability import BINS, Reliability, reliability
from model_export.studies.thresholds.trade_off_figures import draw_reliability, draw_trade_off

NAME = 'trade_off'
SPEEDUPS = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0)

TEXT = """\
{images} images that the model was not trained on, in two halves at random: thresholds were chosen
on one ({choosing} images) and every figure is of the other ({testing}), unless a heading says
`chosen`. The final exit is right on {final:.2%} of it.

Target: {target}. Policy: {policy}. Thresholds: {thresholds}.

{reached}
"""


def trade_off(
    held_out: HeldOutAnswers,
    policy_name: str,
    target: Target,
    chosen: tuple[float, ...],
    path: Path,
    times: npt.NDArray[np.float64] | None,
) -> Study:
    """Return the trade-off of a policy and what the chosen thresholds reach.

    Args:
        held_out: Answers of every exit; the second of their `halves` measures.
        policy_name: Name of the policy that the thresholds are for.
        target: Target that they were chosen for.
        chosen: E thresholds, chosen on the first half.
        path: Model that was asked, for its name and hash.
        times: float64 (E + 1, R), milliseconds of a frame leaving at each exit; None if not timed.
    """
    first, second = held_out.halves
    known = held_out.measured_by(policy_name)
    to_choose, to_test = known.subset(first), known.subset(second)
    points = [
        (vector, to_choose.operating_point(vector), to_test.operating_point(vector))
        for vector in to_choose.front()
    ]
    result = to_test.operating_point(chosen)
    exits = [to_test.operating_point(_fixed(e, len(chosen))) for e in range(len(chosen) + 1)]
    labels, raw = held_out.labels[second], held_out.raw
    after = [reliability(one[second], labels) for one in held_out.probabilities]
    before = None if raw is None else [reliability(one[second], labels) for one in raw]
    return Study(
        NAME,
        'Thresholds',
        TEXT.format(
            images=len(held_out.labels),
            choosing=len(first),
            testing=len(second),
            final=to_test.right[-1].mean(),
            target=target,
            policy=policy_name,
            thresholds=', '.join(f'{value:.4g}' for value in chosen),
            reached=_reached(result, to_test, chosen, times),
        ),
        (
            _curve(points),
            _policies(held_out, first, second),
            _by_exit(held_out, after, before, result, second),
        ),
        {
            'curve': draw_trade_off(points, result, exits, str(target)),
            'reliability': draw_reliability(held_out.layers, after, before),
        },
        model_facts(path),
    )


def _fixed(exit_index: int, exits: int) -> list[float]:
    return [float(index < exit_index) for index in range(exits)]


def _reached(
    result: OperatingPoint,
    to_test: CalibrationSet,
    chosen: tuple[float, ...],
    times: npt.NDArray[np.float64] | None,
) -> str:
    text = (
        f'They are right on {result.accuracy:.2%} at {result.speedup_macs:.2f}x fewer MACs '
        f'({result.speedup_layers:.2f}x fewer layers).'
    )
    if times is not None:
        taken = to_test.taken(chosen)
        drawn = times[taken, np.random.default_rng(0).integers(0, times.shape[1], len(taken))]
        text += (
            f' The 99th percentile of a frame in ONNX Runtime is {np.percentile(drawn, 99):.1f} ms '
            f'on this machine, {np.percentile(times[-1], 99):.1f} ms at full depth.'
        )
    return text


def _curve(points: list[tuple[tuple[float, ...], OperatingPoint, OperatingPoint]]) -> Table:
    return Table(
        'trade_off',
        'The trade-off',
        ('MACs speed-up', 'layers speed-up', 'accuracy %', 'accuracy where chosen %', 'thresholds'),
        tuple(
            (
                seen.speedup_macs,
                seen.speedup_layers,
                seen.accuracy,
                there.accuracy,
                ' '.join(f'{value:.4g}' for value in vector),
            )
            for vector, there, seen in points
        ),
        'No other thresholds found were both cheaper and more accurate on the half to choose on.',
    )


def _policies(
    held_out: HeldOutAnswers, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> Table:
    rows: list[tuple[str | float | None, ...]] = []
    for name in NAMES:
        known = held_out.measured_by(name)
        to_choose, to_test = known.subset(first), known.subset(second)
        row: list[str | float | None] = [name]
        for speedup in SPEEDUPS:
            try:
                vector = choose(to_choose, Target(min_speedup=speedup))
            except ModelExportError:  # a policy that looks at two exits cannot be that fast
                row.append(None)
            else:
                row.append(to_test.operating_point(vector).accuracy)
        rows.append(tuple(row))
    return Table(
        'policies',
        'Accuracy at so many times fewer MACs, by policy',
        ('policy', *(f'{speedup:g}x %' for speedup in SPEEDUPS)),
        tuple(rows),
        'The speed-up was reached on the half to choose on. A file can hold '
        f'{", ".join(STATELESS)}; the others need a host that decides between the exits.',
    )


def _by_exit(
    held_out: HeldOutAnswers,
    after: list[Reliability],
    before: list[Reliability] | None,
    result: OperatingPoint,
    second: npt.NDArray[np.int64],
) -> Table:
    exits = len(held_out.layers)
    # What an anytime answer is worth when time ends after this exit: budgets that end right there.
    anytime = measure_exits(
        Anytime([float(e + 1) for e in range(exits)], exits, held_out.accuracy),
        held_out.probabilities[:, second],
    )
    best = (anytime.answer == held_out.labels[second]).mean(axis=1)
    alone = (held_out.probabilities[:, second].argmax(-1) == held_out.labels[second]).mean(axis=1)
    return Table(
        'exits',
        'Every exit',
        ('layer', 'accuracy %', 'best so far %', 'leave there %', 'ECE before %', 'ECE %'),
        tuple(
            (
                held_out.layers[e],
                float(alone[e]),
                float(best[e]),
                result.share[e],
                before[e].ece if before else None,
                after[e].ece,
            )
            for e in range(exits)
        ),
        'Best so far: the answer of the most accurate exit up to this one, which the policy '
        'anytime gives when time ends here. ECE: expected calibration error in '
        f'{BINS} bins, before and after temperature scaling'
        + ('.' if before else '; a file holds its temperatures, so only after.'),
    )
