"""Writes report.html and a film for people, JSON for tools, drive.png for a document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from drive.journey import FRAME_INTERVAL_S
from drive.policy import FULL, OURS, POLICIES
from drive.report import figures, terminal
from drive.report.animation import write_film
from drive.robot import ACCELERATION_MPS2, FLOOR, TOP_SPEED_MPS, stopping_distance_m
from drive.scene.world import DARKNESS, FIRST_DEVELOPMENT_SEED, SIGHT_M, make_world
from eevit_ros.reporting.page import render
from eevit_ros.reporting.style import to_png

TEMPLATE = Path(__file__).with_name('report.html.j2')

Runs = Mapping[str, Sequence[Mapping[str, Any]]]


def write_report(
    folder: Path, runs: Runs, summary: dict[str, Any], study: Figure, study_text: str
) -> list[Path]:
    """Write all files and return their paths, the page first.

    Args:
        folder: Folder to write into.
        runs: Runs by policy, for the same seeds in the same order.
        summary: 'comparison' and the conditions of the runs.
        study: Curves of the offline study.
        study_text: Its results in words.
    """
    names = ('report.html', 'drive.webp', 'drive.png', 'report.json', 'summary.json')
    page, film, picture, data, short = (folder / name for name in names)
    data.write_text(json.dumps({'summary': summary, 'runs': runs}) + '\n')
    short.write_text(json.dumps(summary, indent=1) + '\n')
    first = {policy: runs[policy][0] for policy in POLICIES}  # the first seed, whatever it shows
    world = make_world(first[OURS]['seed'])
    write_film(film, world, first)
    story = figures.story(world, first)
    to_png(story, picture)
    text = render(
        TEMPLATE,
        study=study,
        study_text=study_text,
        intro=_intro(runs, summary),
        conclusion=terminal.conclusion(summary),
        targets=terminal.targets(summary['comparison']),
        policies=summary['comparison']['policies'],
        ours=OURS,
        seed=world.seed,
        film=film.read_bytes(),
        story=story,
        plots=(
            figures.misses(summary['comparison']),
            figures.misses_by_light(summary['comparison']),
        ),
        differences=figures.differences(runs),
        facts=_facts(runs, summary),
    )
    page.write_text(text, 'utf-8')
    return [page, film, picture, data, short]


def _intro(runs: Runs, summary: dict[str, Any]) -> str:
    comparison = summary['comparison']
    reaction_s = summary['real_time']['age_ms']['p50'] / 1000 + FRAME_INTERVAL_S
    return (
        f'{comparison["seeds"]} paths with {comparison["signs_per_seed"]} signs each, driven four '
        f'times. A sign is visible from {SIGHT_M} m. It counts as missed unless two correct '
        'answers in a row arrive before the robot is within its stopping distance of the sign: '
        f'{stopping_distance_m(TOP_SPEED_MPS, reaction_s):.2f} m at {TOP_SPEED_MPS} m/s, '
        f'{stopping_distance_m(FLOOR * TOP_SPEED_MPS, reaction_s):.2f} m at the floor.'
    )


def _facts(runs: Runs, summary: dict[str, Any]) -> list[tuple[str, str]]:
    machine, model, real = summary['machine'], summary['model'], summary['real_time']
    seeds = [run['seed'] for run in runs[FULL]]
    kind = 'the parameters were chosen on these' if seeds[0] >= FIRST_DEVELOPMENT_SEED else (
        f'the parameters were chosen on seeds from {FIRST_DEVELOPMENT_SEED} up, with other pictures'
    )  # fmt: skip
    rate = ', '.join(f'{name} {value}' for name, value in summary['rate'].items())
    light = ', '.join(f'{name} {value}' for name, value in DARKNESS.items())
    facts = {
        'Model': f'{model["name"]}, SHA-256 {model["sha256"][:16]}',
        'Seeds': f'{seeds[0]} to {seeds[-1]}; {kind}',
        'Rate law': f'defaults except {rate}',
        'Robot': f'top speed {TOP_SPEED_MPS} m/s, acceleration and braking '
        f'{ACCELERATION_MPS2} m/s^2, floor {FLOOR}',
        'Darkness': light,
        'Runs on': f'{summary["provider"]}: {machine["cpu"]}, {machine["cores"]} cores (load '
        f'{machine["load_before"]} before the run), {summary["at_once"]} robots at once in real '
        'time',
        'System': f'{machine["system"]}, Python {machine["python"]}',
        'Real time': f'{real["frames_answered"]} of {real["frames_sent"]} frames answered; age of '
        f'answers p50 {real["age_ms"]["p50"]} ms, p99 {real["age_ms"]["p99"]} ms; the worst '
        f'control step was {real["late_ms"]:.0f} ms late',
        'Duration': f'{summary["took_s"]} s',
    }
    return list(facts.items())
