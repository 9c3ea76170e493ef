"""Many paths driven at once, under K settings of a law: N paths, S signs, arrays of (K, N).

The robot, its signs and the rate are those of `drive.robot`, `drive.scene.signs` and the real rate
law, in steps of one frame: each step is the arrival of an answer. A simulated journey with the
real `Perception` (`drive.simulated`) drives the same paths alike; a test compares them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from drive.journey import FRAME_INTERVAL_S, STEP_S
from drive.robot import ACCELERATION_MPS2, FLOOR, TOP_SPEED_MPS
from drive.scene.signs import IN_A_ROW
from drive.scene.world import LENGTH_M, SCENERY_LENGTH_M, SIGHT_M, SIGNS, START_M, ZONE_M
from drive.study.seen.answers import CELL_M, CELLS, DRAWS, FIELDS, Answers
from drive.study.seen.pictures import labels
from drive.study.worlds import Part, Paths
from eevit_ros.model.metadata import ModelMetadata

AGE_S = 0.02  # of every answer: the median behind the real nodes (docs/drive.json)
LATE_S = math.ceil(AGE_S / STEP_S) * STEP_S  # the robot looks for answers before each step

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
Whole = TypeVar('Whole', int, Places)


@dataclass(frozen=True)
class Frames:
    """What is said of every frame that a camera can take on a world's paths, one value a frame.

    Attributes:
        label: Number of the class.
        right: Whether that is the class of what is shown.
        depth: Share of the layers that ran, 0..1.
        confidence: Probability of the answer, 0..1.
        exit: Number of the exit.
        brightness: Of the frame, 0..1.
        blind: Whether it shows nothing.
        contrast: As /diagnostics shows it, 0..127.5.
    """

    label: Places
    right: Flags
    depth: Values
    confidence: Values
    exit: Places
    brightness: Values
    blind: Flags
    contrast: Values


class Driver(Protocol):
    """Decides how fast to drive."""

    settings: int  # K

    def desired_mps(self, frame: Places, arrived_m: Values) -> Values:
        """Return the speeds (K, N) that are wanted until the next answer.

        Args:
            frame: int (K, N), the frames that the answers are about, numbers into `Frames`.
            arrived_m: float64 (K, N), where the robots are as the answers arrive.
        """


@dataclass(frozen=True)
class Driven:
    """How all paths went.

    Attributes:
        seconds: float64 (K, N).
        missed: bool (K, N, S), signs that were not read in time.
        zone_seconds: float64 (K, N, Z), in each zone, to the frame.
    """

    seconds: Values
    missed: Flags
    zone_seconds: Values


class Route:
    """The paths of a world with all frames that may be seen on them.

    Attributes:
        paths: The paths.
        frames: What is said of each frame.
        data: uint8 (frames, fields), the same as it is kept.
        condition: int (N, S), number of each sign's condition.
    """

    def __init__(
        self, paths: Paths, part: Part, answers: Mapping[str, Answers], model: ModelMetadata
    ) -> None:
        """Lay out the frames: those of the signs first, then those of the scenery."""
        self.paths = paths
        self.condition = np.take_along_axis(paths.zones, paths.sign_zone, 1)
        tables = [answers[name] for name in paths.conditions]
        signs = np.stack([table.signs for table in tables])
        scenery = np.stack([table.scenery for table in tables])
        of_signs = signs[self.condition, paths.sign_picture - part.signs.start]
        self._views = paths.scenery.shape[1]
        zone = ((np.arange(self._views) + 0.5) * SCENERY_LENGTH_M - START_M) // ZONE_M
        kinds = paths.zones[:, zone.clip(0, paths.zones.shape[1] - 1).astype(int)]
        of_scenery = scenery[kinds, paths.scenery - part.scenery.start]
        shown = [
            np.repeat(paths.sign_picture.ravel(), CELLS * DRAWS),
            np.repeat(paths.scenery.ravel(), DRAWS),
        ]
        self._first_scenery = len(shown[0])
        self.data = np.concatenate([one.reshape(-1, len(FIELDS)) for one in (of_signs, of_scenery)])
        names = {name: number for number, name in enumerate(model.class_names)}
        truth = np.array([names.get(label, -1) for label in labels()])
        self.frames = _frames(self.data, truth[np.concatenate(shown)], model)

    def frame_of(
        self, path: Places, place_m: Values, sign: Places, draw: int
    ) -> tuple[Places, Flags]:
        """Return the frames seen from places (K, N), and whether each shows a sign.

        Args:
            path: int (N,), numbers of the paths.
            place_m: Where the frames are taken.
            sign: Number of the next sign, `SIGNS` behind the last.
            draw: Which of each place's frames.
        """
        number = np.minimum(sign, SIGNS - 1)
        distance_m = self.paths.sign_m[path, number] - place_m
        is_sign = (0 < distance_m) & (distance_m <= SIGHT_M)
        shifted = distance_m / CELL_M + self.paths.sign_shift[path, number]
        cell = shifted.astype(int).clip(0, CELLS - 1)
        view = np.minimum((place_m / SCENERY_LENGTH_M).astype(int), self._views - 1)
        of_sign = self.sign_frame(path, number, cell, draw)
        return np.where(is_sign, of_sign, self.scenery_frame(path, view, draw)), is_sign

    def sign_frame(self, path: Whole, sign: Whole, cell: Whole, draw: int) -> Whole:
        """Return the number of a frame of a sign."""
        number: Whole = ((path * SIGNS + sign) * CELLS + cell) * DRAWS + draw
        return number

    def scenery_frame(self, path: Whole, view: Whole, draw: int) -> Whole:
        """Return the number of a frame of scenery."""
        number: Whole = self._first_scenery + (path * self._views + view) * DRAWS + draw
        return number


def _frames(
    data: npt.NDArray[np.uint8], truth: npt.NDArray[np.int64], model: ModelMetadata
) -> Frames:
    label, left, confidence, brightness, blind, contrast = data.T
    depth = np.array(model.answer_layers) / model.layers
    return Frames(
        label.astype(np.intp),
        label == truth,
        depth[left],
        confidence / 255,
        left.astype(np.intp),
        brightness / 255,
        blind > 0,
        contrast / 2,
    )


def drive(route: Route, driver: Driver) -> Driven:
    """Drive all paths to their ends, from rest."""
    paths = route.paths
    shape = (driver.settings, len(paths.sign_m))
    row, path = np.ogrid[: shape[0], : shape[1]]
    place, speed, seconds = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
    sign, in_a_row, closed = np.zeros(shape, int), np.zeros(shape, int), np.zeros(shape, bool)
    missed = np.ones((*shape, SIGNS + 1), bool)  # the last is behind the last sign
    sign_m = np.concatenate([paths.sign_m, np.full((shape[1], 1), np.inf)], 1)
    most = ACCELERATION_MPS2 * FRAME_INTERVAL_S
    reaction_s = AGE_S + FRAME_INTERVAL_S
    zones = paths.zones.shape[1]
    zone_seconds, number = np.zeros((*shape, zones)), 0
    while np.isnan(seconds).any():
        taken = np.maximum(0.0, place - speed * LATE_S)
        frame, is_sign = route.frame_of(path[0], taken, sign, number % DRAWS)
        reach = speed * reaction_s + speed**2 / (2 * ACCELERATION_MPS2)
        closed |= sign_m[path, sign] - place <= reach
        in_a_row = np.where(is_sign, (in_a_row + 1) * route.frames.right[frame], in_a_row)
        is_read = ~closed & is_sign & (in_a_row >= IN_A_ROW)
        missed[row, path, sign] &= ~is_read
        closed |= is_read
        desired = driver.desired_mps(frame, place)
        after = speed + np.clip(desired - speed, -most, most)
        on = (speed + after) / 2 * FRAME_INTERVAL_S
        with np.errstate(divide='ignore', invalid='ignore'):
            arrives = LATE_S + (number + (LENGTH_M - place) / on) * FRAME_INTERVAL_S
        zone = ((place - START_M) // ZONE_M).astype(int).clip(0, zones - 1)
        zone_seconds[row, path, zone] += np.where(place < LENGTH_M, FRAME_INTERVAL_S, 0.0)
        arrived = np.isnan(seconds) & (place + on >= LENGTH_M)
        seconds[arrived] = arrives[arrived]
        place, speed = place + on, after
        passed = (place - speed * LATE_S >= sign_m[path, sign]) & (sign < SIGNS)
        sign = sign + passed
        in_a_row[passed] = 0
        closed &= ~passed
        number += 1
    return Driven(seconds, missed[..., :SIGNS], zone_seconds)


def bounded_mps(rate: Values) -> Values:
    """Return the speed of an adaptive rate, as the governor and navigation make it."""
    return TOP_SPEED_MPS * np.clip(rate, FLOOR, 1.0)
