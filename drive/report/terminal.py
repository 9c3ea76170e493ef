"""What the drive prints: what it will do, its progress, and the closing summary."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from demo.terminal import paint
from drive.policy import OURS
from drive.scene.world import DARKNESS, FIRST_DEVELOPMENT_SEED

BAR = 32
MANY_ANSWERED = 0.95  # share of frames that a computer that is not overloaded answers
OLD_MS = 200.0  # p99 of an answer's age; more means that this computer was busy


def opening(seeds: range, at_once: int) -> str:
    """Return what is about to happen."""
    kind = 'development' if seeds[0] >= FIRST_DEVELOPMENT_SEED else 'reported'
    return (
        f'{len(seeds)} paths (seeds {seeds[0]} to {seeds[-1]}, {kind}), each driven four times; '
        f'{min(at_once, len(seeds))} at once in real time, about a minute and a half each'
    )


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[float], None]]:
    """Show a bar on a terminal; elsewhere print the start and the duration."""
    start_s = time.monotonic()
    live = sys.stdout.isatty()

    def show(share: float) -> None:
        if live:
            full = round(BAR * share)
            bar = '█' * full + '░' * (BAR - full)
            text = f'\r{bar} {100 * share:3.0f} %  {time.monotonic() - start_s:4.0f} s  {what}'
            print(text, end='', flush=True)

    if not live:
        print(f'{what} ...', flush=True)
    show(0.0)
    yield show
    show(1.0)
    print('' if live else f'{what}: {time.monotonic() - start_s:.0f} s', flush=True)


def summary_text(summary: dict[str, Any]) -> str:
    """Return the closing summary."""
    comparison, machine = summary['comparison'], summary['machine']
    signs = comparison['seeds'] * comparison['signs_per_seed']
    lines = [
        '',
        paint(f'{summary["model"]["name"]} on {summary["provider"]}', 'bold')
        + f', {machine["cpu"]}, {machine["cores"]} cores, {summary["took_s"]} s',
        '',
        f'  {"":<12}{"missed of " + str(signs):>16}   95 %           seconds   '
        + '   '.join(f'{zone:>10}' for zone in DARKNESS),
    ]
    for row in comparison['policies']:
        share = row['missed_share']
        zones = '   '.join(
            f'{zone["missed"]:>4} of {zone["signs"]:>2}' for zone in row['zones'].values()
        )
        text = (
            f'  {row["policy"]:<12}{row["missed"]:5d}{100 * share["value"]:8.0f} %   '
            f'{100 * share["low"]:3.0f} to {100 * share["high"]:3.0f} %  {row["seconds"]:9.1f}   '
            f'{zones}'
        )
        lines.append(paint(text, 'bold') if row['policy'] == OURS else text)
    lines += ['', *(f'  {line}' for line in targets(comparison))]
    lines += ['', *(f'  {line}' for line in conclusion(summary))]
    return '\n'.join(lines)


def targets(comparison: dict[str, Any]) -> list[str]:
    """Return a line for each target: the target, the result, and whether it is met."""
    values = (
        _interval(comparison['missed_to_full_speed'], '{:.2f} of them'),
        _interval(comparison['time_to_floor'], '{:.2f} of it'),
        _interval(comparison['missed_less_than_same_time'], '{:+.2f} a path'),
    )
    return [
        f'{"met" if met else "MISSED":<7} {name}: {value}'
        for (name, met), value in zip(comparison['meets'].items(), values, strict=True)
    ]


def conclusion(summary: dict[str, Any]) -> list[str]:
    """Return the conclusion of this run, or why there is none."""
    real, found = summary['real_time'], []
    if real['frames_answered'] < MANY_ANSWERED * real['frames_sent']:
        found.append(f'{real["frames_answered"]} of {real["frames_sent"]} frames were answered')
    if real['age_ms']['p99'] > OLD_MS:
        found.append(f'one answer in a hundred was older than {real["age_ms"]["p99"]:.0f} ms')
    if not found:
        return [summary['comparison']['verdict']]
    return [
        f'This run proves nothing: {" and ".join(found)}.',
        f'This computer was too busy for {summary["at_once"]} robots in real time (load '
        f'{summary["machine"]["load_before"]} before): close other programs, or try --at-once 1.',
    ]


def _interval(estimate: dict[str, float], form: str) -> str:
    low, high = (form.split('}')[0] + '}' for _ in range(2))
    value = form.format(estimate['value'])
    return f'{value} ({low.format(estimate["low"])} to {high.format(estimate["high"])})'
