"""Which topic of a bag is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eevit_ros.recordings.bag.messages import IMAGE_TYPES, Topic
from eevit_ros.recordings.errors import RecordingError


def choose_topic(path: Path, wanted: str | None, topics: Mapping[Topic, int]) -> str:
    """Return the topic of the images to replay.

    Args:
        path: Of the bag, for errors.
        wanted: The topic that was asked for; None means the only one with images.
        topics: How many messages there are of each.

    Raises:
        RecordingError: There is none, or not only one; names those that there are.
    """
    images = {x: count for x, count in topics.items() if x.type in IMAGE_TYPES}
    present = (
        f'its topics of images are {listed(images)}'
        if images
        else f'it holds no images, only {listed(topics) or "nothing"}'
    )
    if wanted is None:
        names = sorted({x.name for x, count in images.items() if count})
        if len(names) > 1:
            raise RecordingError(f'{path} has several topics of images, name one: {present}')
        if not names:
            raise RecordingError(f'{path} has no images to replay: {present}')
        return names[0]
    kinds = [x for x in topics if x.name == wanted]
    if not kinds:
        raise RecordingError(f'{path} has no topic {wanted}: {present}')
    if not any(x in images for x in kinds):
        raise RecordingError(f'topic {wanted} of {path} is of type {kinds[0].type}: {present}')
    if not any(images.get(x) for x in kinds):
        raise RecordingError(f'topic {wanted} of {path} is empty: {present}')
    return wanted


def listed(topics: Mapping[Topic, int]) -> str:
    """Return topics with type and number of messages, for people."""
    entries = sorted(topics.items(), key=lambda entry: entry[0].name)
    return ', '.join(f'{x.name} ({x.type}, {count} messages)' for x, count in entries)
