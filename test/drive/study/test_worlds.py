from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive.errors import DriveError
from drive.scene.camera import photograph as photograph_in_light
from drive.scene.pictures import COUNT, read_pictures
from drive.scene.world import LENGTH_M, SIGHT_M, START_M, ZONE_M, View
from drive.study.seen.conditions import CONDITIONS, photograph
from drive.study.seen.pictures import MORE, labels, read_pixels
from drive.study.worlds import (
    FURTHER,
    PARTS,
    REPORT,
    SHEET,
    WORLDS,
    make_paths,
)


@pytest.mark.parametrize('part', [name for name in PARTS if name != REPORT])
def test_the_report_has_seeds_and_pictures_of_its_own(part: str) -> None:
    one, other = PARTS[part], PARTS[REPORT]
    assert not set(one.seeds) & set(other.seeds)
    assert not {*one.signs, *one.scenery} & {*other.signs, *other.scenery}
    assert {*one.signs, *one.scenery, *other.signs, *other.scenery} <= set(range(len(labels())))


def test_no_picture_is_drawn_twice() -> None:
    rows = json.loads(MORE.read_text())['rows']
    assert len(set(rows)) == len(rows) == len(labels()) - COUNT == FURTHER


def test_the_sheet_needs_no_other_file(tmp_path: Path) -> None:
    assert set(read_pixels(PARTS[SHEET].signs, None)) == set(PARTS[SHEET].signs)
    for folder in (None, tmp_path):
        with pytest.raises(DriveError, match='--cifar'):
            read_pixels(PARTS[REPORT].signs, folder)


@pytest.mark.parametrize('name', WORLDS)
def test_every_path_of_a_world_has_its_zones_and_signs(name: str) -> None:
    world = WORLDS[name]
    paths = make_paths(world, PARTS[REPORT])
    for zones in paths.zones:
        assert Counter(paths.conditions[kind] for kind in zones) == Counter(world.zones)
    assert set(world.zones) <= set(CONDITIONS)
    # seen one at a time, in the zone that they are said to stand in
    before = np.diff(paths.sign_m, prepend=0.0)
    assert (before > SIGHT_M).all()
    assert (paths.sign_m < LENGTH_M).all()
    assert (paths.sign_zone == (paths.sign_m - START_M) // ZONE_M).all()
    assert all(len(set(pictures)) == len(pictures) for pictures in paths.sign_picture.tolist())


def test_zones_of_the_gradual_world_follow_one_another() -> None:
    world = WORLDS['gradual']
    paths = make_paths(world, PARTS[REPORT])
    circle = [*world.zones, *world.zones]
    for zones in paths.zones:
        names = [paths.conditions[kind] for kind in zones]
        assert any(circle[start : start + len(names)] == names for start in range(len(names)))


def test_paths_are_always_the_same() -> None:
    first, second = (make_paths(WORLDS['balanced'], PARTS[REPORT]) for _ in range(2))
    assert (first.sign_m == second.sign_m).all()
    assert (first.sign_picture == second.sign_picture).all()


@given(st.sampled_from(['full light', 'dusk', 'dark']), st.floats(0.2, 2.5), st.integers(0, 99))
def test_light_is_that_of_the_drive(name: str, distance_m: float, seed: int) -> None:
    pixels, condition = read_pictures()[0].pixels, CONDITIONS[name]
    ours = photograph(pixels, distance_m, condition, np.random.default_rng(seed))
    view = View(0, distance_m, condition.darkness, None)
    theirs = photograph_in_light(pixels, view, np.random.default_rng(seed))
    assert (ours == theirs).all()


@pytest.mark.parametrize('name', [name for name in CONDITIONS if name != 'full light'])
def test_every_condition_changes_what_is_seen(name: str) -> None:
    pixels = read_pictures()[3].pixels
    clear, hard = (
        photograph(pixels, 1.5, CONDITIONS[n], np.random.default_rng(0))
        for n in ('full light', name)
    )
    assert hard.dtype == np.uint8
    assert hard.shape[2] == 3
    assert hard.shape != clear.shape or np.abs(hard.astype(float) - clear).mean() > 2


def test_fog_grows_with_distance() -> None:
    pixels = read_pictures()[3].pixels

    def contrast(distance_m: float) -> float:
        frame = photograph(pixels, distance_m, CONDITIONS['fog'], np.random.default_rng(0))
        return float(frame.std())

    assert contrast(0.3) > contrast(1.0) > contrast(2.5)
