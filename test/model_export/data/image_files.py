"""Small image files of one colour, and folders of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

RED = (200, 10, 20)


def png(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (32, 32)) -> bytes:
    """A PNG file; `size` is height and width."""
    image = np.full((*size, 3), colour[::-1], np.uint8)
    return cv2.imencode('.png', image)[1].tobytes()


def write_classes(folder: Path, *names: str, size: tuple[int, int] = (32, 32)) -> None:
    """One image a class: the blue value is the class's number."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / '0.png').write_bytes(png((200, 10, number), size))
