from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drive.errors import DriveError
from drive.study.seen.answers import CELLS, DRAWS, FIELDS, AnswerFile, Answers, read_answers
from drive.study.seen.conditions import CONDITIONS
from drive.study.seen.risk import risk_table
from drive.study.worlds import PARTS, REPORT, Part
from harness.tiny_model import write_tiny_model
from test.drive.study.made_up import MODEL, PART, answers

SMALL = Part(range(2), range(2), range(240, 241))
SHA256 = 'ab' * 32


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, REPORT, SMALL)
    for name in [name for name in CONDITIONS if name not in ('full light', 'dark')]:
        monkeypatch.delitem(CONDITIONS, name)


def test_a_model_is_asked_once(tmp_path: Path) -> None:
    model, cache = write_tiny_model(tmp_path / 'tiny.onnx'), tmp_path / 'new' / 'answers.json'
    shares: list[float] = []

    def read() -> dict[str, bytes]:
        found = read_answers(
            model, SHA256, REPORT, cache=cache, cifar=None, processes=1, show=shares.append
        )
        assert {one.signs.shape for one in found.values()} == {(2, CELLS, DRAWS, len(FIELDS))}
        assert {one.scenery.shape for one in found.values()} == {(1, DRAWS, len(FIELDS))}
        return {name: one.signs.tobytes() + one.scenery.tobytes() for name, one in found.items()}

    first = read()
    assert list(first) == ['full light', 'dark']
    assert shares == [0.5, 1.0]
    assert first['full light'] != first['dark']
    assert read() == first
    assert shares == [0.5, 1.0]  # from the file
    assert AnswerFile(cache, 'cd' * 32).get(REPORT, 'dark') is None  # another model


def test_another_condition_of_the_same_name_is_asked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = AnswerFile(tmp_path / 'answers.json', SHA256)
    signs = np.zeros((2, CELLS, DRAWS, len(FIELDS)), np.uint8)
    file.put(REPORT, 'dark', Answers(signs, np.zeros((1, DRAWS, len(FIELDS)), np.uint8)))
    assert file.get(REPORT, 'dark') is not None
    assert not file.has(REPORT)  # not in full light
    monkeypatch.setitem(CONDITIONS, 'dark', CONDITIONS['full light'])
    assert file.get(REPORT, 'dark') is None


@pytest.mark.parametrize('text', ['', '[]', '{"model": "ab"}', '{"answers'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'answers.json'
    path.write_text(text)
    with pytest.raises(DriveError, match='answers.json'):
        AnswerFile(path, SHA256)


def test_risk_rises_with_depth_and_falls_with_confidence() -> None:
    table = risk_table(PART, {name: answers(name) for name in ('full light', 'dark')}, MODEL)
    assert ((0 < table) & (table < 1)).all()
    assert (np.diff(table, axis=0) >= 0).all()
    assert (np.diff(table, axis=1) <= 0).all()
    assert table[0, 9] < 0.1 < table[2, 4]  # sure and early is right, there
