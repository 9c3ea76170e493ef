"""What docs/drive.md says is what docs/drive.json holds and what the code does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drive.policy import RATE
from drive.terminal import conclusion, targets
from drive.world import SIGNS

DOCS = Path(__file__).parents[2] / 'docs'
PAGE = (DOCS / 'drive.md').read_text()
SUMMARY: dict[str, Any] = json.loads((DOCS / 'drive.json').read_text())


@pytest.mark.parametrize('row', SUMMARY['comparison']['policies'], ids=lambda row: row['policy'])
def test_the_table(row: dict[str, Any]) -> None:
    share = row['missed_share']
    zones = ' | '.join(f'{zone["missed"]} of {zone["signs"]}' for zone in row['zones'].values())
    value, low, high = (f'{100 * share[name]:.0f}' for name in ('value', 'low', 'high'))
    assert (
        f'| {row["policy"]} | {row["missed"]} | {value} % ({low} to {high}) | '
        f'{row["seconds"]:.1f} | {zones} |'
    ) in PAGE


def test_every_target_is_told_as_it_came_out() -> None:
    for line in targets(SUMMARY['comparison']):
        verdict, _, rest = line.partition(' ')
        assert f'- {verdict}: {rest.strip()}' in PAGE
    assert conclusion(SUMMARY) == [SUMMARY['comparison']['verdict']]  # a computer with time for it
    assert SUMMARY['comparison']['verdict'] in ' '.join(PAGE.split())


def test_the_run_is_of_this_world() -> None:
    assert SUMMARY['comparison']['seeds'] == 10
    assert SUMMARY['comparison']['signs_per_seed'] == SIGNS
    assert SUMMARY['rate'] == RATE
    assert SUMMARY['machine']['cpu'] in PAGE
    for name, value in RATE.items():
        assert f'`{name}` {value}' in PAGE
