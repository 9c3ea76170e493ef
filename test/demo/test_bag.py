from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.bag import SHIPPED_BAG, read_bag, write_bag
from demo.errors import DemoError
from test.demo.records_for_tests import grey_frame


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    path = tmp_path / 'bag'
    write_bag(path, [grey_frame(i, truth=f'thing {i // 3}') for i in range(9)])
    return path


def test_the_shipped_recording_is_what_the_readme_says() -> None:
    frames = read_bag(SHIPPED_BAG)
    assert len(frames) >= 300
    assert sum(file.stat().st_size for file in SHIPPED_BAG.iterdir()) < 5_000_000
    gaps = np.diff([frame.stamp_ns for frame in frames]) * 1e-9
    assert np.allclose(gaps, 1 / 15, atol=1e-6)
    for frame in frames[:: len(frames) // 10]:
        image = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (480, 640, 3)


def test_the_light_of_the_shipped_recording_fades_in_the_middle_third_and_comes_back() -> None:
    frames = read_bag(SHIPPED_BAG)
    brightness = np.array(
        [cv2.imdecode(np.frombuffer(f.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE).mean() for f in frames]
    )
    sixth = len(frames) // 6
    middle = brightness[2 * sixth + sixth // 2 : 4 * sixth - sixth // 2].mean()
    assert middle < 0.5 * brightness[: 2 * sixth].mean()
    assert middle < 0.5 * brightness[4 * sixth :].mean()


def test_each_picture_of_the_shipped_recording_stays_for_about_seven_tenths_of_a_second() -> None:
    frames = read_bag(SHIPPED_BAG)
    changes = [i for i in range(1, len(frames)) if frames[i].truth != frames[i - 1].truth]
    lengths = np.diff([0, *changes, len(frames)]) / 15
    # two neighbours may show the same class
    assert all(min(abs(length - 0.7), abs(length - 1.4)) < 0.07 for length in lengths)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    frames = [grey_frame(i, truth=f'thing {i}', level=20 * i) for i in range(5)]
    write_bag(tmp_path / 'bag', frames)
    assert read_bag(tmp_path / 'bag') == frames


def test_writing_replaces_what_was_there(bag: Path) -> None:
    write_bag(bag, [grey_frame(0)])
    assert len(read_bag(bag)) == 1


def test_a_missing_bag_is_named(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r'no bag at .*nowhere'):
        read_bag(tmp_path / 'nowhere')


def test_a_folder_that_is_no_bag_is_named(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=str(tmp_path)):
        read_bag(tmp_path)


def test_a_bag_without_frames_says_which_topic_it_lacks(tmp_path: Path) -> None:
    write_bag(tmp_path / 'bag', [])
    with pytest.raises(DemoError, match='holds no frame on /camera/image_raw/compressed'):
        read_bag(tmp_path / 'bag')


@pytest.mark.parametrize('kept', [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_bag_is_named(bag: Path, kept: float) -> None:
    (file,) = bag.glob('*.mcap')
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(DemoError, match=str(bag)):
        read_bag(bag)


def test_a_bag_whose_file_is_gone_is_named(bag: Path) -> None:
    (file,) = bag.glob('*.mcap')
    file.unlink()
    with pytest.raises(DemoError, match=str(bag)):
        read_bag(bag)


def test_overwritten_bytes_are_no_silent_success(bag: Path) -> None:
    (file,) = bag.glob('*.mcap')
    data = file.read_bytes()
    file.write_bytes(b'\x00' * len(data))
    with pytest.raises(DemoError, match=str(bag)):
        read_bag(bag)
