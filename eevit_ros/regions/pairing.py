"""Which picture detections are about: the one of exactly their stamp and frame id.

Detections come later than their picture, by as long as the detector takes, so the newest few of
both wait for each other.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

P = TypeVar('P')
D = TypeVar('D')

KEPT = 32
"""Pictures that wait at most, in full size."""

SEEN = 256
"""Stamps of pictures that are remembered, to tell why detections fit none."""


class Key(NamedTuple):
    """What a picture and its detections have in common.

    Attributes:
        stamp_ns: Stamp of the header, nanoseconds.
        frame_id: Its frame id.
    """

    stamp_ns: int
    frame_id: str


class Pairing(Generic[P, D]):
    """Brings pictures and detections of one camera together; any thread may call.

    Times are seconds of one steady clock.

    Attributes:
        received: Detections that came.
        received_s: When the last ones came; the start before.
        alone: Detections that were given up because no picture fits them; not those of pictures
            before the first one that came.
        why: Why the last of those fits none.
        pictures_alone: Pictures that were given up because no detections came for them.
    """

    def __init__(self, wait_s: float, now_s: float) -> None:
        """Start with nothing; what waits longer than `wait_s` is given up."""
        self.received = self.alone = self.pictures_alone = 0
        self.received_s = now_s
        self.why = ''
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._pictures: OrderedDict[Key, tuple[float, P]] = OrderedDict()
        self._detections: OrderedDict[Key, tuple[float, D]] = OrderedDict()
        self._seen: OrderedDict[int, Key] = OrderedDict()  # pictures, by stamp
        self._newest_ns = 0
        self._first_ns: int | None = None

    def picture(self, key: Key, picture: P, now_s: float) -> D | None:
        """Take a picture; return the detections that have waited for it."""
        with self._lock:
            self._expire(now_s)
            if self._first_ns is None:
                self._first_ns = key.stamp_ns
            self._newest_ns = max(self._newest_ns, key.stamp_ns)
            self._seen[key.stamp_ns] = key
            if len(self._seen) > SEEN:
                self._seen.popitem(last=False)
            if key in self._detections:
                return self._detections.pop(key)[1]
            if key in self._pictures:
                self.pictures_alone += 1
            self._pictures[key] = now_s, picture
            if len(self._pictures) > KEPT:
                self._pictures.popitem(last=False)
                self.pictures_alone += 1
            return None

    def detections(self, key: Key, detections: D, now_s: float) -> P | None:
        """Take detections; return the picture that has waited for them."""
        with self._lock:
            self._expire(now_s)
            self.received += 1
            self.received_s = now_s
            if key in self._pictures:
                return self._pictures.pop(key)[1]
            if key in self._detections:
                self._give_up(key)
            self._detections[key] = now_s, detections
            if len(self._detections) > KEPT:
                self._give_up(next(iter(self._detections)))
            return None

    def expire(self, now_s: float) -> None:
        """Give up what has waited too long."""
        with self._lock:
            self._expire(now_s)

    def _expire(self, now_s: float) -> None:
        for key in _old(self._pictures, now_s - self._wait_s):
            del self._pictures[key]
            self.pictures_alone += 1
        for key in _old(self._detections, now_s - self._wait_s):
            self._give_up(key)

    def _give_up(self, key: Key) -> None:
        del self._detections[key]
        if self._first_ns is not None and 0 < key.stamp_ns < self._first_ns:
            return  # of a picture before this node heard the camera
        self.alone += 1
        self.why = self._reason(key)

    def _reason(self, key: Key) -> str:
        same = self._seen.get(key.stamp_ns)
        if key.stamp_ns == 0:
            return 'they have no stamp (0): the detector must copy the header of the image'
        if same == key:
            return (
                'their image was already answered or given up: do two detectors publish, or does '
                f'it take longer than regions_wait_s or {KEPT} images?'
            )
        if same is not None:
            return (
                f'they are of frame {key.frame_id!r}, the image of their stamp is of '
                f'{same.frame_id!r}: another camera, or the detector must copy the header'
            )
        if not self._seen:
            return 'no image has come'
        ahead_s = (key.stamp_ns - self._newest_ns) * 1e-9
        if ahead_s > 0:
            return f'their stamp is {ahead_s:.3f} s ahead of the newest image'
        return (
            f'no image has their stamp, {-ahead_s:.3f} s before the newest: was it lost on the '
            f'way, or does the detector not copy its header?'
        )


def _old(waiting: OrderedDict[Key, tuple[float, P]], before_s: float) -> list[Key]:
    return [key for key, (since_s, _) in waiting.items() if since_s < before_s]
