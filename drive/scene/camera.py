"""What the robot's camera delivers of the thing that it looks at.

A frame is the part of the camera's picture that shows one thing, as a detector would cut it out.
The nearer the thing, the more pixels show it and the more light they gather: a slow robot, who may
come nearer before it must have decided, reads more in the dark. Light and noise are those of
`demo.scene`; they and the blur depend on the place alone and not on the speed. The robot shakes:
every frame has a pose of its own.
"""

from __future__ import annotations

import cv2
import numpy as np

from demo.scene import Sensor, expose
from drive.scene.pictures import SIDE, Image
from drive.scene.world import View

PIXELS_AT_1_M = 80.0  # width of a thing in the camera's picture
MOST_PIXELS = 96  # sides of larger cut-outs are binned down to this
SENSOR = Sensor(darkest_defocus=1.5, denoise=0.7)  # px of the camera


def photograph(pixels: Image, view: View, rng: np.random.Generator) -> Image:
    """Return the frame of a view: uint8 (S, S, 3) RGB, S at most 96.

    Args:
        pixels: The picture that `view` names, uint8 (32, 32, 3) RGB.
        view: What is seen.
        rng: Source of the pose and the noise.
    """
    width = PIXELS_AT_1_M / view.distance_m
    binning = max(1.0, width / MOST_PIXELS)
    scene = shaken(pixels, round(width / binning), rng)
    return expose(scene, view.darkness, rng, SENSOR.binned(binning))


def frame_noise(seed: int, place_m: float, frame: int) -> np.random.Generator:
    """Return the source of a frame's pose and noise: of seed, place and number, not of a policy."""
    return np.random.default_rng((seed, 1, round(1000 * place_m), frame))


def shaken(pixels: Image, size: int, rng: np.random.Generator) -> Image:
    """Return a picture as wide as the thing appears, in a pose of its own: the robot shakes."""
    zoom = size / SIDE * rng.uniform(0.88, 1.0)
    middle = (SIDE - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), rng.uniform(-4.0, 4.0), zoom)
    turn[:, 2] += np.array((size - 1) / 2 - middle + size * rng.uniform(-0.04, 0.04, 2))
    shown = cv2.warpAffine(
        pixels, turn, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(shown, np.uint8)
