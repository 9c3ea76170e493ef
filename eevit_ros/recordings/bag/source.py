"""Images of a bag: rosbag2 of any storage and compression, or ROS 1."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from eevit_ros.errors import EevitError
from eevit_ros.images.decoder import Decoder
from eevit_ros.images.resize import InputSize
from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.bag.files import open_bag
from eevit_ros.recordings.bag.messages import (
    CLASSIFICATION,
    IMAGE,
    IMAGE_TYPES,
    Loss,
    Topic,
    choose_topic,
    deserialize,
    listed,
    stamp_of,
)
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.source import SourceFrame, picture_format
from eevit_ros.recordings.stamps import stamp_text

_LOSSES_TOLD = 5  # of each file; a thousand places are one bad disk


class BagSource:
    """The images on one topic of a bag, as a `Source`."""

    def __init__(self, path: Path, topic: str | None, images: ImageSettings | None = None) -> None:
        """Open a bag.

        Args:
            path: A rosbag2 folder, or one .mcap, .db3 or .bag file.
            topic: Topic of the images; None takes the only one.
            images: How they are read.

        Raises:
            RecordingError: Nothing of it can be read, or the topic is ambiguous.
        """
        self._path = path
        self._images = images
        self._files, self.problems = open_bag(path)
        self._opening_problems = len(self.problems)
        self._topics: Counter[Topic] = Counter()
        for file in self._files.values():
            self._topics.update(file.topics)  # not a sum, which would drop the silent ones
        self.name = Path(os.path.abspath(path)).name
        try:
            self.topic = choose_topic(path, topic, self._topics)
        except RecordingError as err:
            # Lost images are the likeliest reason.
            if lost := [*self.problems, *self._losses()]:
                raise RecordingError(f'{err} ({"; ".join(lost)})') from err
            raise
        self.frames: int | None = sum(
            count
            for x, count in self._topics.items()
            if x.name == self.topic and x.type in IMAGE_TYPES
        )

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the images in the order of log time."""
        del self.problems[self._opening_problems :]
        log_times = _Backwards('log times')
        stamps = _Backwards('header stamps')
        decoder = Decoder(self._images)
        index = received_ns = stamp_ns = losses = 0
        for path, file in self._files.items():
            in_file = 0
            for item in file.messages(self.topic):
                if isinstance(item, Loss):
                    in_file += 1
                    losses += 1
                    if in_file <= _LOSSES_TOLD:
                        where = self._where(index, stamp_ns)
                        self.problems.append(f'{path}: {item.what} {where}: {item.loss}')
                    continue
                if item.topic.type not in IMAGE_TYPES:
                    continue
                log_times.update(index, item.log_ns)
                received_ns = max(received_ns, item.log_ns)
                try:
                    message = deserialize(item)
                except RecordingError as err:
                    # There is no header; the caller counts the frame as bad and goes on.
                    refuse = partial(_refuse, str(err))
                    yield SourceFrame(index, received_ns, received_ns, item.raw, '', refuse)
                else:
                    stamp_ns = stamp_of(message)
                    stamps.update(index, stamp_ns)
                    yield _frame(index, received_ns, stamp_ns, item.topic.type, message, decoder)
                index += 1
            if in_file > _LOSSES_TOLD:
                self.problems.append(f'{path}: {in_file - _LOSSES_TOLD} more places are damaged')
        if index != self.frames and not losses:
            self.problems.append(
                f'{self._path}: {self.frames} images are announced on {self.topic}, '
                f'but {index} are there'
            )
        for clock in (log_times, stamps):
            self.problems += clock.problems(f'on {self.topic} of {self._path}')

    def stamped_labels(self, topic: str) -> dict[int, str]:
        """See `Source`; damage of the file is reported with the images, not here."""
        present = {x: count for x, count in self._topics.items() if x.type == CLASSIFICATION}
        if topic not in {x.name for x in present}:
            raise RecordingError(
                f'{self._path} has no topic {topic} of {CLASSIFICATION}: '
                f'{listed(present) if present else "there is no topic of that type"}'
            )
        labels: dict[int, str] = {}
        for file in self._files.values():
            for item in file.messages(topic):
                if isinstance(item, Loss) or item.topic.type != CLASSIFICATION:
                    continue
                message = deserialize(item)
                if not message.results:
                    continue
                label = max(message.results, key=lambda result: result.score).class_id
                stamp_ns = stamp_of(message)
                if labels.setdefault(stamp_ns, label) != label:
                    raise RecordingError(
                        f'{topic} of {self._path} says both {labels[stamp_ns]!r} and {label!r} '
                        f'at stamp {stamp_text(stamp_ns)}'
                    )
        return labels

    def _losses(self) -> list[str]:
        """Return the damage that is known before any image is read."""
        return [
            f'{path}: {item.what}'
            for path, file in self._files.items()
            for item in file.messages('')
            if isinstance(item, Loss)
        ]

    def _where(self, index: int, stamp_ns: int) -> str:
        if not index:
            return f'before the first image on {self.topic}'
        return f'after {index} images on {self.topic}, the last of stamp {stamp_text(stamp_ns)}'


def _frame(
    index: int, received_ns: int, stamp_ns: int, kind: str, message: Any, decoder: Decoder
) -> SourceFrame:
    data = message.data.tobytes()
    if kind == IMAGE:
        raw = partial(decoder.image, message)
        return SourceFrame(index, received_ns, stamp_ns, data, '', raw)
    decode = partial(decoder.compressed, data, message.format)
    return SourceFrame(index, received_ns, stamp_ns, data, picture_format(data), decode)


def _refuse(reason: str, size: InputSize | None = None) -> NoReturn:
    raise EevitError(reason)


@dataclass
class _Backwards:
    """Notices when a clock of the bag runs backwards."""

    what: str
    _count: int = 0
    _last_ns: int | None = None
    _first: str = ''

    def update(self, index: int, time_ns: int) -> None:
        """Add the time of an image."""
        if self._last_ns is not None and time_ns < self._last_ns:
            self._count += 1
            if self._count == 1:
                self._first = (
                    f'image {index}, {stamp_text(time_ns)} after {stamp_text(self._last_ns)}'
                )
        self._last_ns = time_ns

    def problems(self, where: str) -> list[str]:
        """Return a sentence if the clock ever ran backwards."""
        if not self._count:
            return []
        return [f'{self._count} {self.what} {where} go backwards, the first: {self._first}']
