"""Moments of a replay that are worth a look, and their pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from eevit_ros.images.resize import Image
from eevit_ros.recordings.source import Source
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.results.correctness import mark_correct

SLOWEST, DEEPEST, UNSURE = 'slowest', 'deepest', 'least certain'
WRONG, DIFFERENT = 'wrong and most certain', 'not as at full depth, most certain'

MOST = 8  # of a kind
APART_NS = 1_000_000_000  # else they show the same scene
SIDE = 200  # px, at most
QUALITY = 80

Rows = npt.NDArray[np.int64]


def pick(frames: pd.DataFrame) -> dict[str, list[int]]:
    """Choose the rows to show, by kind; at most 8 of a kind, a second or more apart.

    Args:
        frames: A frame table.

    Returns:
        Positions in the table by kind, the most extreme first. A kind without rows, or in which
        all rows are equal, is missing.
    """
    correctness = mark_correct(frames)
    confidence = _numbers(frames, 'confidence')
    layer = _numbers(frames, 'exit_layer')
    latency = _numbers(frames, 'latency_ms')
    wrong = DIFFERENT if correctness.against == 'reference' else WRONG
    kinds = {
        SLOWEST: (-latency, correctness.answered & _differs(latency)),
        DEEPEST: (np.nan_to_num(confidence) - 2 * layer, correctness.answered & _differs(layer)),
        UNSURE: (confidence, correctness.answered),
        wrong: (-confidence, correctness.wrong),
    }
    bags = pd.factorize(frames['bag'])[0]
    times = frames['received_ns'].to_numpy(np.int64)
    picked = {}
    for kind, (order, among) in kinds.items():
        rows = np.flatnonzero(among & np.isfinite(order))
        rows = rows[np.argsort(order[rows], kind='stable')]
        if len(rows):
            picked[kind] = _apart(rows, bags, times)
    return picked


def wanted(frames: pd.DataFrame) -> set[tuple[str, int]]:
    """Return (bag, index) of all rows that `pick` chooses."""
    bags, indices = frames['bag'], frames['index']
    rows = {row for rows in pick(frames).values() for row in rows}
    return {(str(bags.iloc[row]), int(indices.iloc[row])) for row in rows}


def reopen(facts: Mapping[str, Any], options: ReplayOptions) -> list[Source]:
    """Open the recordings of a finished replay once more, under the names they had.

    Args:
        facts: Facts of the replay; 'sources' holds path and name of each recording.
        options: Those of the replay.
    """
    sources = []
    for about in facts['sources']:
        source, _ = options.open(Path(about['path']), labelled=False)
        source.name = about['name']
        sources.append(source)
    return sources


def thumbnails(
    sources: Iterable[Source], wanted: Collection[tuple[str, int]]
) -> dict[tuple[str, int], bytes]:
    """Read the sources once more and decode only what is wanted.

    Args:
        sources: Recordings, opened again; each is read up to its last wanted frame.
        wanted: Name of the source, index of the frame.

    Returns:
        JPEG files of the whole frames, at most 200 pixels a side.

    Raises:
        EevitError: A wanted frame can no longer be read.
    """
    found: dict[tuple[str, int], bytes] = {}
    left = _by_bag(wanted)
    for source in sources:
        indices = left.get(source.name, set())
        if not indices:
            continue
        for frame in source:
            if frame.index in indices:
                found[source.name, frame.index] = thumbnail(frame.decode())
                indices.discard(frame.index)
                if not indices:
                    break
    return found


def thumbnail(image: Image) -> bytes:
    """Return a frame, uint8 (H, W, 3) RGB, as a JPEG file of at most 200 pixels a side."""
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(
        '.jpg', cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not done:
        raise ReplayError(f'OpenCV could not encode an image of shape {small.shape} as JPEG')
    return encoded.tobytes()


def _by_bag(wanted: Collection[tuple[str, int]]) -> Mapping[str, set[int]]:
    indices: dict[str, set[int]] = {}
    for bag, index in wanted:
        indices.setdefault(bag, set()).add(index)
    return indices


def _apart(rows: Rows, bags: npt.NDArray[np.int64], times: Rows) -> list[int]:
    chosen: list[int] = []
    while len(rows) and len(chosen) < MOST:
        first = int(rows[0])
        chosen.append(first)
        near = (bags[rows] == bags[first]) & (np.abs(times[rows] - times[first]) < APART_NS)
        rows = rows[~near]
    return chosen


def _numbers(frames: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    return frames[column].to_numpy(np.float64)


def _differs(values: npt.NDArray[np.float64]) -> bool:
    """Return whether there are two different values, so that one can be the extreme."""
    known = values[np.isfinite(values)]
    return bool(len(known)) and bool(known.max() > known.min())
