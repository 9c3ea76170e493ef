"""What docs/drive.md says is what the study and the run beside it found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from drive.policy import OURS
from drive.report.study import tables
from drive.scene.world import SIGNS
from drive.study.laws import reported
from drive.study.seen.answers import AnswerFile
from drive.study.seen.conditions import CONDITIONS
from drive.study.worlds import PARTS, REPORT, WORLDS
from harness.paths import ROOT

TEXT = (ROOT / 'docs' / 'drive.md').read_text()
DOCUMENT = ' '.join(TEXT.split())
STUDY = json.loads((ROOT / 'docs' / 'drive_study.json').read_text())
SUMMARY = json.loads((ROOT / 'docs' / 'drive.json').read_text())
SHIPPED = json.loads((ROOT / 'models' / 'eevit_s14_cifar100.json').read_text())['sha256']
COMPARISON = SUMMARY['comparison']


@pytest.mark.parametrize('file', ['drive.json', 'drive_fresh.json'])
def test_the_table_is_that_of_the_run(file: str) -> None:
    comparison = json.loads((ROOT / 'docs' / file).read_text())['comparison']
    signs = comparison['seeds'] * comparison['signs_per_seed']
    for row in comparison['policies']:
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


def test_the_tables_of_the_study_are_those_of_its_figures() -> None:
    assert tables(STUDY) in TEXT


def test_the_study_is_of_the_declared_paths_and_of_the_shipped_model() -> None:
    assert STUDY['part'] == REPORT
    assert STUDY['paths'] == len(PARTS[REPORT].seeds) >= 200
    assert STUDY['pictures'] == len(PARTS[REPORT].signs)
    assert list(STUDY['worlds']) == list(WORLDS)
    laws = list(reported())
    assert all(list(world['laws']) == laws for world in STUDY['worlds'].values())
    assert STUDY['model']['sha256'] == SHIPPED


def test_answers_of_the_shipped_model_are_shipped(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / 'none.json', SHIPPED)
    assert all(file.get(part, name) for part in PARTS for name in CONDITIONS)


def test_the_drive_in_no_time_agrees_with_the_real_nodes() -> None:
    found = json.loads((ROOT / 'docs' / 'drive_agreement.json').read_text())
    missed, seconds = np.mean(found['missed']), np.mean(found['seconds'])
    (real,) = (row for row in COMPARISON['policies'] if row['policy'] == OURS)
    assert len(found['missed']) == COMPARISON['seeds']
    assert missed == pytest.approx(real['missed'] / COMPARISON['seeds'], abs=1)
    assert seconds == pytest.approx(real['seconds'], rel=0.03)
    assert f'{missed:.2f} missed signs and {seconds:.1f} s a path' in DOCUMENT
