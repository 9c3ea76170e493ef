from __future__ import annotations

import cv2
import numpy as np
import pytest

from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.open import open_source

COUNT = 20


def write_video(path, fps: float = 25.0, codec: str = 'MJPG'):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (32, 24))
    if not writer.isOpened():
        pytest.skip(f'this OpenCV writes no {codec} in {path.suffix}')
    for i in range(COUNT):
        picture = np.zeros((24, 32, 3), np.uint8)
        picture[:] = (10 * i, 0, 200)  # BGR
        writer.write(picture)
    writer.release()
    return path


@pytest.mark.parametrize(
    ('name', 'codec'), [('x.avi', 'MJPG'), ('x.MP4', 'mp4v'), ('x.mkv', 'MJPG')]
)
def test_frames_are_stamped_by_the_frame_rate(tmp_path, name, codec):
    source = open_source(write_video(tmp_path / name, 25.0, codec), None)
    assert (source.name, source.topic, source.frames) == (name, '', COUNT)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert [frame.stamp_ns for frame in frames] == [10**9 + i * 40_000_000 for i in range(COUNT)]
    assert all(frame.received_ns == frame.stamp_ns for frame in frames)
    assert source.problems == []


def test_frames_become_rgb(tmp_path):
    frames = list(open_source(write_video(tmp_path / 'x.avi'), None))
    for i, frame in enumerate(frames):
        image = frame.decode()
        assert image.shape == (24, 32, 3)
        assert image.dtype == np.uint8
        assert abs(image.reshape(-1, 3).mean(axis=0) - (200, 0, 10 * i)).max() < 8
        assert frame.format == ''
    assert frames[3].data != frames[4].data
    assert len(frames[3].data) == 24 * 32 * 3


def test_a_second_pass_reads_the_same(tmp_path):
    source = open_source(write_video(tmp_path / 'x.avi'), None)
    next(iter(source))  # given up at once
    assert [frame.data for frame in source] == [frame.data for frame in source]


def test_a_rate_that_is_no_whole_number_does_not_drift(tmp_path):
    *_, last = open_source(write_video(tmp_path / 'x.avi', fps=29.97), None)
    assert last.stamp_ns == 10**9 + round((COUNT - 1) / 29.97 * 1e9)


def test_a_video_that_ends_early_is_a_problem(tmp_path):
    path = write_video(tmp_path / 'x.mkv')
    data = path.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])
    source = open_source(path, None)
    for _ in range(2):
        count = len(list(source))
        assert 0 < count < COUNT
        assert source.problems == [
            f'{path}: ends after {count} frames, though {COUNT} are announced: it is damaged, the '
            f'rest is lost'
        ]


@pytest.mark.parametrize('content', [b'', b'hello', bytes(10_000)])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / 'x.mp4'
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=rf'{path} cannot be opened as a video by OpenCV'):
        open_source(path, None)


def test_a_video_without_a_readable_frame_is_refused(tmp_path):
    path = write_video(tmp_path / 'x.avi')
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b'movi') + 4])
    with pytest.raises(RecordingError, match=r'x\.avi (has no frame that OpenCV|cannot be opened)'):
        open_source(path, None)


@pytest.mark.parametrize('fps', [0.0, float('nan'), float('inf'), -1.0, 90_000.0])
def test_a_video_without_a_frame_rate_is_refused(tmp_path, monkeypatch, fps):
    path = write_video(tmp_path / 'x.avi')

    real = cv2.VideoCapture

    class Timeless:
        def __init__(self, name: str) -> None:
            self._video = real(name)

        def __getattr__(self, name: str) -> object:
            return getattr(self._video, name)

        def get(self, prop: int) -> float:
            return fps if prop == cv2.CAP_PROP_FPS else self._video.get(prop)

    monkeypatch.setattr(cv2, 'VideoCapture', Timeless)
    with pytest.raises(
        RecordingError, match=rf'no frame rate to take times from: it says {fps:g} fra'
    ):
        open_source(path, None)


def test_a_video_has_no_topics(tmp_path):
    source = open_source(write_video(tmp_path / 'x.avi'), None)
    with pytest.raises(RecordingError, match=r'x\.avi is a video, which has no topic /truth'):
        source.stamped_labels('/truth')
