"""Streams of H.264 and H.265 and video files, damaged; read as node and replay read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from eevit_ros.errors import EevitError
from eevit_ros.images.h26x import codec_of
from eevit_ros.images.resize import Image, check_size
from eevit_ros.images.stream import StreamDecoder
from eevit_ros.images.video import first_plane, to_rgb
from eevit_ros.recordings.open import open_source
from fuzz import Wrong
from fuzz.mutate import mutate
from harness.videos import GROUP, camera_packets, moving, write_video

FILES = {
    'x.mp4': ('libx264', {}),
    'fragmented.mp4': ('libx264', {'movflags': 'frag_keyframe+empty_moov'}),
    'x.mkv': ('libx264', {}),
    'x.avi': ('mpeg4', {}),
    'x.webm': ('libvpx-vp9', {}),
    'x.mpg': ('mpeg2video', {}),
}


def prepare(folder: Path) -> Callable[[Random], None]:
    """Write the videos to be damaged; return what runs a case."""
    images = moving(3 * GROUP, 48, 64)
    streams = [
        (codec, camera_packets(images, codec, b_frames))
        for codec in ('h264', 'hevc')
        for b_frames in (0, 2)
    ]
    files = [
        write_video(folder / name, images, codec=codec, muxer=muxer, g=str(GROUP))
        for name, (codec, muxer) in FILES.items()
    ]
    samples = [(file.suffix, file.read_bytes()) for file in files]

    def run(rng: Random) -> None:
        if rng.random() < 0.7:
            _stream(*rng.choice(streams), rng)
            return
        suffix, data = rng.choice(samples)
        damaged = folder / f'damaged{suffix}'
        damaged.write_bytes(mutate(data, rng))
        try:
            _read(damaged)
        finally:
            damaged.unlink()

    return run


def _stream(codec: str, packets: list[bytes], rng: Random) -> None:
    """Damage or lose some packets, then send the whole stream."""
    damaged = list(packets)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(damaged))
        kind = rng.randrange(4)
        if kind == 0:
            del damaged[at]
        elif kind == 1:
            damaged.insert(at, rng.choice(damaged))
        else:
            damaged[at] = mutate(damaged[at], rng)
    decoder: StreamDecoder[int] = StreamDecoder()
    refused: EevitError | None = None
    shown: list[int] = []
    for number, packet in enumerate([*damaged, *packets]):
        codec_of('', packet[:16])
        try:
            for of, picture in decoder.decode(packet, codec, number):
                first_plane(picture)
                _check(to_rgb(picture))
                shown.append(of)
        except EevitError as err:
            refused = err
    last = len(damaged) + len(packets) - 1
    if decoder.why or max(shown, default=0) < last - 3:
        raise Wrong(f'after whole groups the stream still waits: {decoder.why!r}, {shown[-3:]}')
    if refused:
        raise refused


def _read(file: Path) -> None:
    last_ns = 0
    for frame in open_source(file, None):
        if frame.received_ns <= last_ns:
            raise Wrong(f'time stands still at {last_ns} ns')
        last_ns = frame.received_ns
        _check(frame.decode())


def _check(image: Image) -> None:
    check_size(*image.shape[:2])
    if image.shape[2] != 3 or image.dtype != 'uint8':
        raise Wrong(f'a picture of {image.shape} {image.dtype}')
