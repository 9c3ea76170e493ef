"""Where the milliseconds go: by exit, by layer, by kind of head, and over the first runs.

Reference:
    The EEViT thesis code (github: ionymikler/early_exit_vit) reports the mean time that a layer
    without a head, with an LPH and with a GAH adds, and the warm-up of its runtime.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.reporting import style
from eevit_ros.reporting.interval import Interval, median_interval
from model_export.errors import ModelExportError
from model_export.measuring.timing import time_exits
from model_export.studies.latency.cold_start import NEAR, THREADS, ColdStart, cold_start
from model_export.studies.latency.headless import write_headless
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Cell, Study, Table, model_facts

ROUNDS = 60
STARTS = 3
RUNS = 60  # after the first, in each cold start

Times = npt.NDArray[np.float64]

TEXT = """\
Every exit was forced in turn in the robot's engine (ONNX Runtime on the CPU, one thread, one
frame), and so was every exit of the same file with its heads cut out. Each of the {rounds} rounds
runs them all once in random order. Times are CPU time of the process: on an idle machine that
equals wall-clock time, and on a busy one it excludes most of the waiting. The tables give medians
with their 95 % interval. What a layer or a head adds is the median of the differences within each
round.

All heads together take {heads:.0%} of the time at full depth. The conditional of an exit runs with
or without a head, so its time counts towards the layer.

Warm-up was measured in {starts} fresh processes with one thread. The steady state is the median of
the second half of {runs} runs at full depth; a process is warm once the median of five consecutive
runs is within 5 % of it. Wall-clock time includes whatever else the machine did (its load is given
below).
"""


def study(inputs: StudyInputs) -> Study:
    """Run the study; `inputs.limit` lowers the number of rounds."""
    assert inputs.model is not None
    rounds = min(ROUNDS, inputs.limit or ROUNDS)
    times, layers = exit_times(inputs.model, rounds)
    kinds = head_kinds(inputs.weights, layers[:-1])
    starts = [cold_start(inputs.model, RUNS) for _ in range(STARTS)]
    heads = float(np.median(1 - times[:, 1, -1] / times[:, 0, -1]))
    return Study(
        'latency',
        'Latency by layer and head, and warm-up',
        TEXT.format(rounds=rounds, heads=heads, starts=STARTS, runs=RUNS),
        (by_exit(times, layers, kinds), by_group(times, layers, kinds), warm_up(starts)),
        {
            'by-exit': _draw_exits(times, layers),
            'warm-up': _draw_warm_up([cpu for _, cpu in starts]),
        },
        model_facts(inputs.model),
    )


def exit_times(model: Path, rounds: int) -> tuple[Times, tuple[int, ...]]:
    """Measure CPU milliseconds of every exit, with heads and without.

    Args:
        model: The `.onnx` file.
        rounds: Rounds of `time_exits`.

    Returns:
        float64 (rounds, 2, E + 1), and E + 1 layers.
    """
    print(f'every exit with and without heads, {rounds} rounds')
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / 'headless.onnx'
        write_headless(model, bare)
        engines = [
            Engine(path, compute=Compute(provider='cpu', threads=THREADS)) for path in (model, bare)
        ]
    return time_exits(engines, rounds, cpu=True), engines[0].metadata.answer_layers


def head_kinds(weights: Path | None, exit_layers: tuple[int, ...]) -> tuple[str, ...]:
    """Return each exit's head as its recipe names it; 'head' without weights.

    Raises:
        ModelExportError: The weights have other exits than the model.
    """
    if weights is None:
        return ('head',) * len(exit_layers)
    from model_export.studies.cost.study import load

    exits = load(weights).recipe.exits
    if tuple(one.layer for one in exits) != exit_layers:
        raise ModelExportError(
            f'{weights} has exits after layers {[one.layer for one in exits]}, the model after '
            f'{list(exit_layers)}: give the weights that it was exported from'
        )
    return tuple(one.head for one in exits)


def by_exit(times: Times, layers: tuple[int, ...], kinds: tuple[str, ...]) -> Table:
    """Tabulate what leaving at each exit takes, and what its layers and its head add.

    Args:
        times: float64 (rounds, 2, E + 1) ms, with heads and without.
        layers: E + 1 layers that ran.
        kinds: E names of heads.
    """
    full, bare = times[:, 0], times[:, 1]
    head = _added(full - bare)
    layer = _added(bare)
    rows = []
    for index, kind in enumerate((*kinds, 'final classifier')):
        rows.append(
            (
                layers[index],
                kind,
                _shown(full[:, index]),
                _shown(bare[:, index]),
                float(np.median(full[:, index] / full[:, -1])),
                _shown(layer[:, index]),
                _shown(head[:, index]) if index < len(kinds) else '',
            )
        )
    return Table(
        'by_exit',
        'Leaving at each exit, ms',
        (
            'after layer',
            'head',
            'ms',
            'ms without heads',
            'of full depth, %',
            'its layers add',
            'its head adds',
        ),
        tuple(rows),
        'The first row includes the embedding and all layers up to the first exit. The last layer '
        'computes only the row of the class token, because nothing else is read.',
    )


def by_group(times: Times, layers: tuple[int, ...], kinds: tuple[str, ...]) -> Table:
    """Tabulate the mean ms that a bare layer and each kind of head add; see `by_exit`."""
    full, bare = times[:, 0], times[:, 1]
    head = _added(full - bare)[:, :-1]
    gaps = np.diff(layers)[:-1]  # without the last stretch: its last layer is a part of one
    single = _added(bare)[:, 1:-1] / gaps
    groups: list[tuple[str, int, Times]] = []
    if single.size:
        groups.append(('layer without a head', int(gaps.sum()), single.mean(axis=1)))
    for kind in dict.fromkeys(kinds):
        chosen = [index for index, name in enumerate(kinds) if name == kind]
        groups.append((f'{kind} alone', len(chosen), head[:, chosen].mean(axis=1)))
        if single.size:
            both = head[:, chosen].mean(axis=1) + single.mean(axis=1)
            groups.append((f'layer with {kind}', len(chosen), both))
    unit = float(np.median(groups[0][2]))
    rows = tuple(
        (name, count, *median_interval(values), float(np.median(values)) / unit)
        for name, count, values in groups
    )
    return Table(
        'by_group',
        'Mean ms that one layer or one head adds',
        ('', 'how many', 'ms', 'low', 'high', 'in units of the first row'),
        rows,
        'Layers without a head are those between the first and the last exit, in the file whose '
        'heads are cut out.',
    )


def warm_up(starts: list[tuple[ColdStart, ColdStart]]) -> Table:
    """Tabulate the cold start: medians over the processes, by either clock."""
    quantities: dict[str, Callable[[ColdStart], float]] = {
        'imports, ms': lambda start: start.import_ms,
        'file and session, ms': lambda start: start.session_ms,
        'first inference, ms': lambda start: start.first_ms,
        'steady state, ms': lambda start: start.steady_ms,
        'first inference / steady state': lambda start: start.first_ms / start.steady_ms,
        'runs until warm': lambda start: float(start.runs_until_warm()),
    }
    rows: list[tuple[Cell, ...]] = []
    for name, value in quantities.items():
        wall = [value(start) for start, _ in starts]
        cpu = [value(start) for _, start in starts]
        rows.append((name, float(np.median(cpu)), min(cpu), max(cpu), float(np.median(wall))))
    return Table(
        'warm_up',
        f'Cold start, {len(starts)} processes',
        ('', 'CPU time', 'least', 'most', 'wall clock'),
        tuple(rows),
    )


def _shown(times: Times) -> str:
    median = median_interval(times)
    return median.text('.2f' if abs(median.value) >= 1 else '.3f')


def _added(cumulative: Times) -> Times:
    """Return what each step adds within a round, (rounds, E + 1); the first is unchanged."""
    return np.diff(cumulative, axis=1, prepend=0.0)


def _draw_exits(times: Times, layers: tuple[int, ...]) -> Figure:
    figure = Figure(figsize=(7, 3.2), layout='constrained')
    axes = figure.subplots()
    for which, (name, colour) in enumerate(
        (('with its heads', style.RATE), ('heads cut out', style.MUTED))
    ):
        found: list[Interval] = [median_interval(column) for column in times[:, which].T]
        middle = np.array([one.value for one in found])
        ends = [[one.value - one.low for one in found], [one.high - one.value for one in found]]
        axes.errorbar(
            layers, middle, yerr=ends, color=colour, marker='o', ms=4, capsize=3, label=name
        )
    axes.set(xlabel='layers that ran', ylabel='CPU ms, median', title='Leaving at each exit')
    axes.set_xticks(layers)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    style.quiet(axes)
    return figure


def _draw_warm_up(starts: list[ColdStart]) -> Figure:
    figure = Figure(figsize=(7, 2.8), layout='constrained')
    axes = figure.subplots()
    runs = np.array([[start.first_ms, *start.runs_ms] for start in starts])
    relative = runs / np.array([start.steady_ms for start in starts])[:, None]
    number = np.arange(1, runs.shape[1] + 1)
    axes.plot(number, relative.T, color=style.MUTED, lw=0.6, alpha=0.6)
    axes.plot(number, np.median(relative, axis=0), color=style.RATE, lw=1.6, label='median')
    axes.axhline(NEAR, color=style.WRONG, lw=0.8, ls='--', label='5 % above steady')
    axes.set(xlabel='inference', ylabel='CPU time / steady', title='After a cold start')
    axes.legend(frameon=False)
    style.quiet(axes)
    return figure
