"""Video by PyAV (FFmpeg): from packets to whole pictures, and from a picture to RGB.

PyAV is loaded by whoever decodes video, and by nobody else.

Conventions where a video leaves a choice: colours as it says, BT.601 where it says nothing, as for
raw images; turned and mirrored as it says, which phones do; no tone mapping of HDR.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import MAX_PIXELS, Image, check_size

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

KEEPS_BACK = 'h264'
"""The decoder that waits for a key frame, or the end of a gradual refresh, by itself."""

SHOWS_DAMAGE = 'hevc'
"""The decoder that knows which pictures build on one that is missing."""


def load_av(oldest: int = 0) -> ModuleType:
    """Return PyAV.

    Args:
        oldest: The first major version that will do.

    Raises:
        EevitError: It is not installed, cannot be loaded, or is too old.
    """
    try:
        import av
    except ImportError as err:
        raise EevitError(
            f"video needs PyAV ({err}): pip install 'eevit_ros[video]' (or 'av'), on Ubuntu also "
            f'apt install python3-av'
        ) from err
    if int(av.__version__.partition('.')[0]) < oldest:
        raise EevitError(
            f"this needs PyAV {oldest} or newer, not {av.__version__}: pip install 'av>={oldest}'"
        )
    return av


class WholePictures:
    """Decodes the packets of one stream in their order and lets whole pictures through.

    After damage, and at the start, that is from the next key frame on: what comes before builds on
    pictures that are missing.

    Attributes:
        waiting: Whether a key frame must come before the next picture.
        damaged: Places at which the stream was damaged.
    """

    def __init__(self, context: VideoCodecContext) -> None:
        """Start before the first packet.

        Args:
            context: The decoder. The size of its pictures gets a limit, and it one thread: more of
                them hold pictures back, and take time from the network unseen.
        """
        self._av = load_av()
        self._context = context
        options = {'max_pixels': str(MAX_PIXELS)}
        if context.name == SHOWS_DAMAGE:
            options['flags'] = 'output_corrupt'  # marked so; without it they are kept back unsaid
        context.options = {**context.options, **options}
        context.thread_count = 1
        self.waiting = True
        self.damaged = 0

    def decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        """Return the pictures that this packet completes; an empty one ends the stream."""
        if packet.is_corrupt:  # cut off: of some codecs half a picture would come
            self.lose()
            return []
        try:
            pictures = self._context.decode(packet)
        except self._av.FFmpegError:
            self.lose()
            return []
        # Not every decoder marks its key frames, but then the container does.
        marked = packet.is_keyframe and self._context.name != SHOWS_DAMAGE
        whole = []
        for picture in pictures:
            if picture.is_corrupt:
                self.lose()
                continue
            if picture.key_frame or marked or self._context.name == KEEPS_BACK:
                self.waiting = False
            if not self.waiting:
                whole.append(picture)
        return whole

    def take(self, packet: Packet[VideoStream]) -> None:
        """Take a packet without a picture, such as parameter sets alone."""
        with suppress(self._av.FFmpegError):  # it misses the picture
            self._context.decode(packet)

    def lose(self) -> None:
        """Wait for a key frame, because something before the next packet is missing."""
        if not self.waiting:  # what comes before a key frame is no damage of its own
            self.damaged += 1
            self.waiting = True
            self._context.flush_buffers()


def first_plane(picture: VideoFrame) -> bytes:
    """Return the bytes of a picture's first plane, to tell whether it repeats the one before."""
    plane: Any = picture.planes[0]
    width = plane.width * (2 if picture.format.components[0].bits > 8 else 1)
    rows: Image = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, :width].tobytes()


def to_rgb(picture: VideoFrame) -> Image:
    """Return a picture as uint8 (H, W, 3) RGB, upright where its video says how.

    Raises:
        EevitError: It is too large, or FFmpeg cannot convert it.
    """
    from av.video.reformatter import Colorspace

    check_size(picture.height, picture.width)
    try:
        # A target, which RGB has no use for, makes PyAV heed the picture's own colour space.
        rgb = picture.reformat(format='rgb24', dst_colorspace=Colorspace.ITU601, **_one_thread())
        return _upright(np.asarray(rgb.to_ndarray(), np.uint8), _display_matrix(picture))
    except (ValueError, OSError, MemoryError) as err:  # of these kinds are PyAV's own
        raise EevitError(
            f'FFmpeg cannot convert a picture of {picture.width}x{picture.height} '
            f'{picture.format.name} to RGB: {err}: encode the video as yuv420p'
        ) from err


@cache
def _one_thread() -> dict[str, Any]:
    """Return the option that keeps a conversion from starting threads, where PyAV has it."""
    major = int(load_av().__version__.partition('.')[0])
    return {'threads': 1} if major >= 17 else {}


def _display_matrix(picture: VideoFrame) -> tuple[int, int, int, int] | None:
    """Return a, b, c, d of x' = ax + cy, y' = bx + dy, in any scale; None for upright."""
    from av.sidedata.sidedata import Type

    every: Any = picture.side_data
    data = every.get(Type.DISPLAYMATRIX)
    matrix = b'' if data is None else bytes(data)
    # It and the picture hold each other. A hundred pictures would wait for the garbage collector,
    # of 1920x1080 half a gigabyte: let it hold an empty one instead.
    every.__init__(_no_picture())
    if not matrix:
        return None
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return a, b, c, d


@cache
def _no_picture() -> VideoFrame:
    empty: VideoFrame = load_av().VideoFrame(16, 16, 'gray')
    return empty


def _upright(image: Image, matrix: tuple[int, int, int, int] | None) -> Image:
    """Turn and mirror to the nearest quarter turn."""
    if matrix is None:
        return image
    a, b, c, d = matrix
    if abs(a) + abs(d) < abs(b) + abs(c):
        image, a, d = np.asarray(cv2.transpose(image), np.uint8), c, b
    if a < 0 or d < 0:
        # 0: up and down, 1: left and right, -1: both.
        code = -1 if a < 0 and d < 0 else int(a < 0)
        image = np.asarray(cv2.flip(image, code), np.uint8)
    return image
