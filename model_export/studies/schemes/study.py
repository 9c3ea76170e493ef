"""Study `schemes`: the systems of the literature on one backbone, one budget and the same exits."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from eevit_ros.reporting.style import MUTED, quiet
from model_export.data import fingerprint, load_split, split_held_out
from model_export.errors import ModelExportError
from model_export.recipe.recipe import recipe_to_dict
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Cell, Study, Table, model_facts
from model_export.studies.schemes.plan import ComparisonPlan, System, load_plan
from model_export.studies.schemes.run import (
    Result,
    forget,
    key_of,
    measure,
    read_result,
    train,
    write_result,
)
from model_export.training.optimise import steps_of

WATCHED = 500  # held-out images while training: the figures come later
CALIBRATED = 2500  # of them, for temperatures and thresholds
SPEEDUPS = (1.25, 1.5, 1.75, 2.0, 2.5)
TEXT = """\
Every system has the same backbone ({backbone}), starts from the same weights, has its exits after
the same layers ({layers}), and trains each part with the same budget: {steps} steps of {batch}
images, with the same augmentation. Methods that attach heads to a finished network, as in their
papers, start from the row without exits, so they get that budget twice: once for the backbone and
once for the heads. Temperatures and thresholds were chosen on {held_out} held-out training images;
the figures are from the test set. Accuracy at a speed-up is interpolated between the two nearest
points of the curve. Speed-up is in MACs against the plain backbone, heads included.

The papers' setting is different: their backbone is ViT-B/16 at 224 pixels, pretrained on ImageNet
and trained for 100 epochs; {start} is smaller and already tuned on CIFAR-100, and the budget is a
fraction of an epoch. The table ranks the methods at a small budget; it does not reproduce the
papers' figures. Compare rows with the same heads: a head that sees the patches (`lph`, `gah`,
`vit_ee`) learns in a few steps what the class token of a shallow layer holds only once the layers
themselves have been trained to put it there.
{best}
The recipes are in `{plan}`. With `--data`, `--cache` and `--seeds` the command below does the runs
that have no result yet and keeps the results that exist.
"""


def study(inputs: StudyInputs) -> Study:
    """Do the runs that have no result yet, one seed after the other, then make the tables.

    Raises:
        ModelExportError: An input is missing or wrong, or no run has a result.
    """
    assert inputs.plan
    plan = load_plan(inputs.plan)
    folder = inputs.out / 'schemes' / plan.name
    if inputs.seeds:
        do_runs(plan, inputs, folder)
    results = read_results(plan, folder)
    if not any(results.values()):
        raise ModelExportError(f'no results in {folder}: name --seeds, so that runs are done')
    recipe = plan.systems[0].recipe
    start = inputs.weights.name if inputs.weights else 'the start'
    return Study(
        'schemes',
        'The systems of the literature, side by side',
        TEXT.format(
            backbone=recipe.backbone.words,
            layers=', '.join(str(exit.layer) for exit in recipe.exits),
            steps=_steps(results),
            batch=recipe.stages[0].batch_size,
            held_out=f'{min(CALIBRATED, recipe.held_out):,}',
            start=f'`{start}`',
            plan=inputs.plan,
            best=_best(plan, results),
        ),
        (_systems(plan, results), _exits(plan, results)),
        {'curves': _figure(plan, results)},
        model_facts(inputs.weights) if inputs.weights else {},
    )


def do_runs(plan: ComparisonPlan, inputs: StudyInputs, folder: Path) -> None:
    """Train and measure what has no result yet; a kill costs what came after a checkpoint."""
    if not (inputs.weights and inputs.data and inputs.cache):
        raise ModelExportError('study schemes with --seeds needs --weights, --data and --cache')
    recipe = plan.systems[0].recipe
    size = recipe.backbone.image_size
    dataset, test = (load_split(inputs.data, split, size) for split in ('train', 'test'))
    training, held_out = split_held_out(dataset, recipe.held_out, recipe.held_out_seed)
    halves = training, held_out.spread(WATCHED)
    held_out = held_out.spread(CALIBRATED)
    if inputs.limit:
        test = test.spread(inputs.limit)
    known = fingerprint(dataset)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in inputs.seeds:
        for system in plan.systems:
            recipe = system.seeded(seed)
            path = folder / f'{recipe.name}.json'
            key = key_of(recipe, _origin(plan, system, seed, inputs.weights), dataset, test)
            if path.exists() and read_result(path).key == key:
                continue
            start = inputs.weights
            if system.plan.start:
                start = inputs.cache / f'{system.plan.start}-{seed}'
                other = _named(plan, system.plan.start).seeded(seed)
                train(other, halves, inputs.weights, start, data=known)
            print(f'== {recipe.name}')
            run = inputs.cache / recipe.name
            model = train(recipe, halves, start, run, data=known)
            steps = sum(steps_of(stage, len(training)) for stage in recipe.stages)
            result = measure(model, held_out, test, run=recipe.name, key=key, steps=steps)
            write_result(result, path)
            if not any(other.plan.start == system.plan.name for other in plan.systems):
                forget(run)


def read_results(plan: ComparisonPlan, folder: Path) -> dict[str, list[Result]]:
    """Read the results of each system by name, with all its seeds."""
    return {
        system.plan.name: [
            read_result(path) for path in sorted(folder.glob(f'{system.plan.name}-*.json'))
        ]
        for system in plan.systems
    }


def _named(plan: ComparisonPlan, name: str) -> System:
    return next(system for system in plan.systems if system.plan.name == name)


def _origin(plan: ComparisonPlan, system: System, seed: int, weights: Path) -> str:
    """Name all that a system's backbone comes from."""
    if not system.plan.start:
        return model_facts(weights)['sha256']
    other = _named(plan, system.plan.start)
    words = json.dumps(recipe_to_dict(other.seeded(seed)))
    return f'{words} {_origin(plan, other, seed, weights)}'


def _steps(results: dict[str, list[Result]]) -> str:
    steps = sorted({result.steps for runs in results.values() for result in runs})
    return ' or '.join(f'{count:,}' for count in steps)


def _best(plan: ComparisonPlan, results: dict[str, list[Result]]) -> str:
    """Name the best system at each of `SPEEDUPS`."""
    words = []
    for speedup in SPEEDUPS:
        found = []
        for system in plan.systems:
            shares = [run.at(speedup) for run in results[system.plan.name]]
            known = [share for share in shares if share is not None]
            if system.plan.early and known and len(known) == len(shares):
                found.append((statistics.mean(known), system.plan.title))
        if found:
            share, title = max(found)
            words.append(f'{title} at {speedup:g}x ({share:.1%})')
    return f'Most accurate: {", ".join(words)}.' if words else ''


def _systems(plan: ComparisonPlan, results: dict[str, list[Result]]) -> Table:
    """Tabulate the systems: the final exit, and the accuracy at equal speed-ups."""
    rows: list[tuple[Cell, ...]] = []
    for system in plan.systems:
        if system.plan.ablation:
            continue
        runs = results[system.plan.name]
        row: list[Cell] = [system.plan.title, _heads(system)]
        if not runs:
            rows.append((*row, 'not run', *[None] * (len(SPEEDUPS) + 1)))
            continue
        row += [str(len(runs)), _mean([run.accuracy[-1] for run in runs])]
        for speedup in SPEEDUPS:
            row.append(_mean([run.at(speedup) for run in runs]) if system.plan.early else None)
        rows.append(tuple(row))
    return Table(
        'systems',
        'Test accuracy in %, of the final exit alone and at equal MAC speed-ups',
        ('system', 'heads', 'seeds', 'final exit', *(f'at {speed:g}x' for speed in SPEEDUPS)),
        tuple(rows),
        'Mean over the seeds, ± half the range from worst to best. Empty: no thresholds reach that '
        'speed-up, or all exceed it. One standard error of a share of 10,000 images is about 0.4 '
        'points, and less for differences, because the images are the same.',
    )


def _exits(plan: ComparisonPlan, results: dict[str, list[Result]]) -> Table:
    """Tabulate each exit alone, as EnViT's table 4, with the ablations."""
    layers = (*(exit.layer for exit in plan.systems[0].recipe.exits), 'final')
    rows: list[tuple[Cell, ...]] = []
    for system in plan.systems:
        runs = results[system.plan.name]
        if not runs or not system.plan.early:
            continue
        shares: list[Cell] = [
            _mean([run.accuracy[index] for run in runs]) for index in range(len(layers))
        ]
        rows.append((system.plan.title, *shares))
    return Table(
        'exits',
        'Test accuracy in % of each exit alone, by the layer it follows',
        ('system', *map(str, layers)),
        tuple(rows),
    )


def _heads(system: System) -> str:
    return ', '.join(dict.fromkeys(exit.head for exit in system.recipe.exits))


def _mean(shares: Sequence[float | None]) -> str | None:
    """Return mean and half the range in %; None if a run has no such share."""
    known = [100 * share for share in shares if share is not None]
    if not known or len(known) < len(shares):
        return None
    half = (max(known) - min(known)) / 2
    return f'{statistics.mean(known):.2f}' + (f' ± {half:.2f}' if len(known) > 1 else '')


def _figure(plan: ComparisonPlan, results: dict[str, list[Result]]) -> Figure:
    figure = Figure(figsize=(7.2, 4.2), layout='constrained')
    axes = figure.subplots()
    speeds = np.linspace(1.0, 3.0, 81)
    for system in plan.systems:
        runs = results[system.plan.name]
        if not runs or system.plan.ablation:
            continue
        if not system.plan.early:
            final = 100 * statistics.mean(run.accuracy[-1] for run in runs)
            axes.axhline(final, color=MUTED, lw=0.8, ls='--', label=system.plan.title)
            continue
        curve = [[run.at(float(speed)) for run in runs] for speed in speeds]
        points = [
            (speed, 100 * statistics.mean(filter(None, shares)))
            for speed, shares in zip(speeds, curve, strict=True)
            if None not in shares
        ]
        if points:
            axes.plot(*zip(*points, strict=True), lw=1.4, label=system.plan.title)
    axes.set_xlabel('speed-up in MACs, heads included')
    axes.set_ylabel('test accuracy, %')
    quiet(axes)
    axes.legend(fontsize=8, frameon=False, loc='center left', bbox_to_anchor=(1, 0.5))
    return figure
