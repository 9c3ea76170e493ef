"""Bad frames and bad cameras are named, put the rate to the floor, and pass with the next frame."""

from __future__ import annotations

import itertools
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import CompressedImage

from harness.classifier_peer import (
    ERROR,
    PATIENT,
    WHITE,
    ClassifierPeer,
    compressed_bytes,
    compressed_image,
    key_values,
    raw_image,
    stamp_now,
)
from harness.ros_process import NodeProcess, RosPeer
from harness.tiny_model import write_tiny_model

FLOOR = pytest.approx(0.2)


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx', nan_when_black=True)


@pytest.fixture(scope='module')
def raw(model: Path) -> Iterator[ClassifierPeer]:
    arguments = ['-r', 'image:=/camera/image_raw', '-p', f'model:={model}', *PATIENT]
    log = model.parent / 'raw.log'
    with RosPeer() as peer, NodeProcess(peer.domain_id, arguments, log) as process:
        yield ClassifierPeer(peer, process)
        assert 'Traceback' not in process.output()


@pytest.fixture(scope='module')
def compressed(model: Path) -> Iterator[ClassifierPeer]:
    arguments = ['-p', f'model:={model}', '-p', 'image_transport:=compressed', *PATIENT]
    log = model.parent / 'compressed.log'
    with RosPeer() as peer, NodeProcess(peer.domain_id, arguments, log) as process:
        yield ClassifierPeer(
            peer, process, camera_topic='/image/compressed', camera_type=CompressedImage
        )
        assert 'Traceback' not in process.output()


def assert_survives(
    node: ClassifierPeer, good: Callable[[], Any], bad: Callable[[], Any], message: str
) -> None:
    """A bad frame comes: floor and a report; then good frames: the rate rises again."""
    node.until_rate(lambda rate: rate > 0.4, good)
    # One frame may get lost on the way (best effort), so it is sent until the report comes. Before
    # it may come a warning: of bad frames of an earlier test, which good ones followed.
    report = node.until_report(message, lambda: node.camera.publish(bad()), ERROR)
    values = key_values(report)
    assert message in values['last_error']
    assert int(values['bad']) > 0
    # With good frames between them neither staleness nor depth brings the rate down.
    node.until_rate(lambda rate: rate > 0.4, good)
    turns = itertools.cycle([bad, good])
    node.until_rate(lambda rate: rate == FLOOR, lambda: next(turns)())
    assert node.until_answer(good)['exit_layer'] == '1'
    node.until_rate(lambda rate: rate > 0.4, good)


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'encoding': 'rgb565'}, "'rgb565'"),
        ({'step': 95, 'data': bytes(24 * 95)}, 'step is 95'),
        ({'height': 25}, 'truncated'),
        ({'data': b''}, 'truncated'),
        ({'height': 0, 'width': 0}, '0x0'),
        ({'height': 2**31, 'width': 2**31, 'step': 2**32 - 1}, '2147483648'),
    ],
    ids=['encoding', 'step', 'truncated', 'no data', 'empty', 'enormous'],
)
def test_a_bad_image(raw: ClassifierPeer, fields: dict[str, Any], message: str) -> None:
    assert_survives(raw, lambda: raw_image(WHITE), lambda: raw_image(WHITE, **fields), message)


def test_an_image_for_which_the_model_answers_nan(raw: ClassifierPeer) -> None:
    def black() -> Any:
        return raw_image(0, data=bytes(24 * 32 * 3))

    assert_survives(raw, lambda: raw_image(WHITE), black, 'nan')


def png_bomb() -> bytes:
    """Return a PNG whose header promises 60000 x 60000 pixels."""
    header = struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b'IHDR' + header
    crc = struct.pack('>I', zlib.crc32(chunk))
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I', len(header)) + chunk + crc + bytes(64)


def jpeg_bomb() -> bytes:
    """Return a good JPEG whose frame header promises 65000 x 65000 pixels."""
    data = bytearray(compressed_image(WHITE).data)
    at = data.index(b'\xff\xc0') + 5
    data[at : at + 4] = struct.pack('>HH', 65_000, 65_000)
    return bytes(data)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: b'', '0 bytes'),
        (lambda: b'GIF89a not for us', 'neither JPEG nor PNG'),
        (lambda: bytes(compressed_image(WHITE).data)[:-20], 'truncated'),
        (png_bomb, '60000'),
        (jpeg_bomb, '65000'),
    ],
    ids=['empty', 'foreign', 'truncated', 'png bomb', 'jpeg bomb'],
)
def test_a_bad_compressed_image(
    compressed: ClassifierPeer, make: Callable[[], bytes], message: str
) -> None:
    assert_survives(
        compressed,
        lambda: compressed_image(WHITE),
        lambda: compressed_bytes(make(), 'jpeg'),
        message,
    )


@pytest.mark.parametrize('what', ['stamp and bytes', 'bytes'])
def test_a_camera_that_repeats_a_frame(raw: ClassifierPeer, what: str) -> None:
    raw.until_rate(lambda rate: rate > 0.4, lambda: raw_image(WHITE))
    first = raw_image(WHITE)

    def repeat() -> Any:
        return stamp_now(first) if what == 'bytes' else first

    raw.until_report('camera frozen', lambda: raw.camera.publish(repeat()), ERROR)
    # The report may overtake the answers to the frames before.
    raw.until_rate(lambda rate: rate == FLOOR, repeat)
    # Frames are still answered, so nothing but the repetition holds the rate down.
    raw.forget()
    raw.until(lambda: len(raw.frames) >= 3, 'answers', lambda: raw.camera.publish(repeat()))
    assert all(rate.data == FLOOR for rate in raw.rates)
    raw.until_rate(lambda rate: rate > 0.4, lambda: raw_image(WHITE))


@pytest.mark.parametrize('seconds', [-3600, 3600])
def test_a_stamp_of_another_clock_is_no_age(raw: ClassifierPeer, seconds: int) -> None:
    def shifted() -> Any:
        message = raw_image(WHITE)
        message.header.stamp.sec += seconds
        return message

    assert raw.until_answer(shifted)['age_ms'] == 'clock mismatch'
    raw.until_report('clock mismatch', lambda: raw.camera.publish(shifted()))


def test_a_stamp_a_little_ahead_is_an_age(raw: ClassifierPeer) -> None:
    def ahead() -> Any:
        message = raw_image(WHITE)
        time_ns = time.time_ns() + 45_000_000
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, 10**9)
        return message

    assert float(raw.until_answer(ahead)['age_ms']) >= 0.0


@pytest.mark.parametrize('sec', [0, 1_700_000_000])
def test_stamps_that_tell_nothing_are_told_and_cost_no_answer(
    raw: ClassifierPeer, sec: int
) -> None:
    def constant() -> Any:
        message = raw_image(WHITE)
        message.header.stamp.sec, message.header.stamp.nanosec = sec, 0
        return message

    raw.until_report('useless stamps', lambda: raw.camera.publish(constant()))
    raw.forget()
    raw.until(
        lambda: any(key_values(frame)['age_ms'] == 'useless stamps' for frame in raw.frames),
        'an answer to a useless stamp',
        lambda: raw.camera.publish(constant()),
    )
    raw.until_rate(lambda rate: rate > 0.9, constant)
