"""Bags to play, made by the helpers of the tests of the replay."""

from __future__ import annotations

from pathlib import Path

from harness.bags import (  # noqa: E402
    CAMERA,
    COMPRESSED,
    IMAGE,
    compressed,
    image,
    pixels,
    stamp_of,
    write_bag,
)

DELAY_NS = 5_000_000  # from stamp to log time
__all__ = ['CAMERA', 'DELAY_NS', 'pixels', 'record_files', 'record_images', 'stamp_of']


def record_images(path: Path, levels: list[int | None]) -> Path:
    """Write a bag of rgb8 images at 15 Hz, of these brightnesses; None is a broken image."""
    entries = []
    for index, level in enumerate(levels):
        message = image(stamp_of(index), level or 0)
        if level is None:
            message.step = 1
        entries.append((CAMERA, IMAGE, stamp_of(index) + DELAY_NS, message))
    return write_bag(path, entries)


def record_files(path: Path, kinds: list[str]) -> Path:
    """Write a bag of JPEG and PNG files at 15 Hz, the brightness of each its number."""
    return write_bag(
        path,
        [
            (
                f'{CAMERA}/compressed',
                COMPRESSED,
                stamp_of(index) + DELAY_NS,
                compressed(stamp_of(index), index, kind),
            )
            for index, kind in enumerate(kinds)
        ],
    )
