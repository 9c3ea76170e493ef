"""A reader with every fault: one case each, the others are good."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from eevit_ros.errors import EevitError
from fuzz import Wrong

NAMES = {Random(f'1 {index}').random(): index for index in range(8)}


def prepare(folder: Path) -> Callable[[Random], None]:
    return run


def run(rng: Random) -> None:
    match NAMES[rng.random()]:
        case 1:
            raise Wrong('an answer')
        case 2:
            ctypes.string_at(0)
        case 3:
            time.sleep(3600)
        case 4:
            bytearray(1 << 40)
        case 5:
            raise EevitError('cannot be read') from MemoryError()
        case 6:
            raise EevitError('no number') from ValueError('x')
