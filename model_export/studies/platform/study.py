"""One model on many machines and providers: a JSON file a machine, and all of them in one table.

python -m model_export study platform --model MODEL.onnx --machine NAME --out NAME.json
python -m model_export study platform --model MODEL.onnx --merge A.json B.json
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.reporting import style
from model_export.errors import ModelExportError
from model_export.studies.platform.machines import FOLDER, read_machine, shares, write_machine
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Cell, Study, Table, model_facts

TEXT = """\
Every provider of ONNX Runtime that a machine has was measured with every exit forced, the exits in
random order within each of {rounds} rounds. "Load, ms" is the time from opening the file to an
engine that has run once; for TensorRT that includes building its engine. "Mix" weights each exit by
the share of held-out images that left there at the file's own thresholds ({mix}),
so it is what a robot gets on images like those. A provider that is missing or does not work is
listed as not run.

"Busy" is the load average per core before the run. Above about 0.5 a machine was busy with other
work and takes far longer than an idle one; then only ratios within a row are meaningful.
"""


def study(inputs: StudyInputs) -> Study:
    """Merge `inputs.merge`; without it measure this machine and merge all that lie in `out`."""
    assert inputs.model is not None
    paths = list(inputs.merge)
    if not paths:
        write_machine(inputs)
        paths = sorted((inputs.out / FOLDER).glob('*.json'))
    facts = model_facts(inputs.model)
    machines = [read_machine(path) for path in paths]
    kept = [one for one in machines if one['model'] == facts]
    others = [one['machine']['name'] for one in machines if one['model'] != facts]
    if inputs.merge and others:
        raise ModelExportError(
            f'{", ".join(others)}: measured with another file than {inputs.model} '
            f'({facts["sha256"]}): measure again, or leave it out'
        )
    mix = shares(Engine(inputs.model, compute=Compute(provider='cpu')).metadata)
    return Study(
        'platform',
        'Platforms',
        TEXT.format(
            rounds=' or '.join(sorted({str(one['rounds']) for one in kept})),
            mix='not known for this file, so the columns are empty'
            if mix is None
            else ', '.join(f'{share:.0%}' for share in mix),
        )
        + (f'\nNot shown (another model): {", ".join(others)}.\n' if others else ''),
        (_summary(kept), _per_exit(kept, mix)),
        _draw(kept),
        facts,
    )


def _summary(machines: list[dict[str, Any]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in machines:
        for row in one['providers']:
            name = one['machine']['name']
            if 'not_run' in row:
                rows.append((name, row['provider'], 'not run', *[None] * 7))
                continue
            rows.append(
                (
                    name,
                    row['provider'],
                    f'{row["load_ms"]:.0f}',
                    row['p50_ms'][0],
                    row['p50_ms'][-1],
                    row.get('mix_mean_ms'),
                    row.get('mix_p50_ms'),
                    row.get('mix_p99_ms'),
                    row.get('mix_speedup'),
                    one['machine']['load_before'] / one['machine']['cores'],
                )
            )
    reasons = dict.fromkeys(
        f'{one["machine"]["name"]}, {row["provider"]} not run: {row["not_run"]}'
        for one in machines
        for row in one['providers']
        if 'not_run' in row
    )
    return Table(
        'platforms',
        'Machines and providers, ms a frame',
        (
            'machine',
            'provider',
            'load, ms',
            'first exit p50',
            'full depth p50',
            'mix mean',
            'mix p50',
            'mix p99',
            'mix against full depth, speed-up',
            'busy',
        ),
        tuple(rows),
        '<br>'.join(reasons),
    )


def _per_exit(machines: list[dict[str, Any]], mix: tuple[float, ...] | None) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in machines:
        for row in one['providers']:
            for index, layer in enumerate(row.get('layers', ())):
                share = None if mix is None else mix[index]
                times = (row['p50_ms'][index], row['p99_ms'][index])
                rows.append((one['machine']['name'], row['provider'], layer, share, *times))
    return Table(
        'per_exit',
        'Every exit, ms a frame',
        ('machine', 'provider', 'after layer', 'share, %', 'p50', 'p99'),
        tuple(rows),
    )


def _draw(machines: list[dict[str, Any]]) -> dict[str, Figure]:
    """Draw milliseconds over layers, one line a machine and provider."""
    figure = Figure(figsize=(7, 3.2), layout='constrained')
    axes = figure.subplots()
    for one in machines:
        for row in one['providers']:
            if 'not_run' not in row:
                label = f'{one["machine"]["name"]}, {row["provider"]}'
                axes.plot(row['layers'], row['p50_ms'], marker='o', ms=4, label=label)
    axes.set(xlabel='layers that ran', ylabel='ms, median', title='Leaving at each exit')
    axes.set_yscale('log')  # machines differ by factors
    axes.yaxis.set_major_formatter('{x:g}')
    axes.yaxis.set_minor_formatter('{x:g}')
    axes.legend(frameon=False)
    style.quiet(axes)
    return {'exits': figure}
