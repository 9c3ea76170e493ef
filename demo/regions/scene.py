"""A camera that sees several of the demo's pictures at once, and the boxes around them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from demo.bag import BagFrame
from demo.regions.bag import RegionFrame, Thing
from demo.scene import Image

HEIGHT, WIDTH = 540, 960  # px
RATE_HZ = 5  # five things a picture take as long as five pictures
SIDES = (230, 180, 140, 110, 88)  # px; near things and far ones
CENTRES = ((170, 330), (420, 240), (620, 380), (790, 230), (612, 100))
SWAY = 26.0  # px
JPEG_QUALITY = 90


def compose(bag: Sequence[BagFrame]) -> Iterator[RegionFrame]:
    """Yield pictures of five things each, as long as the recording that they are taken from.

    Things of one picture come from the same third of the recording, that of full light or of dark.
    """
    seconds = (bag[-1].stamp_ns - bag[0].stamp_ns) * 1e-9
    count = max(2, round(seconds * RATE_HZ))
    thirds = [bag[len(bag) * i // 3 : len(bag) * (i + 1) // 3] for i in range(3)]
    for number in range(count):
        share = number / count
        third = thirds[int(3 * share)]
        canvas = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
        things = []
        for index, (side, (x, y)) in enumerate(zip(SIDES, CENTRES, strict=True)):
            at = int((3 * share % 1) * len(third)) + index * len(third) // len(SIDES)
            frame = third[at % len(third)]
            left = round(x + SWAY * math.sin(number / 9 + index) - side / 2)
            top = round(y + SWAY * math.cos(number / 7 + index) - side / 2)
            canvas[top : top + side, left : left + side] = _square(frame, side)
            things.append(Thing(str(index), left + side / 2, top + side / 2, side, frame.truth))
        _, jpeg = cv2.imencode('.jpg', canvas, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        stamp_ns = bag[0].stamp_ns + number * 1_000_000_000 // RATE_HZ
        yield RegionFrame(stamp_ns, jpeg.tobytes(), tuple(things))


def _square(frame: BagFrame, side: int) -> Image:
    """Return the central square of a frame, BGR, `side` pixels a side."""
    image = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # the bag was found good
    height, width = image.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    square = image[top : top + least, left : left + least]
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
