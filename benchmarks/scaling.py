"""What input size, exits and classes cost, and what each exit of the demo model costs.

    python -m benchmarks.scaling

Small random models (a ViT of width 192, 6 layers) in the package's engine, changed in one respect
at a time; then the demo model, forced to leave at each exit, as one graph and in stages; then
threads, spinning and form beside none, half and as many busy loops as there are cores. Within a
table, or beside equally many busy loops, the variants alternate frame by frame.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from benchmarks.busy_loops import busy_loops
from benchmarks.exit_runs import Run, exit_runs
from benchmarks.random_file import random_model, write_random
from benchmarks.report_file import Cell, Report, Table, add_options, machine
from eevit_ros.model.compute import Compute, all_cores
from eevit_ros.model.engine import Engine
from eevit_ros.reporting.interval import Interval, median_interval
from harness.paths import ROOT
from model_export.measuring.timing import frame
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe, Recipe

DEMO = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
LAYERS = 6
SIZES = (112, 160, 224, 320)
EXITS = {1: (3,), 2: (2, 4), 5: (1, 2, 3, 4, 5)}
CLASSES = (10, 100, 1000)


def recipe(*, size: int = 160, exits: tuple[int, ...] = EXITS[2], classes: int = 100) -> Recipe:
    """A small ViT with a local perception head after each layer of `exits`."""
    backbone = BackboneRecipe(image_size=size, width=192, layers=LAYERS, attention_heads=3)
    heads = tuple(ExitRecipe(layer, 'lph', {'kernel': 1}) for layer in exits)
    return Recipe('scaling', backbone, heads, classes)


def to_the_end(made: Recipe, threads: int) -> tuple[float, Run]:
    """Mega-MACs of all layers and heads of a random model, and a run of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'random.onnx'
        macs = write_random(random_model(made), path)
        engine = Engine(path, compute=Compute(provider='cpu', threads=threads))
    picture = frame(engine)
    return macs.leaving[-1] / 1e6, lambda: engine.run(picture, full_depth=True).inference_ms


def demo_exits(form: str, threads: int) -> dict[int, Run]:
    """The demo model in a form: a run for each exit, by the layers that it runs."""
    engine = Engine(DEMO, compute=Compute(provider='cpu', threads=threads, execution=form))
    return exit_runs(engine)


def alternate(runs: Mapping[str, Run], rounds: int) -> dict[str, Interval]:
    """Median milliseconds of runs that take turns."""
    spent_ms: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in tqdm(range(rounds), 'rounds', leave=False):
        for name, run in runs.items():
            spent_ms[name].append(run())
    return {name: median_interval(values) for name, values in spent_ms.items()}


def growth(title: str, recipes: Mapping[str, Recipe], args: argparse.Namespace) -> Table:
    """Full depth of each of these models."""
    models = {name: to_the_end(made, args.threads) for name, made in recipes.items()}
    found = alternate({name: run for name, (_, run) in models.items()}, args.rounds)
    rows: list[list[Cell]] = [[name, models[name][0], *found[name]] for name in models]
    return Table(title, ['', 'MACs, M', 'ms', 'low', 'high'], rows)


def demo(args: argparse.Namespace) -> Table:
    """Each exit of the demo model in both forms."""
    forms = {form: demo_exits(form, args.threads) for form in ('single', 'staged')}
    found = alternate(
        {f'{form} {layer}': run for form, runs in forms.items() for layer, run in runs.items()},
        args.rounds,
    )
    rows: list[list[Cell]] = [
        [f'{layer}', *found[f'single {layer}'], *found[f'staged {layer}']]
        for layer in forms['single']
    ]
    ends = ('low', 'high')
    columns = ['layers', 'single, ms', *ends, 'staged, ms', *ends]
    return Table('Demo model, forced to leave at each exit', columns, rows)


def on_a_busy_computer(args: argparse.Namespace) -> Table:
    """Full depth of the demo model by threads, spinning and form, beside busy loops."""
    several = f'{args.threads} threads'
    ways = {
        '1 thread, single': Compute(provider='cpu', threads=1),
        f'{several}, single, spinning': Compute(provider='cpu', threads=args.threads, spin=True),
        f'{several}, single, sleeping': Compute(provider='cpu', threads=args.threads, spin=False),
        '1 thread, staged': Compute(provider='cpu', threads=1, execution='staged'),
        f'{several}, staged': Compute(provider='cpu', threads=args.threads, execution='staged'),
    }
    runs = {}
    for way, compute in ways.items():
        engine = Engine(DEMO, compute=compute)
        runs[way] = exit_runs(engine)[engine.metadata.layers]
    rows: list[list[Cell]] = [[way] for way in ways]
    columns = ['']
    for count in sorted({0, max(1, args.threads // 2), args.threads}):
        columns += [f'{count} busy loops, ms', 'low', 'high']
        with busy_loops(count):
            found = alternate(runs, args.rounds)
        for row, way in zip(rows, ways, strict=True):
            row += found[way]
    return Table('Demo model, full depth, beside busy loops', columns, rows)


def main() -> None:
    """Measure all tables and report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=50)
    parser.add_argument('--threads', type=int, default=all_cores())
    add_options(parser, 'scaling')
    args = parser.parse_args()
    computer = machine('onnx', 'torch')
    sizes = {f'{size} x {size}': recipe(size=size) for size in SIZES}
    exits = {f'{count}': recipe(exits=layers) for count, layers in EXITS.items()}
    classes = {f'{count}': recipe(classes=count) for count in CLASSES}
    tables = [
        growth('Input size, 2 exits, 100 classes', sizes, args),
        growth('Exits at 160 x 160, 100 classes', exits, args),
        growth('Classes at 160 x 160, 2 exits', classes, args),
        demo(args),
        on_a_busy_computer(args),
    ]
    notes = [
        f'{args.rounds} rounds, {args.threads} threads, time in ONNX Runtime. The first three '
        'tables are full depth, all exit heads included. Low and high: 95 % interval of the median.'
    ]
    report = Report('What grows with what', computer, tables, notes)
    report.deliver(args, 'scaling')


if __name__ == '__main__':
    main()
