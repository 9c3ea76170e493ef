"""A small picture as a moving camera would see it, by day and in failing light.

The light model is the textbook one of a digital sensor: the lens (blur, growing as the aperture
opens for the dark), photons (Poisson), read noise (Gaussian), a gain that makes up for only half
of the lost exposure, and the denoising of the camera's image processor. Everything happens in
linear light; the picture is brought back to gamma 2.2 at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

FRAME_HEIGHT = 480  # px
FRAME_WIDTH = 640  # px
GAMMA = 2.2


@dataclass(frozen=True)
class Sensor:
    """A small camera; the defaults are the demo's, 480 px of which show 32 px of picture.

    Attributes:
        darkest_stops: Of exposure that are lost in the dark; 7 leave 1/128.
        gain_share: Share of the lost stops that the camera's gain brings back.
        white_electrons: Charge of a white pixel at full exposure.
        read_noise: Electrons, standard deviation.
        darkest_defocus: Pixels, standard deviation.
        denoise: Pixels, standard deviation; smears the noise into the blotches of real dark video.
    """

    darkest_stops: float = 7.0
    gain_share: float = 0.5
    white_electrons: float = 4000.0
    read_noise: float = 5.0
    darkest_defocus: float = 10.0
    denoise: float = 2.0

    def binned(self, side: float) -> Sensor:
        """Return this sensor with `side` times `side` pixels read as one."""
        return replace(
            self,
            white_electrons=self.white_electrons * side**2,
            read_noise=self.read_noise * side,
            darkest_defocus=self.darkest_defocus / side,
            denoise=self.denoise / side,
        )


SENSOR = Sensor()


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


def expose(scene: Image, dark: float, rng: np.random.Generator, sensor: Sensor = SENSOR) -> Image:
    """Photograph a scene in light between full (`dark` 0) and the darkest (1).

    Args:
        scene: uint8 (H, W, 3) RGB, as in full light.
        dark: 0..1.
        rng: Source of the noise.
        sensor: That takes the photograph.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    stops = sensor.darkest_stops * dark
    light = _blur(np.float32(scene / 255.0) ** GAMMA, sensor.darkest_defocus * dark)
    charge = rng.poisson(light * (sensor.white_electrons * 2.0**-stops)).astype(np.float32)
    charge += rng.normal(0, sensor.read_noise, charge.shape).astype(np.float32)
    signal = charge / sensor.white_electrons * 2.0 ** (sensor.gain_share * stops)
    signal = _blur(signal, sensor.denoise)
    return np.asarray(np.rint(255 * np.clip(signal, 0, 1) ** (1 / GAMMA)), np.uint8)


def _blur(image: npt.NDArray[np.float32], deviation: float) -> npt.NDArray[np.float32]:
    if deviation == 0:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.float32)
