"""What docs/drive.md and README.md say of the drive is what the run beside them found."""

from __future__ import annotations

import json

from drive.world import SIGNS, SIGNS_PER_ZONE, ZONE_M
from harness.paths import ROOT

DOCUMENT = ' '.join((ROOT / 'docs' / 'drive.md').read_text().split())
README = ' '.join((ROOT / 'README.md').read_text().split())
SUMMARY = json.loads((ROOT / 'docs' / 'drive.json').read_text())
COMPARISON = SUMMARY['comparison']


def test_the_table_is_that_of_the_run() -> None:
    signs = COMPARISON['seeds'] * COMPARISON['signs_per_seed']
    for row in COMPARISON['policies']:
        share = row['missed_share']
        assert (
            f'| {row["policy"]} | {row["missed"]} of {signs} | {100 * share["value"]:.0f} % '
            f'({100 * share["low"]:.0f} to {100 * share["high"]:.0f}) | {row["seconds"]:.1f} |'
        ) in DOCUMENT


def test_the_conclusions_are_those_of_the_run() -> None:
    misses, time = COMPARISON['missed_to_full_speed'], COMPARISON['time_to_floor']
    fewer = COMPARISON['missed_less_than_same_time']
    assert f'missed {misses["value"]:.2f} ({misses["low"]:.2f} to {misses["high"]:.2f})' in DOCUMENT
    assert f'in {time["value"]:.2f} ({time["low"]:.2f} to {time["high"]:.2f})' in DOCUMENT
    interval = f'{-fewer["high"]:.1f} to {-fewer["low"]:.1f}'
    assert f'{-fewer["value"]:.1f} signs a path fewer' in DOCUMENT
    assert f'({interval} fewer)' in DOCUMENT
    assert f'missed {100 * misses["value"]:.0f} % of the signs' in README
    assert f'in {100 * time["value"]:.0f} % of the floor' in README
    assert f'({interval})' in README
    assert all(COMPARISON['meets'].values())


def test_the_run_is_of_this_world_and_of_the_model_that_the_document_names() -> None:
    assert f'sha256 `{SUMMARY["model"]["sha256"][:16]}`' in DOCUMENT
    assert COMPARISON['signs_per_seed'] == SIGNS
    assert f'eight zones of {ZONE_M:.0f} m' in DOCUMENT
    assert SIGNS_PER_ZONE == 3
    assert 'In each stand three signs' in DOCUMENT
