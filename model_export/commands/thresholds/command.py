"""The command `thresholds`: a model's whole trade-off, every policy, the best for a target.

Thresholds are chosen on one half of held-out images; every figure is of the other half, which had
no part in the choice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.policies import NAMES, STATELESS, Anytime, build_policy
from eevit_ros.policies.operating_point import OperatingPoint, measure_exits
from model_export.calibration.choose import (
    Known,
    Target,
    choose,
    choose_with_promise,
    why_no_promise,
)
from model_export.calibration.held_out import halves
from model_export.errors import ModelExportError
from model_export.measuring.timing import time_exits
from model_export.studies.report import Study, Table, model_facts, write_study
from model_export.studies.thresholds.held_out_answers import Source, of_file, of_run
from model_export.studies.thresholds.reliability import BINS, Reliability, reliability

NAME = 'trade_off'
SPEEDUPS = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
ROUNDS = 300  # of timing every exit, for a 99th percentile

TEXT = """\
{images} images that the model was not trained on, in two halves at random: thresholds were chosen
on one ({choosing} images) and every figure is of the other ({testing}), unless a heading says
`chosen`. The final exit is right on {final:.2%} of it.

Target: {target}. Policy: {policy}. Thresholds: {thresholds}.

{reached}
"""


def thresholds(
    path: Path, data: Path, out: Path, *, target: Target, policy_name: str, split: str | None
) -> tuple[float, ...]:
    """Show the trade-off, choose thresholds, and write both into the folder `out`.

    Args:
        path: A training run, saved weights, or an `.onnx` file.
        data: Folder of the data set.
        out: Gets `trade_off.md`, `.json` and pictures, and `thresholds.yaml` for the node if the
            policy is one that a file can hold.
        target: What to reach.
        policy_name: One of `eevit_ros.policies.NAMES`.
        split: The part of the data to use, of an `.onnx` file; a run knows what it held out.

    Returns:
        The thresholds chosen.

    Raises:
        ModelExportError: the target cannot be reached, or an option does not fit.
        EevitError: there is no such policy.
    """
    build_policy(policy_name, (1.0, 1.0))  # refuses a wrong name before the long part
    is_file = path.suffix == '.onnx'
    if target.p99_ms is not None and not is_file:
        raise ModelExportError('--p99-ms is about a file on this machine: give the .onnx file')
    if is_file != (split is not None):
        raise ModelExportError(
            '--split names images of a data set that an .onnx file was not trained on; a run knows '
            f'which it held out. Got {path} and --split {split}'
        )
    times = None
    if target.p99_ms is not None:
        times = time_exits([Engine(path, compute=Compute(provider='cpu'))], ROUNDS)[:, 0].T
    source = of_file(path, data, split) if split else of_run(path, data)
    first, second = halves(len(source.labels))
    known = source.known(policy_name)
    to_choose, to_test = known.of(first), known.of(second)
    if target.risk is not None:
        found = choose_with_promise(to_choose, to_test, target.risk, target.delta)
        if found is None:
            why = why_no_promise(len(second), target.risk, target.delta)
            raise ModelExportError(f'{target}: cannot be promised: {why}')
    else:
        found = choose(to_choose, target, times)
    study = _study(source, policy_name, target, found, path, times)
    source_option = f' --split {split}' if split else ''
    write_study(
        study,
        out,
        command=f'python -m model_export thresholds {path} --data {data}{source_option} '
        f'--policy {policy_name} {target.options()} --out {out}',
    )
    if policy_name in STATELESS:
        _write_parameters(out / 'thresholds.yaml', found, study.title)
    print(study.text + f'\nwrote {out / NAME}.md, .json and pictures')
    return found


def _study(
    source: Source,
    policy_name: str,
    target: Target,
    chosen: tuple[float, ...],
    path: Path,
    times: npt.NDArray[np.float64] | None,
) -> Study:
    from model_export.studies.thresholds.trade_off_figures import draw_reliability, draw_trade_off

    first, second = halves(len(source.labels))
    known = source.known(policy_name)
    to_choose, to_test = known.of(first), known.of(second)
    points = [
        (vector, to_choose.operating_point(vector), to_test.operating_point(vector))
        for vector in to_choose.front()
    ]
    result = to_test.operating_point(chosen)
    exits = [to_test.operating_point(_fixed(e, len(chosen))) for e in range(len(chosen) + 1)]
    labels, raw = source.labels[second], source.raw
    after = [reliability(one[second], labels) for one in source.probabilities]
    before = None if raw is None else [reliability(one[second], labels) for one in raw]
    return Study(
        NAME,
        'Thresholds',
        TEXT.format(
            images=len(source.labels),
            choosing=len(first),
            testing=len(second),
            final=to_test.right[-1].mean(),
            target=target,
            policy=policy_name,
            thresholds=', '.join(f'{value:.4g}' for value in chosen),
            reached=_reached(result, to_test, chosen, times),
        ),
        (
            _trade_off(points),
            _policies(source, first, second),
            _by_exit(source, after, before, result, second),
        ),
        {
            'curve': draw_trade_off(points, result, exits, str(target)),
            'reliability': draw_reliability(source.layers, after, before),
        },
        model_facts(path),
    )


def _fixed(exit_index: int, exits: int) -> list[float]:
    return [float(index < exit_index) for index in range(exits)]


def _reached(
    result: OperatingPoint,
    to_test: Known,
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


def _trade_off(points: list[tuple[tuple[float, ...], OperatingPoint, OperatingPoint]]) -> Table:
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


def _policies(source: Source, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Table:
    rows: list[tuple[str | float | None, ...]] = []
    for name in NAMES:
        known = source.known(name)
        to_choose, to_test = known.of(first), known.of(second)
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
    source: Source,
    after: list[Reliability],
    before: list[Reliability] | None,
    result: OperatingPoint,
    second: npt.NDArray[np.int64],
) -> Table:
    exits = len(source.layers)
    # What an anytime answer is worth when time ends after this exit: budgets that end right there.
    anytime = measure_exits(
        Anytime([float(e + 1) for e in range(exits)], exits, source.accuracy),
        source.probabilities[:, second],
    )
    best = (anytime.answer == source.labels[second]).mean(axis=1)
    alone = (source.probabilities[:, second].argmax(-1) == source.labels[second]).mean(axis=1)
    return Table(
        'exits',
        'Every exit',
        ('layer', 'accuracy %', 'best so far %', 'leave there %', 'ECE before %', 'ECE %'),
        tuple(
            (
                source.layers[e],
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


def _write_parameters(path: Path, chosen: tuple[float, ...], title: str) -> None:
    values = ', '.join(repr(float(value)) for value in chosen)
    path.write_text(
        f'# {title}: see {NAME}.md beside this file.\n'
        f'/**:\n  ros__parameters:\n    thresholds: [{values}]\n'
    )
