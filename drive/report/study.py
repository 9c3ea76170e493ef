"""What the study shows: lines for the terminal, curves, and tables for the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from eevit_ros.reporting.interval import Interval
from eevit_ros.reporting.style import DARK, MUTED, RATE, RIGHT, WRONG, quiet
from eevit_ros.reporting.table import markdown_table

Study = Mapping[str, Any]

DEFAULTS, BEST = 'node defaults', 'contrast+abstention'  # the second needs parameters
SHOWN = {BEST: RATE, 'depth+contrast': '#8e5bb5', DEFAULTS: RIGHT, 'brightness': '#e39b1f'}
ORACLES = {'light': "knows each zone's condition", 'thing': 'knows each thing'}
TARGETS = {'rare hard': 0.35}  # time saved at equal worst-zone risk
TARGET = 0.25


def curves(study: Study) -> Figure:
    """Draw, for each world, the worst zone's miss rate over the time of a path."""
    figure = Figure(figsize=(12, 6.2), layout='constrained')
    for place, (name, world) in enumerate(study['worlds'].items(), 1):
        axes = figure.add_subplot(2, 4, place)
        lines = [
            ('constant speed', world['constant'], WRONG, 'o-'),
            *((text, world['oracles'][key], MUTED, style)
              for (key, text), style in zip(ORACLES.items(), (':', '--'), strict=True)),
            *((key, world['laws'][key], colour, '.-') for key, colour in SHOWN.items()),
        ]  # fmt: skip
        for label, curve, colour, style in lines:
            order = sorted(range(len(curve['seconds'])), key=curve['seconds'].__getitem__)
            times = [curve['seconds'][k] for k in order]
            worst = [100 * curve['worst'][k] for k in order]
            axes.plot(times, worst, style, color=colour, lw=1.4, ms=4, label=label)
        for key, colour in SHOWN.items():
            law = world['laws'][key]
            at = law['setting']
            axes.plot(law['seconds'][at], 100 * law['worst'][at], 'D', color=colour, ms=7)
        axes.set_title(name)
        axes.set_xlim(45, 170)
        axes.set_ylim(0, 100)
        quiet(axes)
        if place == 1:
            handles, labels = axes.get_legend_handles_labels()
    legend = figure.add_subplot(2, 4, 8)
    legend.axis('off')
    legend.legend(handles, labels, loc='center', frameon=False)
    figure.supxlabel('seconds a path', color=DARK)
    figure.supylabel('% missed in the worst zone', color=DARK)
    return figure


def tables(study: Study) -> str:
    """Return the tables of the document, as Markdown."""
    worlds = study['worlds']
    laws = list(next(iter(worlds.values()))['laws'])
    rows = [
        [name, *(_saved(world['laws'][law]['saved']) for law in laws)]
        for name, world in worlds.items()
    ]
    in_all = [
        [name, *(_saved(world['laws'][law]['saved_in_all']) for law in laws)]
        for name, world in worlds.items()
    ]
    found = [
        '**Time saved at equal worst-zone risk, % (95 %)**',
        markdown_table(['world', *laws], rows, numeric=range(1, len(laws) + 1)),
        '**Time saved at equally many misses in all, % (95 %)**',
        markdown_table(['world', *laws], in_all, numeric=range(1, len(laws) + 1)),
    ]
    more = [
        [name, *(_saved(world['laws'][law]['more_than_defaults']) for law in laws[1:])]
        for name, world in worlds.items()
    ]
    found += [
        '**Time saved at equal worst-zone risk, more than by the node defaults, points (95 %)**',
        markdown_table(['world', *laws[1:]], more, numeric=range(1, len(laws))),
    ]
    for law in (DEFAULTS, BEST):
        details = [_details(name, world, law) for name, world in worlds.items()]
        found += [f'**{law} in detail**', markdown_table(DETAILS, details, numeric=range(1, 9))]
    zones = [
        row
        for name, world in worlds.items()
        for row in _zones(name, [world['laws'][law]['zones'] for law in (DEFAULTS, BEST)])
    ]
    found += [
        '**Zone by zone: missed, points more than at the constant speed (95 %)**',
        markdown_table(ZONES, zones, numeric=range(2, 8)),
    ]
    return '\n\n'.join(found)


DETAILS = [
    'world', 'seconds a path', 'missed in the worst zone', 'at constant speed, same time',
    'missed of 24', 'more than at constant speed, same time (95 %)', 'saved, %',
    'who knows the zone saves, %', 'who knows each thing saves, %',
]  # fmt: skip


ZONES = [
    'world', 'zone',
    *(
        f'{law}{what}'
        for law in (DEFAULTS, BEST)
        for what in (', missed', ': same time in all', ': same time in such zones')
    ),
]  # fmt: skip


def _zones(world: str, of_laws: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [
            world,
            zone,
            *(
                cell
                for law in of_laws
                for cell in (
                    f'{100 * law[zone]["missed"]:.0f} %',
                    _interval(law[zone]['more_in_same_time'], 100, '+.0f'),
                    _interval(law[zone]['more_in_same_zone_time'], 100, '+.0f'),
                )
            ),
        ]
        for zone in of_laws[0]
    ]


def _details(name: str, world: Mapping[str, Any], law_name: str) -> list[str]:
    law = world['laws'][law_name]
    at = law['setting']
    worst, more = law['worst'][at], law['worst_in_same_time']['value']
    return [
        name,
        f'{law["seconds"][at]:.0f}',
        f'{100 * worst:.0f} %',
        f'{100 * (worst - more):.0f} %',
        f'{24 * law["total"][at]:.1f}',
        _interval(law['more_missed_in_same_time'], 1, '+.1f'),
        *(
            f'{100 * law[key]["value"]:.0f}'
            for key in ('saved', 'saved_by_light', 'saved_by_thing')
        ),
    ]


def lines(study: Study) -> str:
    """Return the closing lines for the terminal: what is saved in each world, and the targets."""
    found = [
        f'time saved at equal worst-zone risk against a constant speed, {study["paths"]} paths:',
        '',
        f'  {"":<18}{"target":>7}   {DEFAULTS:<26}{BEST}',
    ]
    for name, world in study['worlds'].items():
        target = TARGETS.get(name, TARGET)
        results = ''
        for law in (DEFAULTS, BEST):
            estimate = world['laws'][law]['saved']
            met = estimate['value'] >= target and estimate['low'] > 0
            results += f'   {_saved(estimate) + " %":<16}{"met" if met else "MISSED":<7}'
        found.append(f'  {name:<18}{100 * target:5.0f} %{results}')
    return '\n'.join(found)


def fill(document: Path, text: str) -> None:
    """Put Markdown between the document's comments `<!-- study -->` and `<!-- /study -->`."""
    first, last = '<!-- study -->\n', '<!-- /study -->'
    whole = document.read_text('utf-8')
    before, _, rest = whole.partition(first)
    _, _, after = rest.partition(last)
    document.write_text(f'{before}{first}\n{text}\n\n{last}{after}', 'utf-8')


def _saved(estimate: Mapping[str, float]) -> str:
    return _interval(estimate, 100, '.0f')


def _interval(estimate: Mapping[str, float], unit: float, form: str) -> str:
    return Interval(*(unit * estimate[end] for end in Interval._fields)).text(form)
