"""What tracked things were answered with before."""

from __future__ import annotations

from collections import OrderedDict, deque

import numpy as np

from eevit_ros.model.engine import Vector

MOST_IDS = 1000
"""Ids that are kept, those answered last: a tracker may number things for ever."""

NEVER = -1


class Memory:
    """The answers to each id, by the number of the image."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._image = 0
        # Both by when an id was answered last. Answers take memory, and go with their window.
        self._last: OrderedDict[str, int] = OrderedDict()
        self._answers: OrderedDict[str, deque[tuple[int, Vector]]] = OrderedDict()

    def next_image(self) -> None:
        """Take what follows as of a new image."""
        self._image += 1

    def last(self, id: str) -> int:
        """Return the number of the image in which an id was answered last; `NEVER` for none."""
        return self._last.get(id, NEVER)

    def add(self, id: str, probabilities: Vector, images: int) -> None:
        """Take an answer to an id; forget those of any id that are `images` images old."""
        self._last[id] = self._image
        self._last.move_to_end(id)
        answers = self._answers.setdefault(id, deque())
        answers.append((self._image, probabilities))
        while answers[0][0] <= self._image - images:
            answers.popleft()
        self._answers.move_to_end(id)
        while next(iter(self._answers.values()))[-1][0] <= self._image - images:
            self._answers.popitem(last=False)
        if len(self._answers) > MOST_IDS:
            self._answers.popitem(last=False)
        if len(self._last) > MOST_IDS:
            self._last.popitem(last=False)

    def mean(self, id: str, images: int) -> Vector | None:
        """Return the mean answer to an id over the last `images` images; None without any."""
        answers = [p for image, p in self._answers.get(id, ()) if image > self._image - images]
        if len(answers) < 2:  # one alone stays as it is, to the last bit
            return answers[0] if answers else None
        return np.asarray(np.mean(answers, axis=0), np.float32)
