"""Squares in a temporary file: their size, their selections, and the disk they need."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.images.resize import Image, ResizeRule, resize
from model_export.data.squares import Squares, to_squares
from model_export.errors import ModelExportError

IMAGES = np.random.default_rng(1).integers(0, 256, (9, 8, 8, 3), np.uint8)


def test_small_squares_of_one_size_stay_as_they_are() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    np.testing.assert_array_equal(list(to_squares(images, 3, 24)), images)
    np.testing.assert_array_equal(list(to_squares(images, 3, 16)), images)


@pytest.mark.parametrize('shapes', [[(16, 16), (16, 16), (30, 20)], [(50, 50)] * 3, [(9, 40)] * 2])
def test_all_else_is_resized_as_on_the_robot(shapes: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    squares = to_squares(images, len(images), 24)
    assert len(squares) == len(images)
    for square, image in zip(squares, images, strict=True):
        np.testing.assert_array_equal(square, resize(image, 24, 24, ResizeRule()))


@given(st.lists(st.integers(-9, 8)), st.slices(9), st.lists(st.booleans(), min_size=9, max_size=9))
def test_selections_are_those_of_an_array(rows: list[int], part: slice, mask: list[bool]) -> None:
    squares = to_squares(IMAGES, 9, 8)
    for index in (np.array(rows, np.int64), part, np.array(mask)):
        selected = squares[index]
        assert len(selected) == len(IMAGES[index])
        for square, image in zip(selected, IMAGES[index], strict=True):
            np.testing.assert_array_equal(square, image)
    np.testing.assert_array_equal(squares[1:][-1], IMAGES[-1])
    with pytest.raises(IndexError):
        squares[9]


def test_a_forked_process_reads_the_same_file() -> None:
    squares = to_squares(IMAGES, 9, 8)
    with multiprocessing.get_context('fork').Pool(1, _share, (squares,)) as pool:
        for row in (7, 0):
            np.testing.assert_array_equal(pool.apply(_read, (row,)), IMAGES[row])


def _share(squares: Squares) -> None:
    global shared
    shared = squares


def _read(row: int) -> Image:
    return shared[row]


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    squares = to_squares(IMAGES, 9, 8)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(squares[3], IMAGES[3])


def test_what_does_not_fit_on_the_disk_is_refused_before_it_is_read() -> None:
    def images() -> Iterator[Image]:
        yield IMAGES[0]
        pytest.fail('read on')

    with pytest.raises(ModelExportError, match=r'1000000000000 images of 8x8 .* GiB .*TMPDIR'):
        to_squares(images(), 10**12, 24)
