"""Crops follow their own seeds, in whichever process they are made."""

from __future__ import annotations

import numpy as np
import pytest

from eevit_ros.images.resize import Image
from model_export.data import Dataset
from model_export.data.crop_loader import Crop, crop_loader, worker_count
from model_export.data.squares import to_squares
from model_export.recipe.recipe import StageRecipe

STAGE = StageRecipe('backbone', min_crop=0.5)
BATCHES: list[list[Crop]] = [
    [(row, (7, step, place)) for place, row in enumerate(range(step, step + 6))]
    for step in range(5)
]


def crops(colours: Dataset, batches: list[list[Crop]]) -> list[Image]:
    squares = to_squares(iter(np.asarray(colours.images)), len(colours), 24)
    return list(crop_loader(squares, 24, STAGE, batches))


@pytest.mark.parametrize('workers', [1, 2])
def test_workers_make_the_batches_that_one_process_makes(
    colours: Dataset, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    expected = crops(colours, BATCHES)
    monkeypatch.setattr('model_export.data.crop_loader.worker_count', lambda images: workers)
    np.testing.assert_array_equal(crops(colours, BATCHES), expected)


def test_crops_of_an_image_do_not_depend_on_the_batch(colours: Dataset) -> None:
    whole = np.stack(crops(colours, BATCHES))
    for start in (0, 1):
        part = crops(colours, [batch[start::2] for batch in BATCHES])
        np.testing.assert_array_equal(part, whole[:, start::2])
    other = crops(colours, [[(row, (8, *seed)) for row, seed in batch] for batch in BATCHES])
    assert (whole != other).any()


def test_workers_leave_a_core_to_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('os.sched_getaffinity', lambda _: set(range(16)))
    assert worker_count(100) == 0
    assert worker_count(50_000) == 8
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '4')
    assert worker_count(50_000) == 3
    monkeypatch.setattr('os.sched_getaffinity', lambda _: {0})
    assert worker_count(50_000) == 0
