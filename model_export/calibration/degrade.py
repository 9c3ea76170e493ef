"""Images as a camera shows them on a bad day: dark, noisy, blurred, or without contrast.

The kinds are among those of Hendrycks and Dietterich, Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations, ICLR 2019; the strengths are our choice.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.images.resize import Image

GAMMA = 2.2
STOPS = (2.0, 3.5, 5.0)  # of light lost: 1/4, 1/11 and 1/32 are left
NOISE = (0.04, 0.08, 0.16)  # standard deviation, share of white
BLUR = (0.01, 0.02, 0.035)  # standard deviation, share of the image's side
CONTRAST = (0.5, 0.3, 0.15)  # share that is left


def degraded(images: Image, seed: int = 0) -> Image:
    """Return a copy of each image with one kind of damage, at one of three strengths.

    Each of the twelve comes equally often, drawn without regard to the image.

    Args:
        images: uint8 (N, H, W, 3) RGB, of the size that the model takes.
        seed: Of which image gets what, and of the noise.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    found = np.empty_like(images)
    for place, number in enumerate(order):
        kind, strength = divmod(place % 12, 3)
        share = images[number].astype(np.float32) / 255
        shown = _KINDS[kind](share, strength, rng)
        found[number] = np.rint(255 * shown.clip(0, 1))
    return found


_Share = npt.NDArray[np.float32]  # of white, (H, W, 3)


def _dark(share: _Share, strength: int, _: np.random.Generator) -> _Share:
    return share * np.float32(2.0 ** (-STOPS[strength] / GAMMA))


def _noisy(share: _Share, strength: int, rng: np.random.Generator) -> _Share:
    return share + NOISE[strength] * rng.standard_normal(share.shape, np.float32)


def _blurred(share: _Share, strength: int, _: np.random.Generator) -> _Share:
    return np.asarray(cv2.GaussianBlur(share, (0, 0), BLUR[strength] * len(share)), np.float32)


def _flat(share: _Share, strength: int, _: np.random.Generator) -> _Share:
    return share.mean() + CONTRAST[strength] * (share - share.mean())


_KINDS = (_dark, _noisy, _blurred, _flat)
