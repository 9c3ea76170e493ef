from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.replay.running.output_bag import picture_topic
from eevit_ros.settings import from_values
from test.eevit_ros.replay.written_bags import (
    NAMES,
    RECORD,
    RESULT,
    START_NS,
    frame,
    open_bag,
    read,
    refuse,
    write_two_frames,
)


def half_red() -> Image:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:, 0] = 255
    return image


def half_red_file(suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, half_red()[..., ::-1])
    assert done
    return data.tobytes()


def ros_type(name: str) -> Any:
    package, _, kind = name.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), kind)


@pytest.mark.parametrize(
    ('topic', 'out'),
    [
        ('/front/image_raw', '/front/image_raw/compressed'),
        ('/front/image_raw/compressed', '/front/image_raw/compressed'),
        ('', '/camera/image_raw/compressed'),
    ],
)
def test_pictures_go_out_compressed(topic: str, out: str, tmp_path: Path) -> None:
    assert picture_topic(topic) == out
    with open_bag(tmp_path / 'bag', topic) as bag:
        bag.picture(frame(0, b'png bytes', 'png'))
    ((time_ns, message),) = read(tmp_path / 'bag')[out]
    assert time_ns == START_NS
    assert (message.format, message.data.tobytes()) == ('png', b'png bytes')
    assert message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec == (
        START_NS - 5_000_000
    )


@pytest.mark.parametrize('given', [True, False])
def test_raw_frames_are_encoded(given: bool, tmp_path: Path) -> None:
    one = frame(0, b'raw bytes', '', refuse if given else half_red)
    with open_bag(tmp_path / 'bag') as bag:
        bag.picture(one, half_red() if given else None)
    ((_, message),) = read(tmp_path / 'bag')['/front/image_raw/compressed']
    assert message.format == 'jpeg'
    image = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    assert image is not None
    assert np.abs(image[:, ::-1, ::-1].astype(int) - half_red()[:, ::-1]).mean() < 6


def test_files_that_viewers_do_not_show_are_encoded(tmp_path: Path) -> None:
    with open_bag(tmp_path / 'bag') as bag:
        bag.picture(frame(0, half_red_file('.tiff'), 'tiff'), half_red()[::8, ::8])
    ((_, message),) = read(tmp_path / 'bag')['/front/image_raw/compressed']
    assert message.format == 'jpeg'
    image = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    assert image is not None and image.shape == half_red().shape


def test_files_are_written_as_the_model_saw_them_where_images_are_mounted(tmp_path: Path) -> None:
    reduced = half_red()[::8, ::8]
    images = from_values(ImageSettings, {'image_rotation': 180})
    with open_bag(tmp_path / 'bag', images=images) as bag:
        bag.picture(frame(0, half_red_file('.png'), 'png'), reduced)
    ((_, message),) = read(tmp_path / 'bag')['/front/image_raw/compressed']
    image = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    assert image is not None and image.shape == half_red().shape


def test_pictures_that_are_written_move_no_range(tmp_path: Path) -> None:
    deep = np.linspace(0, 4095, 48 * 64).reshape(48, 64).astype('<u2')
    message = SimpleNamespace(
        height=48, width=64, encoding='mono16', step=128, is_bigendian=0,
        data=np.frombuffer(deep.tobytes(), np.uint8),
    )  # fmt: skip
    images = from_values(ImageSettings, {'image_range': 'auto'})
    with open_bag(tmp_path / 'bag', images=images) as bag:
        bag.picture(replace(frame(0), message=message))  # its own `decode` refuses
    ((_, written),) = read(tmp_path / 'bag')['/front/image_raw/compressed']
    image = cv2.imdecode(written.data, cv2.IMREAD_GRAYSCALE)
    assert image is not None and image.min() < 10 and image.max() > 245


def test_a_raw_frame_that_cannot_be_read_is_an_error_and_no_message(tmp_path: Path) -> None:
    with open_bag(tmp_path / 'bag') as bag:
        with pytest.raises(EevitError, match='cannot be read'):
            bag.picture(frame(0))
        bag.limit(START_NS, 0.2, 20.0)
    assert '/front/image_raw/compressed' not in read(tmp_path / 'bag')


def test_what_the_node_says_stands_beside_the_pictures(tmp_path: Path) -> None:
    write_two_frames(tmp_path / 'bag')
    found = read(tmp_path / 'bag')
    assert {topic: len(messages) for topic, messages in found.items()} == {
        '/front/image_raw/compressed': 2,
        '/classifier/classification': 2,
        '/classifier/exit_layer': 2,
        '/classifier/adaptive_rate': 2,
        '/classifier/frame': 2,
        '/classifier/label_info': 1,
        '/speed_limit': 2,
    }
    answered_ns = START_NS + 20_000_000
    for topic in ('classification', 'exit_layer', 'adaptive_rate', 'frame'):
        assert found[f'/classifier/{topic}'][0][0] == answered_ns
    (_, classification), _ = found['/classifier/classification']
    assert [(r.class_id, r.score) for r in classification.results] == [
        ('cat', pytest.approx(0.7)),
        ('dog', pytest.approx(0.2)),
    ]
    assert found['/classifier/exit_layer'][0][1].data == 6
    assert found['/classifier/adaptive_rate'][0][1].data == 0.25
    (time_ns, info) = found['/classifier/label_info'][0]
    assert time_ns == START_NS
    assert [(c.class_id, c.class_name) for c in info.class_map] == list(enumerate(NAMES))
    (time_ns, limit) = found['/speed_limit'][0]
    assert (time_ns, limit.percentage, limit.speed_limit) == (answered_ns, True, 25.0)


def test_class_ids_may_be_others_than_the_names(tmp_path: Path) -> None:
    write_two_frames(tmp_path / 'bag', class_ids=('0', '1', '2'))
    ((_, message), _) = read(tmp_path / 'bag')['/classifier/classification']
    assert [result.class_id for result in message.results] == ['1', '0']


def test_ros_reads_what_the_node_itself_would_have_sent(tmp_path: Path) -> None:
    serialization = pytest.importorskip('rclpy.serialization')
    pytest.importorskip('vision_msgs.msg')
    from std_msgs.msg import Float32, Header, UInt8

    from eevit_ros.nodes.classifier import publishers

    write_two_frames(tmp_path / 'bag')
    sent: dict[str, Any] = {}
    with AnyReader([tmp_path / 'bag']) as reader:
        for connection, _, raw in reader.messages():
            if connection.topic != '/speed_limit':  # not every robot has Nav2
                kind = ros_type(connection.msgtype)
                sent.setdefault(connection.topic, serialization.deserialize_message(raw, kind))
    header = Header(frame_id='camera')
    header.stamp.sec, header.stamp.nanosec = divmod(START_NS - 5_000_000, 1_000_000_000)
    assert sent['/classifier/classification'] == publishers.classification(header, RESULT, NAMES, 2)
    assert sent['/classifier/frame'] == publishers.frame(header, 'classifier: frame', RECORD)
    assert sent['/classifier/exit_layer'] == UInt8(data=6)
    assert sent['/classifier/adaptive_rate'] == Float32(data=0.25)
    info = sent['/classifier/label_info']
    assert info == publishers.label_info(info.header, NAMES)
    assert bytes(sent['/front/image_raw/compressed'].data) == b'\xff\xd8 a jpeg'
    assert sent['/front/image_raw/compressed'].header == header


def test_ros_reads_the_speed_limit(tmp_path: Path) -> None:
    serialization = pytest.importorskip('rclpy.serialization')
    nav2 = pytest.importorskip('nav2_msgs.msg')
    with open_bag(tmp_path / 'bag') as bag:
        bag.limit(START_NS, 0.25, 25.0)
    with AnyReader([tmp_path / 'bag']) as reader:
        (raw,) = (raw for c, _, raw in reader.messages() if c.topic == '/speed_limit')
    limit = serialization.deserialize_message(raw, nav2.SpeedLimit)
    assert (limit.percentage, limit.speed_limit) == (True, 25.0)
    assert (limit.header.stamp.sec, limit.header.stamp.nanosec) == (1_700_000_000, 123_456_789)


def test_the_class_names_are_latched(tmp_path: Path) -> None:
    write_two_frames(tmp_path / 'bag')
    with AnyReader([tmp_path / 'bag']) as reader:
        offered = {c.topic: c.ext.offered_qos_profiles for c in reader.connections}  # type: ignore[union-attr]
    (qos,) = offered['/classifier/label_info']
    assert qos.durability.name == 'TRANSIENT_LOCAL'


def test_an_older_answer_may_follow_a_newer_picture(tmp_path: Path) -> None:
    with open_bag(tmp_path / 'bag') as bag:
        first, second = frame(0, b'one', 'jpeg'), frame(1, b'two', 'jpeg')
        bag.picture(first)
        bag.picture(second)
        bag.answer(first, RECORD, first.received_ns + 1)
    with AnyReader([tmp_path / 'bag']) as reader:
        times = [time_ns for _, time_ns, _ in reader.messages()]
    assert times == sorted(times)


def test_a_bag_is_not_written_over_another(tmp_path: Path) -> None:
    write_two_frames(tmp_path / 'bag')
    with pytest.raises(RecordingError, match='exists already'), open_bag(tmp_path / 'bag'):
        pass
