from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drive.scene.camera import MOST_PIXELS, frame_noise, photograph
from drive.scene.pictures import COUNT, read_pictures
from drive.scene.world import (
    DARKNESS,
    FIRST_DEVELOPMENT_SEED,
    HALF,
    LENGTH_M,
    SEEDS_WITHOUT_REPETITION,
    SIGHT_M,
    SIGNS,
    START_M,
    ZONE_M,
    ZONES,
    View,
    make_world,
)

SEEDS = st.integers(0, 2 * FIRST_DEVELOPMENT_SEED)
PLACES = st.floats(0, LENGTH_M)


@given(SEEDS)
def test_signs_are_visible_one_at_a_time_on_the_path_in_their_zone(seed: int) -> None:
    world = make_world(seed)
    assert len(world.signs) == SIGNS
    assert Counter(world.zones) == Counter(ZONES)
    ends = [0.0, *(sign.place_m for sign in world.signs)]
    for before, sign in zip(ends, world.signs, strict=False):
        assert before < sign.place_m - SIGHT_M
        assert sign.place_m < LENGTH_M
        index = int((sign.place_m - START_M) / ZONE_M)
        assert sign.zone == world.zones[index] == world.zone(sign.place_m)


@given(SEEDS, PLACES)
def test_the_camera_sees_a_sign_over_its_last_metres_and_scenery_elsewhere(
    seed: int, place_m: float
) -> None:
    world = make_world(seed)
    view = world.view(place_m)
    ahead = [s for s in world.signs if 0 < s.place_m - place_m <= SIGHT_M]
    if ahead:
        assert view.sign is not None
        assert world.signs[view.sign] == ahead[0]
        assert view.distance_m == ahead[0].place_m - place_m
        assert view.darkness == world.darkness(ahead[0].place_m)
    else:
        assert view.sign is None
        assert view.picture in world.scenery
        assert view.darkness == world.darkness(place_m)


@given(SEEDS, PLACES)
def test_the_light_changes_smoothly_between_the_zones_levels(seed: int, place_m: float) -> None:
    world = make_world(seed)
    levels = DARKNESS.values()
    assert min(levels) <= world.darkness(place_m) <= max(levels)
    assert abs(world.darkness(place_m + 0.05) - world.darkness(place_m)) < 0.1


def test_each_zone_has_its_light_in_its_middle() -> None:
    world = make_world(0)
    for index, zone in enumerate(world.zones):
        assert world.darkness(START_M + (index + 0.5) * ZONE_M) == DARKNESS[zone]


def test_a_seed_is_always_the_same_path_and_another_seed_another() -> None:
    assert make_world(3) == make_world(3)
    assert make_world(3).signs != make_world(4).signs


def test_parameters_were_chosen_on_other_pictures_than_are_reported() -> None:
    def pictures(seeds: range) -> set[int]:
        worlds = [make_world(seed) for seed in seeds]
        return {p for w in worlds for p in (*w.scenery, *(s.picture for s in w.signs))}

    reported = pictures(range(SEEDS_WITHOUT_REPETITION))
    first = FIRST_DEVELOPMENT_SEED
    development = pictures(range(first, first + SEEDS_WITHOUT_REPETITION))
    assert not reported & development
    assert reported | development <= set(range(2 * HALF))


def test_no_sign_stands_on_two_reported_paths() -> None:
    signs = [s.picture for seed in range(SEEDS_WITHOUT_REPETITION) for s in make_world(seed).signs]
    assert len(signs) == len(set(signs))


def test_the_sheet_holds_many_pictures_of_many_classes() -> None:
    pictures = read_pictures()
    assert len(pictures) == COUNT
    assert len({picture.label for picture in pictures}) > 90
    assert len({picture.pixels.tobytes() for picture in pictures}) == COUNT


@given(st.integers(0, COUNT - 1), st.floats(0.01, 10), st.floats(0, 1))
def test_a_frame_is_as_large_as_the_thing_appears_up_to_a_bound(
    picture: int, distance_m: float, darkness: float
) -> None:
    view = View(picture, distance_m, darkness, None)
    frame = photograph(read_pictures()[picture].pixels, view, np.random.default_rng(0))
    height, width, channels = frame.shape
    assert height == width == min(MOST_PIXELS, round(80 / distance_m))
    assert (channels, frame.dtype) == (3, np.uint8)


def test_the_same_place_gives_every_policy_the_same_frame() -> None:
    view = make_world(0).view(7.0)
    pixels = read_pictures()[view.picture].pixels
    first, second = (photograph(pixels, view, frame_noise(0, 7.0, 12)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, photograph(pixels, view, frame_noise(0, 7.0, 13)))


def test_the_dark_adds_noise_which_nearness_takes_away() -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)

    def noise(distance_m: float, darkness: float) -> float:
        frame = photograph(grey, View(0, distance_m, darkness, None), np.random.default_rng(0))
        details = cv2.resize(frame, (16, 16), interpolation=cv2.INTER_AREA)  # as large for each
        return float(details.std() / details.mean())

    assert noise(2.0, 0.7) > 2 * noise(2.0, 0.0)
    assert noise(0.3, 0.7) < 0.5 * noise(2.0, 0.7)
