"""Small videos for tests and measurements, by PyAV's own encoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from eevit_ros.images.resize import Image

# A key frame every 8 pictures, at no other place, and the encoders' silence.
GROUP = 8
ENCODERS = {
    'h264': ('libx264', {'g': '8', 'sc_threshold': '0'}),
    'hevc': ('libx265', {'x265-params': 'log-level=none:keyint=8:min-keyint=8:scenecut=0'}),
}


def colours(count: int, height: int = 48, width: int = 64) -> Iterator[Image]:
    """Yield pictures of one colour each, (10 i, 0, 200), with a little of a pattern."""
    for index in range(count):
        image = np.zeros((height, width, 3), np.uint8)
        image[:] = (10 * index % 250, 0, 200)
        yield image


def moving(count: int, height: int = 96, width: int = 128) -> list[Image]:
    """Return pictures of a scene that passes by, of which hardly a pixel stays the same."""
    random = np.random.default_rng(0)
    scene = random.integers(0, 255, (height + count, width + 3 * count, 3), np.uint8)
    smooth = cv2.GaussianBlur(scene, (0, 0), 3).astype(np.float32)
    scene = ((smooth - smooth.min()) * (255 / np.ptp(smooth))).astype(np.uint8)
    return [scene[i : i + height, 3 * i : 3 * i + width].copy() for i in range(count)]


def camera_packets(images: Iterable[Image], codec: str, b_frames: int = 0) -> list[bytes]:
    """Return a camera's stream, 'h264' or 'hevc', with a key frame every `GROUP` pictures."""
    encoder, options = ENCODERS[codec]
    if codec == 'hevc':
        more = {'x265-params': f'{options["x265-params"]}:bframes={b_frames}'}
    else:
        more = {'bf': str(b_frames)}
    return packets(images, encoder, **{**options, **more})


def write_video(
    path: Path,
    images: Iterable[Image],
    times_ms: Sequence[int] | None = None,
    *,
    codec: str = 'libx264',
    pix_fmt: str = 'yuv420p',
    muxer: dict[str, str] | None = None,
    streams: int = 1,
    tags: dict[str, int] | None = None,
    **options: str,
) -> Path:
    """Write a video.

    Args:
        path: The file; its suffix chooses the container.
        images: uint8 (H, W, 3) RGB.
        times_ms: Presentation times, milliseconds; None for 25 a second.
        codec: FFmpeg's name of the encoder.
        pix_fmt: Pixel format of the video.
        muxer: Options of the container.
        streams: Video streams, all with the same pictures.
        tags: `color_range` and `colorspace` of the pictures, as FFmpeg numbers them.
        options: Options of the encoder.
    """
    first, *rest = images
    with av.open(str(path), 'w', options=muxer or {}) as container:
        outputs: list[Any] = [
            container.add_stream(codec, rate=25, options=options) for _ in range(streams)
        ]
        for stream in outputs:
            _shape(stream, first, pix_fmt, tags or {})
            if times_ms is not None:
                stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for index, image in enumerate([first, *rest]):
            for stream in outputs:
                frame = _frame(image, pix_fmt, tags or {})
                frame.pts = index if times_ms is None else times_ms[index]
                frame.time_base = Fraction(1, 25 if times_ms is None else 1000)
                container.mux(stream.encode(frame))
        for stream in outputs:
            container.mux(stream.encode(None))
    return path


def packets(
    images: Iterable[Image], codec: str = 'libx264', pix_fmt: str = 'yuv420p', **options: str
) -> list[bytes]:
    """Return a stream in Annex B form, a packet a picture, in the order of decoding."""
    first, *rest = images
    encoder: Any = VideoCodecContext.create(codec, 'w')
    _shape(encoder, first, pix_fmt, {})
    encoder.time_base = Fraction(1, 25)
    encoder.framerate = Fraction(25)
    encoder.options = options
    found: list[Packet[Any]] = []
    for index, image in enumerate([first, *rest]):
        frame = _frame(image, pix_fmt, {})
        frame.pts, frame.time_base = index, Fraction(1, 25)
        found += encoder.encode(frame)
    return [bytes(packet) for packet in [*found, *encoder.encode(None)]]


def _shape(encoder: Any, image: Image, pix_fmt: str, tags: dict[str, int]) -> None:
    encoder.height, encoder.width = image.shape[:2]
    encoder.pix_fmt = pix_fmt
    for name, value in tags.items():
        setattr(getattr(encoder, 'codec_context', encoder), name, value)


def _frame(image: Image, pix_fmt: str, tags: dict[str, int]) -> VideoFrame:
    return VideoFrame.from_ndarray(image, format='rgb24').reformat(
        format=pix_fmt,
        dst_colorspace=tags.get('colorspace'),
        dst_color_range=tags.get('color_range'),
    )
