"""Bursts, folders and patterns: nearly the same picture is never on both sides of a split."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.images.resize import Image
from model_export.data import Dataset, fingerprint, split_held_out
from model_export.data.groups import draw, draw_exactly, group_names, near_equal
from model_export.errors import ModelExportError, UsageError

SCENES = 6
FRAMES = 4


def burst(scene: int, frame: int, size: int = 48) -> Image:
    """A camera that comes nearer, with noise: the n-th frame of a scene."""
    rng = np.random.default_rng(scene)
    picture = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    picture = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_CUBIC)
    near = picture[frame : 96 - frame, frame : 96 - frame]
    noise = np.random.default_rng(100 * scene + frame).integers(-6, 7, (size, size, 3))
    pixels = cv2.resize(near, (size, size), interpolation=cv2.INTER_AREA) + noise
    return np.clip(pixels, 0, 255).astype(np.uint8)


def bursts_of(classes: int = 2) -> tuple[list[Path], np.ndarray, np.ndarray]:
    """Files, labels and images; frame numbers are not padded, so 10 sorts before 2."""
    names, labels, images = [], [], []
    for label in range(classes):
        for scene in range(SCENES):
            for frame in range(FRAMES):
                names.append(Path(f'data/{label}/shot{scene}_{8 + frame}.jpg'))
                labels.append(label)
                images.append(burst(10 * label + scene, frame))
    order = sorted(range(len(names)), key=lambda i: (labels[i], names[i]))
    return [names[i] for i in order], np.array(labels)[order], np.stack(images)[order]


@pytest.mark.parametrize('group_by', ['burst', r'shot\d+', r'^(shot\d+)_'])
def test_frames_of_a_burst_are_one_group(group_by: str) -> None:
    names, labels, images = bursts_of()
    groups = group_names(names, labels, Path('data'), group_by, images)
    scenes = [
        f'{label}/{path.name.split("_")[0]}' for path, label in zip(names, labels, strict=True)
    ]
    assert len(set(groups)) == len(set(scenes)) == 2 * SCENES
    assert len(set(zip(groups, scenes, strict=True))) == 2 * SCENES


def test_folders_are_groups() -> None:
    paths = [Path(f'data/{c}/{day}/{n}.jpg') for c in 'ab' for day in 'xyz' for n in range(2)]
    labels = np.repeat([0, 1], 6)
    groups = group_names(paths, labels, Path('data'), 'folder', np.zeros((12, 4, 4, 3), np.uint8))
    assert len(set(groups)) == 6 and groups[0] == groups[1] != groups[2]


def test_equal_pictures_are_one_group_wherever_they_stand() -> None:
    paths = [Path(f'data/a/{n}.jpg') for n in range(3)]
    images = np.stack([burst(0, 0), burst(1, 0), burst(0, 0)])
    groups = group_names(paths, np.zeros(3, np.int64), Path('data'), 'burst', images)
    assert groups[0] == groups[2] != groups[1]


@pytest.mark.parametrize(
    ('pattern', 'message'),
    [('(', r"must be 'folder', 'burst' or a pattern"), (r'^\d+', '48 of 48 do not match')],
)
def test_a_pattern_that_does_not_fit_is_told(pattern: str, message: str) -> None:
    names, labels, images = bursts_of()
    with pytest.raises(UsageError, match=message):
        group_names(names, labels, Path('data'), pattern, images)


def test_pictures_without_a_shape_are_alike_only_if_their_colour_is() -> None:
    dark, light = np.full((2, 24, 24, 3), 40, np.uint8), np.full((1, 24, 24, 3), 200, np.uint8)
    images = np.concatenate([dark, light, np.stack([burst(0, 0)[:24, :24]])])
    names = [f'{number}.png' for number in range(4)]
    assert near_equal(names, np.zeros(4, np.int64), images) == 1
    assert near_equal(names, np.array([0, 1, 1, 1]), images) == 0


def test_bursts_are_counted_and_strangers_are_not() -> None:
    paths, labels, images = bursts_of()
    assert near_equal([str(path) for path in paths], labels, images) == 2 * SCENES * (FRAMES - 1)
    strangers = np.stack([burst(scene, 0) for scene in range(40)])
    assert near_equal([str(i) for i in range(40)], np.zeros(40, np.int64), strangers) <= 1


def test_a_hand_that_moves_the_camera_leaves_a_burst_together() -> None:
    rng = np.random.default_rng(0)
    moved = []
    for scene in range(40):
        for _ in range(2):
            down, right = rng.integers(0, 10, 2)
            view = burst(scene, 0, 90)[down : down + 80, right : right + 80]
            moved.append(cv2.convertScaleAbs(view, alpha=rng.uniform(0.8, 1)))
    found = near_equal([str(i) for i in range(80)], np.zeros(80, np.int64), np.stack(moved))
    assert 38 <= found <= 41


GROUPS = st.lists(st.integers(1, 9), min_size=1, max_size=12).map(
    lambda sizes: np.repeat([f'g{i}' for i in range(len(sizes))], sizes)
)


@given(groups=GROUPS, count=st.integers(1, 60), seed=st.integers(0, 3))
def test_whole_groups_are_drawn_and_one_is_left(groups: np.ndarray, count: int, seed: int) -> None:
    taken = draw(groups, count, seed)
    drawn, others = set(groups[taken]), set(np.delete(groups, taken))
    assert not drawn & others and others
    assert bool(drawn) == (len(set(groups)) > 1)
    assert len(taken) <= count or len(drawn) == 1
    np.testing.assert_array_equal(taken, draw(groups, count, seed))


@given(groups=GROUPS, count=st.integers(1, 60), seed=st.integers(0, 3))
def test_an_exact_number_is_held_out_of_whole_groups(
    groups: np.ndarray, count: int, seed: int
) -> None:
    held, left_over = draw_exactly(groups, count, seed)
    assert len(held) <= count and len(set(held)) == len(held)
    gone = np.concatenate([held, left_over])
    rest = np.setdiff1d(np.arange(len(groups)), gone)
    assert not set(groups[gone]) & set(groups[rest])
    assert rest.size


def test_one_more_group_changes_little() -> None:
    groups = np.repeat([f'g{i}' for i in range(40)], 5)
    more = np.concatenate([groups, ['new'] * 5])
    before, after = (set(g[draw(g, 40, 0)]) for g in (groups, more))
    assert len(before & after) >= len(before) - 1


def grouped() -> Dataset:
    names, labels, images = bursts_of()
    groups = group_names(names, labels, Path('data'), 'burst', images)
    files = tuple(path.name for path in names)
    return Dataset(images, labels, ('a', 'b'), files, groups)


def test_held_out_images_are_strangers_to_the_others() -> None:
    data = grouped()
    rest, held_out = split_held_out(data, 16, seed=0)
    assert np.bincount(held_out.labels).tolist() == [8, 8]
    assert rest.groups is not None and held_out.groups is not None
    assert not set(rest.groups) & set(held_out.groups)
    assert len(rest) == len(data) - 16  # two whole bursts of each class


def test_what_is_left_over_of_a_group_is_in_neither_part(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rest, held_out = split_held_out(grouped(), 12, seed=0)
    assert len(held_out) == 12 and len(rest) == 48 - 16
    assert '4 images are not used' in capsys.readouterr().out


def test_a_class_of_too_few_groups_is_named() -> None:
    data = grouped()
    with pytest.raises(ModelExportError, match=r"class 'a' has 6 groups: one must stay, .* 20 im"):
        split_held_out(data, 48 - 4, seed=0)


def test_groups_are_part_of_what_a_set_is_told_by() -> None:
    data = grouped()
    other = Dataset(data.images, data.labels, data.class_names)
    assert fingerprint(data).startswith(fingerprint(other))
    assert fingerprint(data) != fingerprint(other)
