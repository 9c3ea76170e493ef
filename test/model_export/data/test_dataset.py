"""What a set is told by, which classes fit a model, and the held-out part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_export.data import Dataset, check_classes, fingerprint, split_held_out
from model_export.errors import ModelExportError


def test_labels_that_mean_other_classes_are_refused(colours: Dataset) -> None:
    where = Path('photos')
    check_classes(colours, ('dark', 'red', 'green', 'blue'), where)
    with pytest.raises(ModelExportError, match=r"photos .*missing \['grey'\], unknown \['dark'\]"):
        check_classes(colours, ('grey', 'red', 'green', 'blue'), where)
    with pytest.raises(ModelExportError, match='another order'):
        check_classes(colours, ('red', 'dark', 'green', 'blue'), where)
    with pytest.raises(ModelExportError, match=r"missing \['white'\]"):
        check_classes(colours, ('dark', 'red', 'green', 'blue', 'white'), where)
    numbered = Dataset(colours.images, colours.labels, ('0', '1', '2', '3'))
    check_classes(numbered, ('0', '1', '2', '3', '4'), where)  # the last class has no test image
    with pytest.raises(ModelExportError, match=r"unknown \['3'\]"):
        check_classes(numbered, ('0', '1', '2'), where)


def test_the_fingerprint_changes_with_labels_and_names(colours: Dataset) -> None:
    same = Dataset(colours.images // 2, colours.labels.copy(), colours.class_names)
    assert fingerprint(same) == fingerprint(colours)
    renamed = Dataset(colours.images, colours.labels, ('a', 'b', 'c', 'd'))
    swapped = Dataset(colours.images, colours.labels[::-1].copy(), colours.class_names)
    fewer = colours.subset(np.arange(239))
    assert len({fingerprint(data) for data in (colours, renamed, swapped, fewer)}) == 4


def test_the_split_is_even_disjoint_and_repeatable(colours: Dataset) -> None:
    rest, held_out = split_held_out(colours, 40, seed=3)
    assert np.bincount(held_out.labels).tolist() == [10] * 4
    assert len(rest) == 200
    rows = {image.tobytes() for image in rest.images}
    assert not rows & {image.tobytes() for image in held_out.images}
    again = split_held_out(colours, 40, seed=3)[1]
    np.testing.assert_array_equal(held_out.images, again.images)
    assert not np.array_equal(held_out.images, split_held_out(colours, 40, seed=4)[1].images)


@pytest.mark.parametrize('count', [42, 0, -4])
def test_an_uneven_or_empty_split_is_refused(colours: Dataset, count: int) -> None:
    with pytest.raises(ModelExportError, match=f'held_out must be .* Got {count}'):
        split_held_out(colours, count, seed=0)


def test_a_class_with_too_few_images_to_hold_out_is_named(colours: Dataset) -> None:
    few = colours.subset(np.flatnonzero((colours.labels != 2) | (np.arange(240) < 20)))
    with pytest.raises(ModelExportError, match="5 images of each class.* 'green' has 5"):
        split_held_out(few, 20, seed=0)
    rest, _ = split_held_out(few, 16, seed=0)
    assert np.bincount(rest.labels).tolist() == [56, 56, 1, 56]
