"""Labels of the frames of a recording, whatever they come from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.folder import FolderSource
from eevit_ros.recordings.source import Source, SourceFrame
from eevit_ros.recordings.stamps import stamp_text
from eevit_ros.recordings.truth_csv import Label, read_labels


class Truth:
    """Labels that the source itself has: the name of a picture's folder, or none.

    Attributes:
        text: Source of the labels, in words; '' where there are none.
    """

    def __init__(self, text: str) -> None:
        """Use the labels of the frames."""
        self.text = text

    def label(self, frame: SourceFrame) -> str:
        """Return the label of a frame; '' where there is none."""
        return frame.truth

    def place(self, frame: SourceFrame) -> str:
        """Return the name of the place where a frame was taken; '' where that is not known."""
        return ''

    def problems(self) -> list[str]:
        """Return what did not match, after the labels of all frames were asked for."""
        return []


class ListedTruth(Truth):
    """Labels by stamp or by index, each for one frame or for an interval."""

    def __init__(self, text: str, by: str, labels: Iterable[Label]) -> None:
        """Sort the labels.

        Args:
            text: Source of the labels, in words.
            by: 'stamp' (header stamps, nanoseconds) or 'frame' (indices).
            labels: Labels in any order.

        Raises:
            RecordingError: Two of them contradict each other.
        """
        super().__init__(text)
        self._by = by
        self._key: Callable[[SourceFrame], int] = (
            (lambda frame: frame.stamp_ns) if by == 'stamp' else (lambda frame: frame.index)
        )
        self._spans: list[_Span] = []
        for label in sorted(labels, key=lambda label: label.first):
            last = self._spans[-1] if self._spans else None
            if last is None or label.first > last.last:
                self._spans.append(_Span(label, label.last))
            elif (label.name, label.place) == (last.label.name, last.label.place):
                last.last = max(last.last, label.last)
                last.labels += 1
            else:
                raise RecordingError(
                    f'{text}{label.line}: {label.name!r} for {self._shown(label)} contradicts '
                    f'{last.label.name!r} for {self._shown(last.label)}{last.label.line}: '
                    f'correct one of them'
                )
        self._firsts = [span.label.first for span in self._spans]
        self._seen: tuple[int, int] | None = None

    def label(self, frame: SourceFrame) -> str:
        """Return the label of a frame; '' where there is none."""
        key = self._key(frame)
        low, high = self._seen or (key, key)
        self._seen = min(low, key), max(high, key)
        span = self._span(key)
        if span is None:
            return ''
        span.used = True
        return span.label.name

    def place(self, frame: SourceFrame) -> str:
        """Return the name of the place where a frame was taken; '' where that is not known."""
        span = self._span(self._key(frame))
        return '' if span is None else span.label.place

    def problems(self) -> list[str]:
        """Return what did not match, after the labels of all frames were asked for."""
        unused = [span for span in self._spans if not span.used]
        if not unused:
            return []
        count = sum(span.labels for span in unused)
        total = sum(span.labels for span in self._spans)
        first = unused[0].label
        text = (
            f'{count} of {total} labels of {self.text} match no frame, the first'
            f'{first.line}: {first.name!r} for {self._shown(first)}'
        )
        if self._seen:
            low, high = (self._value(key) for key in self._seen)
            text += f'; the frames run from {self._by} {low} to {high}'
        return [text]

    def _span(self, key: int) -> _Span | None:
        number = bisect_right(self._firsts, key) - 1
        return None if number < 0 or key > self._spans[number].last else self._spans[number]

    def _shown(self, label: Label) -> str:
        first, last = self._value(label.first), self._value(label.last)
        return f'{self._by} {first}' if first == last else f'{self._by} {first} to {last}'

    def _value(self, key: int) -> str:
        return stamp_text(key) if self._by == 'stamp' else str(key)


@dataclass
class _Span:
    """Neighbouring labels of the same class; `label` is the first of them."""

    label: Label
    last: int
    labels: int = 1
    used: bool = False


def unknown_classes(labels: Iterable[str], class_names: Sequence[str]) -> list[str]:
    """Return a sentence on labels that are not classes of the model, if there are any."""
    unknown = sorted(set(labels) - {'', *class_names})
    if not unknown:
        return []
    some = ', '.join(map(repr, unknown[:5]))
    return [
        f'the truth has {len(unknown)} class(es) that the model does not know: {some}'
        f'{", ..." if len(unknown) > 5 else ""}'
    ]


def open_truth(spec: str | None, source: Source) -> Truth:
    """Return the labels of a recording.

    Args:
        spec: A CSV file (see `truth_csv`), or a topic of vision_msgs/Classification in the bag,
            matched by header stamp. None: the folders' names of a folder source, else nothing.
        source: The recording.

    Raises:
        RecordingError: It is missing, malformed or contradicts itself.
    """
    if spec is None:
        named = isinstance(source, FolderSource) and source.classes
        return Truth('names of the folders' if named else '')
    path = Path(spec)
    # A topic has slashes, so has many a file, and a missing file is no topic.
    may_be_topic = spec.startswith('/') or ('/' in spec and not path.suffix)
    if may_be_topic and path.suffix.lower() != '.csv' and not path.is_file():
        stamped = source.stamped_labels(spec)
        labels = [Label(stamp, stamp, name, '') for stamp, name in stamped.items() if name]
        if not labels:
            raise RecordingError(f'topic {spec} of {source.name} holds no label')
        return ListedTruth(f'topic {spec} of {source.name}', 'stamp', labels)
    return ListedTruth(str(path), *read_labels(path))
