from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.replay.report.pictures import (
    DEEPEST,
    DIFFERENT,
    SLOWEST,
    UNSURE,
    WRONG,
    pick,
    thumbnails,
    wanted,
)
from eevit_ros.replay.results.frame_table import DROPPED, FrameRow
from test.eevit_ros.replay.made_frames import START_NS, drive, frame_row, table, unanswered

FPS = 15


class MadeSource:
    """Grey frames, as bright as their index says, of which it counts what is decoded."""

    def __init__(self, name: str, frames: int, height: int = 300, width: int = 400) -> None:
        self.name, self.topic, self.frames = name, '', frames
        self.problems: list[str] = []
        self.size = (height, width, 3)
        self.read: list[int] = []
        self.decoded: list[int] = []

    def __iter__(self) -> Iterator[SourceFrame]:
        for index in range(self.frames or 0):
            self.read.append(index)

            def decode(index: int = index) -> Image:
                self.decoded.append(index)
                return np.full(self.size, index, np.uint8)

            yield SourceFrame(index, START_NS + index, START_NS + index, b'', '', decode)

    def stamped_labels(self, topic: str) -> dict[int, str]:
        raise NotImplementedError


def row(index: int, **cells: object) -> FrameRow:
    """A frame two seconds after the one before."""
    return replace(frame_row(index * 2 * FPS, **cells), index=index)


def test_each_kind_shows_its_extremes_first(tmp_path: Path) -> None:
    frames = table(
        tmp_path,
        [
            row(0, latency_ms=10.0, exit_layer=4, confidence=0.9, truth='cat'),
            row(1, latency_ms=50.0, exit_layer=12, confidence=0.8, truth='dog'),
            row(2, latency_ms=40.0, exit_layer=12, confidence=0.3, truth='dog'),
            row(3, latency_ms=30.0, exit_layer=6, confidence=0.2, truth='cat'),
        ],
    )
    assert pick(frames) == {
        SLOWEST: [1, 2, 3, 0],
        DEEPEST: [2, 1, 3, 0],
        UNSURE: [3, 2, 1, 0],
        WRONG: [1, 2],
    }


def test_at_most_eight_of_a_kind_and_a_second_apart(tmp_path: Path) -> None:
    rows = drive(600) + drive(600, bag='run_2', seed=1)
    frames = table(tmp_path, rows)
    picked = pick(frames)
    assert picked.keys() == {SLOWEST, DEEPEST, UNSURE, WRONG}
    for chosen in picked.values():
        assert len(chosen) == 8
        for i, one in enumerate(chosen):
            for other in chosen[i + 1 :]:
                apart = abs(rows[one].received_ns - rows[other].received_ns)
                assert rows[one].bag != rows[other].bag or apart >= 1_000_000_000


def test_a_kind_that_all_share_is_left_out(tmp_path: Path) -> None:
    frames = table(tmp_path, [row(0, confidence=0.7), row(1, confidence=0.6)])
    assert pick(frames) == {UNSURE: [1, 0]}


def test_without_truth_the_full_depth_answer_judges(tmp_path: Path) -> None:
    frames = table(tmp_path, [row(0, reference='cat'), row(1, reference='dog')])
    assert pick(frames)[DIFFERENT] == [1]


def test_frames_without_an_answer_are_not_shown(tmp_path: Path) -> None:
    rows = [unanswered(row(n), DROPPED) for n in range(5)]
    assert pick(table(tmp_path, rows)) == {}
    assert wanted(table(tmp_path, rows)) == set()
    assert pick(table(tmp_path, [])) == {}


def test_only_what_is_wanted_is_decoded(tmp_path: Path) -> None:
    first, second, third = MadeSource('a', 50), MadeSource('b', 50), MadeSource('c', 50)
    found = thumbnails([first, second, third], {('a', 3), ('a', 20), ('c', 0)})
    assert found.keys() == {('a', 3), ('a', 20), ('c', 0)}
    assert (first.decoded, second.decoded, third.decoded) == ([3, 20], [], [0])
    assert first.read == list(range(21))  # and not to the end
    assert second.read == []


@pytest.mark.parametrize(
    ('size', 'shown'), [((300, 400), (150, 200)), ((400, 300), (200, 150)), ((32, 48), (32, 48))]
)
def test_a_thumbnail_is_the_whole_frame(size: tuple[int, int], shown: tuple[int, int]) -> None:
    source = MadeSource('a', 101, *size)
    jpeg = thumbnails([source], [('a', 100)])['a', 100]
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == shown
    assert np.abs(image.astype(int) - 100).max() <= 2


def test_colours_survive(tmp_path: Path) -> None:
    def red() -> Image:
        image = np.zeros((20, 20, 3), np.uint8)
        image[:, :, 0] = 255
        return image

    class Red(MadeSource):
        def __iter__(self) -> Iterator[SourceFrame]:
            yield SourceFrame(0, 0, 0, b'', '', red)

    jpeg = thumbnails([Red('a', 1)], [('a', 0)])['a', 0]
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image[10, 10, 2] > 240  # OpenCV's order is BGR


def test_a_picture_that_is_gone_is_an_error() -> None:
    def gone() -> Image:
        raise EevitError('gone')

    class Gone(MadeSource):
        def __iter__(self) -> Iterator[SourceFrame]:
            yield SourceFrame(0, 0, 0, b'', '', gone)

    with pytest.raises(EevitError, match='gone'):
        thumbnails([Gone('a', 1)], [('a', 0)])
