"""What rosbag2 is asked to play, found in a bag's metadata; rosbag2 itself is not needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from eevit_ros.launching import rosbag2_cli as rosbag2
from eevit_ros.replay.errors import ReplayError
from harness.bags import images, write_split

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
FRONT, REAR = '/front/image_raw/compressed', '/rear/image_raw'


def bag(folder: Path, silent: str = '', **topics: str) -> Path:
    """Write the metadata of a bag with three messages on each topic but `silent`."""
    entries = [
        {
            'topic_metadata': {'name': name, 'type': kind},
            'message_count': 0 if name == silent else 3,
        }
        for name, kind in {'/tf': 'tf2_msgs/msg/TFMessage', **topics}.items()
    ]
    content = {'rosbag2_bagfile_information': {'topics_with_message_count': entries}}
    (folder / 'metadata.yaml').write_text(yaml.safe_dump(content))
    return folder


def test_finds_the_only_images_and_how_they_were_recorded(tmp_path):
    assert rosbag2.recorded_images(bag(tmp_path, **{FRONT: COMPRESSED}), '') == (
        FRONT,
        'compressed',
        3,
    )
    assert rosbag2.recorded_images(bag(tmp_path, **{REAR: RAW}), '') == (REAR, 'raw', 3)


def test_topics_on_which_nothing_was_recorded_do_not_count(tmp_path):
    """Recorded with -a, a bag also has the transports that nobody published."""
    both = bag(tmp_path, **{FRONT: COMPRESSED, REAR: RAW}, silent=REAR)

    assert rosbag2.recorded_images(both, '') == (FRONT, 'compressed', 3)


def test_what_a_classifier_drew_is_no_camera(tmp_path):
    both = bag(tmp_path, **{REAR: RAW, '/classifier/annotated/compressed': COMPRESSED})

    assert rosbag2.recorded_images(both, '') == (REAR, 'raw', 3)


def test_takes_the_topic_that_is_named(tmp_path):
    both = bag(tmp_path, **{FRONT: COMPRESSED, REAR: RAW})

    assert rosbag2.recorded_images(both, REAR) == (REAR, 'raw', 3)


@pytest.mark.parametrize('topic', ['/front/image_raw', 'front/image_raw', FRONT.strip('/')])
def test_a_base_name_or_one_without_a_slash_will_do(tmp_path, topic):
    silent = '/front/image_raw/compressedDepth'
    folder = bag(tmp_path, **{FRONT: COMPRESSED, silent: COMPRESSED}, silent=silent)

    assert rosbag2.recorded_images(folder, topic) == (FRONT, 'compressed', 3)


@pytest.mark.parametrize(
    ('topics', 'topic', 'named'),
    [
        ({FRONT: COMPRESSED, REAR: RAW}, '', f'{FRONT}, {REAR}'),
        ({FRONT: COMPRESSED}, '/tf', FRONT),
        ({}, '', 'none'),
    ],
)
def test_names_the_topics_that_there_are(tmp_path, topics, topic, named):
    with pytest.raises(ReplayError, match=f': {named}$'):
        rosbag2.recorded_images(bag(tmp_path, **topics), topic)


def test_plays_the_boxes_that_are_named_and_names_those_that_there_are(tmp_path):
    boxes = 'vision_msgs/msg/Detection2DArray'
    folder = bag(tmp_path, **{REAR: RAW, '/front/boxes': boxes})
    assert rosbag2.recorded_detections(folder, 'front/boxes') == '/front/boxes'
    with pytest.raises(ReplayError, match=': /front/boxes$'):
        rosbag2.recorded_detections(folder, REAR)


def test_records_these_topics_and_no_other(tmp_path):
    *_, option, pattern = rosbag2.record_command(tmp_path, ['/a/frame', '/speed_limit'])
    assert option == '--regex'
    names = ['/a/frame', '/speed_limit', '/b/a/frame', '/a/frame/echo', '/speed_limit2']
    assert [name for name in names if re.search(pattern, name)] == names[:2]


@pytest.mark.parametrize(
    'content',
    [
        b'rosbag2_bagfile_information: 3',
        b'rosbag2_bagfile_information: !!bool x',
        b'rosbag2_bagfile_information: 2020-13-45',
        b'[' * 3000,
        b'\xff\xfe\x00\x81',
    ],
)
def test_names_metadata_that_cannot_be_read(tmp_path, content):
    (tmp_path / 'metadata.yaml').write_bytes(content)

    with pytest.raises(ReplayError, match='metadata.yaml cannot be read'):
        rosbag2.recorded_images(tmp_path, '')


def test_rosbag2_is_not_given_a_bag_whose_list_is_out_of_date(tmp_path: Path) -> None:
    folder = write_split(tmp_path / 'run', [images(1), images(1, start=1)])
    assert rosbag2.is_bag(folder)
    (folder / 'run_1.mcap').rename(folder / 'other.mcap')
    assert not rosbag2.is_bag(folder)
    assert not rosbag2.is_bag(folder / 'metadata.yaml')


@pytest.mark.parametrize('left', [0, -8])
def test_rosbag2_is_not_given_an_mcap_file_without_its_end(tmp_path: Path, left: int) -> None:
    folder = write_split(tmp_path / 'run', [images(1), images(1, start=1)])
    file = folder / 'run_1.mcap'
    file.write_bytes(file.read_bytes()[:left])
    assert not rosbag2.is_bag(folder)
