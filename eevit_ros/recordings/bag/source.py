"""Images of a bag: rosbag2 of any storage and compression, or ROS 1."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.bag.files import open_bag
from eevit_ros.recordings.bag.messages import (
    Loss,
    Recorded,
    deserialize,
    frame_id_of,
    packed,
    stamp_of,
)
from eevit_ros.recordings.bag.pictures import Picture, Pictures, unreadable
from eevit_ros.recordings.bag.times import HeaderStamps, LogTimes, with_following
from eevit_ros.recordings.bag.topics import (
    CLASSIFICATION,
    DETECTIONS,
    IMAGE_TYPES,
    ROS_1,
    Topic,
    choose_topic,
    listed,
    spelled,
)
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.source import SourceFrame
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
        log_times = LogTimes()
        stamps = HeaderStamps()
        pictures = Pictures(self._images)
        index = messages = losses = 0
        stamp_ns, frame_id = 0, ''
        in_file: Counter[Path] = Counter()
        for path, item, following_ns in with_following(self._items(self.topic, IMAGE_TYPES)):
            if isinstance(item, Loss):
                losses += 1
                in_file[path] += 1
                if in_file[path] <= _LOSSES_TOLD:
                    where = self._where(index, stamp_ns)
                    self.problems.append(f'{path}: {item.what} {where}: {item.loss}')
                pictures.lose()
                continue
            messages += 1
            try:
                message = deserialize(item)
            except RecordingError as err:
                # There is no header; the caller counts the frame as bad and goes on.
                log_times.update(item.log_ns, following_ns, None)
                bad = unreadable(log_times.received_ns, item.raw, str(err))
                yield _frame(index, log_times, bad, bad.stamp_ns)
                index += 1
                continue
            log_times.update(item.log_ns, following_ns, stamp_of(message))
            frame_id = frame_id_of(message)
            for picture in pictures.of(item.topic.type, message, stamp_of(message)):
                stamp_ns = stamps.usable(index, picture.stamp_ns, log_times.received_ns)
                yield _frame(index, log_times, picture, stamp_ns, frame_id)
                index += 1
        for picture in pictures.rest():
            stamp_ns = stamps.usable(index, picture.stamp_ns, log_times.received_ns)
            yield _frame(index, log_times, picture, stamp_ns, frame_id)
            index += 1
        self.problems += [
            f'{path}: {count - _LOSSES_TOLD} more damaged place(s)'
            for path, count in in_file.items()
            if count > _LOSSES_TOLD
        ]
        if messages != self.frames and not losses:
            self.problems.append(
                f'{self._path}: {self.frames} images are announced on {self.topic}, '
                f'but {messages} are there'
            )
        if pictures.warning:
            self.problems.append(f'{self.topic} of {self._path}: {pictures.warning}')
        for one in (log_times, stamps, pictures):
            self.problems += one.problems(f'on {self.topic} of {self._path}')

    def _items(self, topic: str, types: Sequence[str]) -> Iterator[tuple[Path, Recorded | Loss]]:
        """Yield messages of these types and the damage between them, in the order of the files."""
        for path, file in self._files.items():
            try:
                for item in file.messages(topic):
                    if isinstance(item, Loss) or item.topic.type in types:
                        yield path, item
            except OSError as err:
                yield path, Loss(f'the file cannot be read ({err.strerror})', 'the rest is lost')

    def stamped_labels(self, topic: str) -> dict[int, str]:
        """See `Source`; damage of the file is reported with the images, not here."""
        present = {x: count for x, count in self._topics.items() if x.type == CLASSIFICATION}
        topic = spelled(topic, present) or topic
        if topic not in {x.name for x in present}:
            raise RecordingError(
                f'{self._path} has no topic {topic} of {CLASSIFICATION}: '
                f'{listed(present) if present else "there is no topic of that type"}'
            )
        labels: dict[int, str] = {}
        for _, item in self._items(topic, [CLASSIFICATION]):
            if isinstance(item, Loss):
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

    def detections(self, topic: str | None, truth: str = '') -> dict[tuple[int, str], Recorded]:
        """Return the messages of a topic of vision_msgs/Detection2DArray, by stamp and frame id.

        Of several with one stamp it is the first; those that are damaged are told as problems.

        Args:
            topic: The topic; None takes the only one with messages.
            truth: Topic that is only taken if there is no other.

        Raises:
            RecordingError: There is no such topic, or more than one; lists those that there are.
        """
        present = {
            x: count
            for x, count in self._topics.items()
            if x.type == DETECTIONS and x.encoding != ROS_1
        }
        names = sorted({x.name for x, count in present.items() if count})
        truth = spelled(truth, present)
        if len(names) > 1 and truth in names:
            names.remove(truth)
        there = listed(present) if present else 'there is no topic of that type'
        if topic is None and len(names) != 1:
            raise RecordingError(
                f'{self._path} needs one topic of {DETECTIONS}; name it with --detections: {there}'
            )
        name = names[0] if topic is None else spelled(topic, present)
        if not name:
            raise RecordingError(f'{self._path} has no topic {topic} of {DETECTIONS}: {there}')
        found: dict[tuple[int, str], Recorded] = {}
        damaged = 0
        for _, item in self._items(name, [DETECTIONS]):
            if isinstance(item, Loss):
                continue  # told with the images
            try:
                message = deserialize(item)
            except RecordingError as err:
                damaged += 1
                why = str(err)
                continue
            found.setdefault((stamp_of(message), frame_id_of(message)), packed(item))
        if damaged:
            self.problems.append(f'{damaged} message(s) of detections cannot be read: {why}')
            self._opening_problems = len(self.problems)
        return found

    def has_detections(self, topic: str) -> bool:
        """Return whether a topic is of vision_msgs/Detection2DArray."""
        return bool(spelled(topic, [x for x in self._topics if x.type == DETECTIONS]))

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
    index: int, times: LogTimes, picture: Picture, stamp_ns: int, frame_id: str = ''
) -> SourceFrame:
    return SourceFrame(
        index,
        times.received_ns,
        stamp_ns,
        picture.data,
        picture.format,
        picture.decode,
        clock_set_ns=times.set_ns,
        message=picture.message,
        frame_id=frame_id,
    )
