"""Classes by accuracy and depth, and whether leaving late means being wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.measuring.answers import Answers
from model_export.studies.classes import study as classes
from model_export.studies.classes.study import by_class, later_when_wrong, pearson, study
from model_export.studies.classes.superclasses import superclasses, thirds
from model_export.studies.registry import StudyInputs


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=40))
def test_later_when_wrong_is_the_share_of_pairs(pairs: list[tuple[int, bool]]) -> None:
    layer, right = (np.array(column) for column in zip(*pairs, strict=True))
    good, bad = layer[right], layer[~right]
    found = later_when_wrong(layer, right)
    if not (len(good) and len(bad)):
        assert math.isnan(found)
        return
    later = (bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean()
    assert found == pytest.approx(later)


def test_correlation_has_an_interval() -> None:
    x = np.arange(103)
    noise = np.where(x % 2, 40, -40)
    r, low, high = pearson(x, x + noise)
    assert r == pytest.approx(np.corrcoef(x, x + noise)[0, 1])
    assert math.atanh(high) - math.atanh(low) == pytest.approx(2 * 1.96 / 10)
    assert low < r < high
    assert all(map(math.isnan, pearson(x, np.ones(103))))


def test_a_class_without_images_has_no_mean() -> None:
    means = by_class(np.array([0, 0, 2]), np.array([1, 2, 7]), 3)
    np.testing.assert_array_equal(means, [1.5, np.nan, 7])


def test_superclasses_are_read_where_they_are(tmp_path: Path) -> None:
    assert superclasses(tmp_path, 4) is None
    table = pa.table({'fine_label': [0, 1, 2, 3, 1], 'coarse_label': [1, 0, 1, 0, 0]})
    names = {'info': {'features': {'coarse_label': {'names': ['warm', 'cold']}}}}
    pq.write_table(
        table.replace_schema_metadata({'huggingface': json.dumps(names)}),
        tmp_path / 'test-0.parquet',
    )
    found = superclasses(tmp_path, 4)
    assert found is not None
    assert found.names == ('warm', 'cold')
    assert found.of.tolist() == [1, 0, 1, 0]
    assert superclasses(tmp_path, 5) is None  # class 4 has no image and no superclass


def test_thirds_are_by_accuracy() -> None:
    assert thirds(np.array([0.9, 0.1, 0.5, 0.2, 0.6, 0.8])).of.tolist() == [2, 0, 1, 0, 1, 2]


def test_the_study_finds_the_classes_that_leave_late_and_are_wrong(
    colour_answers: Answers, colour_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes, 'answers', lambda *_: colour_answers)
    model = tmp_path / 'model.onnx'
    model.write_bytes(b'for its hash')
    found = study(StudyInputs(tmp_path, model=model, data=colour_folder))
    tables = {table.name: table.rows for table in found.tables}
    dark, red, green, blue = colour_answers.metadata.class_names
    assert [row[0] for row in tables['by_accuracy']] == [dark, red, green, blue]
    assert tables['by_depth'][0][:5] == (dark, 1.0, 1.0, 1.0, 1.0)
    assert tables['by_depth'][-1] == (blue, 0.0, 0.0, 5.0, 0.0, f'{green} (15)')
    assert tables['pairs'][0][:3] == (f'{green}, {blue}', 15, 0.5)
    assert tables['pairs'][1][:2] == (f'{red}, {green}', 8)
    assert len(tables['pairs']) == 2  # no other two were confused
    over_images = tables['correlation'][0]
    assert over_images[1] == 60
    assert isinstance(over_images[2], float) and over_images[2] > 0.5
    assert [row[0] for row in tables['groups']][-1] == 'least accurate third'
    assert sorted(found.figures) == ['confusion', 'depth', 'exits', 'samples']
    assert 'accuracy 61.67%' in found.text  # 15 + 15 + 7 of 60
