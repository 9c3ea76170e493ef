"""Several cameras of one recording as one source: their images in the order of arrival."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.open import open_source
from eevit_ros.recordings.source import Source, SourceFrame
from eevit_ros.recordings.truth import Truth


def open_topics(path: Path, topics: Mapping[str, str], images: ImageSettings | None) -> Source:
    """Open the images of several cameras, or with '' or no topic those of the only one.

    Raises:
        RecordingError: As `open_source`.
    """
    if not any(topics):
        return open_source(path, topics.get(''), images)
    sources = {camera: open_source(path, topic, images) for camera, topic in topics.items()}
    return CamerasSource(sources, dict.fromkeys(topics, Truth('')))


def by_camera(source: Source) -> Mapping[str, Source]:
    """Return the source of each camera by its name, the only one by ''."""
    return source.sources if isinstance(source, CamerasSource) else {'': source}


class CamerasSource:
    """The images of several cameras, as a `Source`. Each frame brings its camera and its label.

    An index counts the images of all cameras.

    Attributes:
        sources: Source of each camera, by its name.
    """

    def __init__(self, sources: Mapping[str, Source], truths: Mapping[str, Truth]) -> None:
        """Join sources that were opened from one recording.

        Args:
            sources: Source of each camera, by its name.
            truths: Labels of each camera's frames, asked for by their index among them.

        Raises:
            RecordingError: Two cameras have the same topic.
        """
        self.sources, self._truths = sources, truths
        topics = {camera: source.topic for camera, source in sources.items()}
        for camera, source in sources.items():
            if [*topics.values()].count(source.topic) > 1:
                raise RecordingError(
                    f'camera {camera} and another have the same topic, {source.topic}: give each '
                    'its own (--topic CAMERA=TOPIC)'
                )
        self.name = next(iter(sources.values())).name
        self.topic = ', '.join(f'{camera}={topic}' for camera, topic in topics.items())
        counts = [source.frames for source in sources.values()]
        known = [count for count in counts if count is not None]
        self.frames = sum(known) if len(known) == len(counts) else None
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames in the order of their arrival, of two at once the first camera's."""
        merged = heapq.merge(
            *(self._frames_of(camera) for camera in self.sources),
            key=lambda frame: frame.received_ns,
        )
        for index, frame in enumerate(merged):
            yield replace(frame, index=index)
        problems = [text for source in self.sources.values() for text in source.problems]
        self.problems[:] = dict.fromkeys(problems)  # a damaged file is every camera's

    def _frames_of(self, camera: str) -> Iterator[SourceFrame]:
        label = self._truths[camera].label
        for frame in self.sources[camera]:
            yield replace(frame, camera=camera, truth=label(frame))

    def stamped_labels(self, topic: str) -> dict[int, str]:
        """See `Source`."""
        return next(iter(self.sources.values())).stamped_labels(topic)


class CamerasTruth(Truth):
    """The labels that the frames of a `CamerasSource` bring."""

    def __init__(self, truths: Mapping[str, Truth]) -> None:
        """Take the labels of each camera; cameras may share them."""
        self._truths = list({id(truth): truth for truth in truths.values()}.values())
        super().__init__(', '.join(truth.text for truth in self._truths if truth.text))

    def problems(self) -> list[str]:
        """See `Truth`."""
        return [text for truth in self._truths for text in truth.problems()]
