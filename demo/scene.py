"""A small picture as a moving camera would see it, by day and in failing light.

The light model is the textbook one of a digital sensor: the lens (blur, growing as the aperture
opens for the dark), photons (Poisson), read noise (Gaussian), a gain that makes up for only half
of the lost exposure, and the denoising of the camera's image processor. Everything happens in
linear light; the picture is brought back to gamma 2.2 at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

FRAME_HEIGHT = 480  # px
FRAME_WIDTH = 640  # px
GAMMA = 2.2

DARKEST_STOPS = 7.0  # exposure falls to 1/128
GAIN_SHARE = 0.5  # share of the lost stops that the camera's gain brings back
WHITE_ELECTRONS = 4000.0  # charge of a white pixel at full exposure, as in a small sensor
READ_NOISE = 5.0  # electrons, standard deviation
DARKEST_DEFOCUS = 10.0  # px, standard deviation; 480 px show 32 px of picture
DENOISE = 2.0  # px, standard deviation; smears the noise into the blotches of real dark video


@dataclass(frozen=True)
class Pose:
    """Where the picture lies in the frame.

    Attributes:
        scale: Side of the picture relative to the frame's height.
        shift_x: Pixels to the right of the frame's centre.
        shift_y: Pixels below it.
        angle: Degrees, counter-clockwise.
    """

    scale: float
    shift_x: float
    shift_y: float
    angle: float

    def towards(self, other: Pose, share: float) -> Pose:
        """Return the pose `share` (0..1) of the way to `other`."""

        def mix(a: float, b: float) -> float:
            return a + (b - a) * share

        return Pose(
            mix(self.scale, other.scale),
            mix(self.shift_x, other.shift_x),
            mix(self.shift_y, other.shift_y),
            mix(self.angle, other.angle),
        )


def random_pose(rng: np.random.Generator) -> Pose:
    """Draw a pose that keeps the picture inside the central square of the frame."""
    return Pose(
        scale=rng.uniform(0.92, 1.0),
        shift_x=rng.uniform(-9.0, 9.0),
        shift_y=rng.uniform(-9.0, 9.0),
        angle=rng.uniform(-2.0, 2.0),
    )


def look(picture: Image, pose: Pose) -> Image:
    """Show `picture` in the middle of a camera frame, before a blurred enlargement of itself.

    Args:
        picture: uint8 (side, side, 3) RGB.
        pose: Where it lies.

    Returns:
        uint8 (480, 640, 3) RGB.
    """
    side = picture.shape[0]
    centre = (FRAME_WIDTH / 2 + pose.shift_x, FRAME_HEIGHT / 2 + pose.shift_y)
    zoom = pose.scale * FRAME_HEIGHT / side
    turn = cv2.getRotationMatrix2D((side / 2 - 0.5, side / 2 - 0.5), pose.angle, zoom)
    turn[:, 2] += np.array(centre) - side / 2
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    near = cv2.warpAffine(
        picture, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpAffine(np.ones((side, side), np.float32), turn, size, flags=cv2.INTER_LINEAR)
    inside = cv2.GaussianBlur(inside, (0, 0), 6.0)[..., None]
    far = cv2.resize(picture, (FRAME_WIDTH, FRAME_WIDTH), interpolation=cv2.INTER_CUBIC)
    margin = (FRAME_WIDTH - FRAME_HEIGHT) // 2
    far = cv2.GaussianBlur(far[margin : margin + FRAME_HEIGHT], (0, 0), 24.0)
    return np.rint(near * inside + far * (1 - inside)).clip(0, 255).astype(np.uint8)


def darkness(share: float) -> float:
    """Return how dark it is, 0..1, `share` (0..1) of the way through the recording.

    Full light in the outer thirds; in the middle third it fades, stays for its middle half and
    comes back, without a kink.
    """
    place = (share - 1 / 3) * 3  # 0..1 in the middle third
    if not 0 < place < 1:
        return 0.0
    edge = min(place, 1 - place, 0.25) / 0.25
    return float(0.5 - 0.5 * np.cos(np.pi * edge))


def expose(scene: Image, dark: float, rng: np.random.Generator) -> Image:
    """Photograph a scene in light between full (`dark` 0) and the darkest (1).

    Args:
        scene: uint8 (H, W, 3) RGB, as in full light.
        dark: 0..1.
        rng: Source of the noise.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    stops = DARKEST_STOPS * dark
    light = _blur(np.float32(scene / 255.0) ** GAMMA, DARKEST_DEFOCUS * dark)
    charge = rng.poisson(light * (WHITE_ELECTRONS * 2.0**-stops)).astype(np.float32)
    charge += rng.normal(0, READ_NOISE, charge.shape).astype(np.float32)
    signal = _blur(charge / WHITE_ELECTRONS * 2.0 ** (GAIN_SHARE * stops), DENOISE)
    return np.asarray(np.rint(255 * np.clip(signal, 0, 1) ** (1 / GAMMA)), np.uint8)


def _blur(image: npt.NDArray[np.float32], deviation: float) -> npt.NDArray[np.float32]:
    if deviation == 0:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.float32)
