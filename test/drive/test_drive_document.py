"""What docs/drive.md says of the drive is what the run beside them found."""

from __future__ import annotations

import json

from drive.scene.world import SIGNS
from harness.paths import ROOT

DOCUMENT = ' '.join((ROOT / 'docs' / 'drive.md').read_text().split())
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


def test_the_run_met_its_targets() -> None:
    assert all(COMPARISON['meets'].values())


def test_the_run_is_of_this_world_and_of_the_model_that_the_document_names() -> None:
    assert f'sha256 `{SUMMARY["model"]["sha256"][:16]}`' in DOCUMENT
    assert COMPARISON['signs_per_seed'] == SIGNS
