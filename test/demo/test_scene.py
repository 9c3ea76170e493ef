from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.scene import FRAME_HEIGHT, FRAME_WIDTH, Pose, darkness, expose, look, random_pose

SHARES = st.floats(0, 1)


@given(SHARES)
def test_darkness_stays_in_bounds_and_is_the_same_both_ways(share: float) -> None:
    assert 0 <= darkness(share) <= 1
    assert np.isclose(darkness(share), darkness(1 - share))


@given(st.one_of(st.floats(0, 1 / 3), st.floats(2 / 3, 1)))
def test_the_outer_thirds_are_in_full_light(share: float) -> None:
    assert darkness(share) < 1e-9


@given(SHARES)
def test_the_light_never_jumps(share: float) -> None:
    frame = 1 / 378
    assert abs(darkness(min(1, share + frame)) - darkness(share)) < 0.06


def test_it_gets_fully_dark_in_the_middle() -> None:
    assert darkness(0.5) == 1.0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)  # a picture each
def test_a_drawn_pose_keeps_the_picture_within_what_the_model_sees(seed: int) -> None:
    pose = random_pose(np.random.default_rng(seed))
    white = np.full((32, 32, 3), 255, np.uint8)
    black_border = white.copy()
    black_border[0], black_border[-1], black_border[:, 0], black_border[:, -1] = 0, 0, 0, 0
    frame = look(black_border, pose)
    assert frame.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    margin = (FRAME_WIDTH - FRAME_HEIGHT) // 2
    square = frame[:, margin:-margin]
    # the picture's middle 28 of 32 pixels, all white, lie inside the central square
    assert (square > 250).all(-1).mean() > 0.92 * 0.92 * (28 / 32) ** 2 * 0.97


def test_an_unmoved_picture_lies_in_the_middle() -> None:
    picture = np.full((32, 32, 3), 200, np.uint8)
    picture[:16] = 40
    frame = look(picture, Pose(1.0, 0.0, 0.0, 0.0))
    assert abs(int(frame[100, 320, 0]) - 40) < 3
    assert abs(int(frame[380, 320, 0]) - 200) < 3
    rows = frame[:, 320, 0].astype(int)
    assert abs(int(np.argmax(rows > 120)) - FRAME_HEIGHT // 2) <= 1


def test_full_light_leaves_a_scene_as_it_is_but_for_a_little_noise() -> None:
    scene = np.full((64, 64, 3), 128, np.uint8)
    photo = expose(scene, 0.0, np.random.default_rng(0)).astype(int)
    assert abs(photo.mean() - 128) < 1
    assert photo.std() < 2


def test_the_dark_takes_brightness_and_sharpness_and_adds_noise() -> None:
    scene = np.full((128, 128, 3), 200, np.uint8)
    scene[:, 64:] = 60
    rng = np.random.default_rng(0)
    bright, dark = (expose(scene, d, rng).astype(float) for d in (0.0, 1.0))
    assert dark.mean() < 0.5 * bright.mean()

    def relative_noise(photo: np.ndarray) -> float:
        flat = photo[:, 8:32]
        return float(flat.std() / flat.mean())

    assert relative_noise(dark) > 3 * relative_noise(bright)

    def steepest(photo: np.ndarray) -> float:
        profile = photo.mean((0, 2))
        return float(np.abs(np.diff(profile)).max() / (profile[:32].mean() - profile[-32:].mean()))

    assert steepest(dark) < 0.5 * steepest(bright)
