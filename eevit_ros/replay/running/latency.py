"""How long a frame keeps the network busy: measured here, given, or as an earlier run recorded."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.results.frame_table import read_frames

Latency = Callable[[str, int, float], float]
"""(bag, index of the frame, measured milliseconds) -> milliseconds that count."""

MEASURED = 'measured'


def open_latency(text: str) -> Latency:
    """Return the latency that `text` describes.

    Args:
        text: 'measured'; a number of milliseconds; or a `frames.csv` of another run, for instance
            on the robot, whose latencies are taken frame by frame. With either of the last two a
            replay gives the same files each time.

    Raises:
        ReplayError: `text` is none of these.
    """
    if text == MEASURED:
        return lambda bag, index, measured_ms: measured_ms
    try:
        fixed_ms = float(text)
    except ValueError:
        return _recorded(Path(text))
    if not 0 <= fixed_ms < math.inf:
        raise ReplayError(f'--latency must be 0 ms or more. Got {text}')
    return lambda bag, index, measured_ms: fixed_ms


def latency_text(text: str) -> str:
    """Return an option of `open_latency` in words; 'measured' as it is."""
    if text == MEASURED:
        return text
    return f'as recorded in {text}' if Path(text).is_file() else f'{text} ms for every frame'


def _recorded(path: Path) -> Latency:
    if not path.is_file():
        raise ReplayError(
            f"--latency must be '{MEASURED}', a number of milliseconds, or a frames.csv of an "
            f'earlier run. Got {str(path)!r}, which is not a file'
        )
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)  # one file may serve a thousand recordings
def _read(path: Path, changed_ns: int) -> Latency:
    try:
        frames = read_frames(path)
    except (ValueError, KeyError) as err:  # no CSV file, or one without its columns
        raise ReplayError(f'--latency {path} is not a frames.csv of a replay: {err}') from err
    frames = frames[frames['latency_ms'].notna()]
    known: dict[tuple[str, int], float] = {
        (bag, index): ms
        for bag, index, ms in zip(
            frames['bag'], frames['index'].tolist(), frames['latency_ms'].tolist(), strict=True
        )
    }

    def recorded(bag: str, index: int, measured_ms: float) -> float:
        try:
            return known[bag, index]
        except KeyError:
            raise ReplayError(
                f'{path} has no latency for frame {index} of {bag}: record one for every frame '
                'with a run without --real-time'
            ) from None

    return recorded
