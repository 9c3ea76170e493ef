"""Which kind of picture some bytes are."""

from __future__ import annotations

from eevit_ros.images.jpeg_png import JPEG_MAGIC, PNG_MAGIC


def picture_format(data: bytes) -> str:
    """Return 'jpeg' or 'png' by the first bytes, '' for anything else."""
    if data.startswith(JPEG_MAGIC):
        return 'jpeg'
    return 'png' if data.startswith(PNG_MAGIC) else ''
