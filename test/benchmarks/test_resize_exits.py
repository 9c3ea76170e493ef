"""The fast ways to shrink a frame, held against INTER_AREA over all of it at once.

The demo model sees the same pixels, but for large JPEGs, whose decoder reduces them.
`benchmarks/resize_exits.py` counts exits on whole data sets.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from eevit_ros.images.compressed import decode_compressed
from eevit_ros.images.resize import Image, resize
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from harness.paths import ROOT

pytest.importorskip('rosbags', reason='reads the shipped bag: `make test` installs it')

from demo.bag import SHIPPED_BAG, read_bag  # noqa: E402

MODEL = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
pytestmark = pytest.mark.skipif(not MODEL.exists(), reason=f'{MODEL.name} is not in models/')

EVERY = 32  # frames, of 12 or so for each of the 32 pictures


@pytest.fixture(scope='module')
def engine() -> Engine:
    return Engine(MODEL, compute=Compute(provider='cpu'))


@pytest.fixture(scope='module')
def frames() -> list[Image]:
    """CIFAR-100 images in motion, enlarged to 640x480."""
    return [decode_compressed(frame.jpeg, 'jpeg') for frame in read_bag(SHIPPED_BAG)[::EVERY]]


def enlarged(frame: Image, height: int) -> Image:
    """Return a frame's centre, a square of `height`."""
    centre = np.ascontiguousarray(frame[:, 80:560])
    side = (height, height)
    return np.asarray(cv2.resize(centre, side, interpolation=cv2.INTER_CUBIC), np.uint8)


def in_one_go(image: Image, engine: Engine) -> Image:
    """Return a square, shrunk by INTER_AREA alone."""
    size = engine.input_size.width, engine.input_size.height
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def small(image: Image, engine: Engine) -> Image:
    return resize(image, engine.input_size.height, engine.input_size.width, engine.input_size.rule)


@pytest.mark.parametrize('height', [480, 720, 1080])
def test_every_pixel_is_that_of_inter_area(height, engine: Engine, frames: list[Image]) -> None:
    for frame in frames[:4]:
        image = enlarged(frame, height)
        np.testing.assert_array_equal(small(image, engine), in_one_go(image, engine))
        jpeg = cv2.imencode('.jpg', image)[1].tobytes()
        np.testing.assert_array_equal(
            decode_compressed(jpeg, 'jpeg', engine.input_size), decode_compressed(jpeg, 'jpeg')
        )


def test_of_larger_frames_few_pixels_differ_and_few_leave_elsewhere(
    engine: Engine, frames: list[Image]
) -> None:
    differs, elsewhere = [], []
    for frame in frames:
        jpeg = cv2.imencode('.jpg', enlarged(frame, 2160), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        whole = decode_compressed(jpeg, 'jpeg')
        reduced = decode_compressed(jpeg, 'jpeg', engine.input_size)
        assert reduced.shape == (1080, 1080, 3)
        exact = in_one_go(whole, engine)
        exit_layer = engine.run(exact).exit_layer
        fast = [small(image, engine) for image in (whole, reduced)]
        differs.append([(f != exact).mean() for f in fast])
        elsewhere.append([engine.run(f).exit_layer != exit_layer for f in fast])
    assert (np.mean(differs, axis=0) <= (0.0, 0.03)).all()
    assert (np.sum(elsewhere, axis=0) <= 1).all()
