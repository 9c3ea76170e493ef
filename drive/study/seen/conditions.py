"""What makes a thing hard to see: the dark, motion blur, fog, its size, a cover, another camera.

A condition follows the place alone, never the speed. 'full light', 'dusk' and 'dark' are those of
`drive.scene`, whose camera this one extends.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from demo.scene import GAMMA, Sensor, expose
from drive.scene.camera import MOST_PIXELS, PIXELS_AT_1_M, SENSOR, shaken
from drive.scene.pictures import SIDE, Image

FOG_LIGHT = 0.75  # of the fog itself, share of white in linear light
COVER = 110  # grey of what stands before a covered thing
WARM = np.array([1.1, 1.0, 0.8], np.float32)  # gains of the other camera, red, green, blue
JPEG_QUALITY = 35  # of the other camera
OTHER_SENSOR = Sensor(
    gain_share=0.7, white_electrons=1500.0, read_noise=12.0, darkest_defocus=2.0, denoise=1.0
)


@dataclass(frozen=True)
class Condition:
    """How a thing is seen.

    Attributes:
        darkness: 0 (full light) to 1.
        blur_px: Length of the motion blur, pixels of the camera.
        fog_per_m: Light that the fog takes on its way: exp(-fog_per_m * distance) is left.
        size: Of the thing, relative to a usual one.
        covered: Share of its width that something hides.
        other_camera: Whether a coarser, noisier, warmer camera sees it, through JPEG.
    """

    darkness: float = 0.0
    blur_px: float = 0.0
    fog_per_m: float = 0.0
    size: float = 1.0
    covered: float = 0.0
    other_camera: bool = False


CONDITIONS = {
    'full light': Condition(),
    'early dusk': Condition(darkness=0.3),
    'dusk': Condition(darkness=0.5),
    'late dusk': Condition(darkness=0.6),
    'dark': Condition(darkness=0.7),
    'shaking': Condition(blur_px=6.0),
    'jolting': Condition(blur_px=10.0),
    'mist': Condition(fog_per_m=0.4),
    'fog': Condition(fog_per_m=0.8),
    'small': Condition(size=0.5),
    'covered': Condition(covered=0.45),
    'other camera': Condition(other_camera=True),
    'other camera, dark': Condition(other_camera=True, darkness=0.45),
}


def photograph(
    pixels: Image, distance_m: float, condition: Condition, rng: np.random.Generator
) -> Image:
    """Return the frame of a thing: uint8 (S, S, 3) RGB, S at most 96.

    Args:
        pixels: The thing's picture, uint8 (32, 32, 3) RGB.
        distance_m: To it.
        condition: How it is seen.
        rng: Source of pose and noise.
    """
    sensor = OTHER_SENSOR if condition.other_camera else SENSOR
    at_1_m = (0.6 if condition.other_camera else 1.0) * PIXELS_AT_1_M * condition.size
    width = at_1_m / distance_m
    binning = max(1.0, width / MOST_PIXELS)
    if condition.covered:
        pixels = _covered(pixels, condition.covered)
    scene = shaken(pixels, max(4, round(width / binning)), rng)
    if condition.fog_per_m:
        left = np.exp(-condition.fog_per_m * distance_m)
        light = np.power(scene / 255.0, GAMMA) * left + FOG_LIGHT * (1 - left)
        scene = np.asarray(np.rint(255 * np.power(light, 1 / GAMMA)), np.uint8)
    if condition.blur_px:
        scene = _moved(scene, condition.blur_px / binning, rng.uniform(0, np.pi))
    frame = expose(scene, condition.darkness, rng, sensor.binned(binning))
    return _as_jpeg(frame) if condition.other_camera else frame


def _covered(pixels: Image, share: float) -> Image:
    """Hide the left or the right side, always the same one of a picture."""
    hidden: Image = pixels.copy()
    columns = round(share * SIDE)
    if int(pixels.sum()) % 2:
        hidden[:, :columns] = COVER
    else:
        hidden[:, SIDE - columns :] = COVER
    return hidden


def _moved(scene: Image, length_px: float, angle: float) -> Image:
    half = max(1, round(length_px / 2))
    steps = np.linspace(-length_px / 2, length_px / 2, 8 * half + 1)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    rows, columns = np.rint(half + np.outer((np.sin(angle), np.cos(angle)), steps)).astype(int)
    np.add.at(kernel, (rows.clip(0, 2 * half), columns.clip(0, 2 * half)), 1 / len(steps))
    moved = cv2.filter2D(scene, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _as_jpeg(frame: Image) -> Image:
    warm = np.rint(frame * WARM).clip(0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, encoded = cv2.imencode('.jpg', cv2.cvtColor(warm, cv2.COLOR_RGB2BGR), quality)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
