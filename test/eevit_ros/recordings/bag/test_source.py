from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from mcap.writer import CompressionType, IndexType
from rosbags.rosbag2 import CompressionMode

from demo.bag import COMPRESSED_TOPIC, SHIPPED_BAG, read_bag
from eevit_ros.errors import EevitError
from eevit_ros.images.resize import InputSize, ResizeRule
from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.open import open_source
from harness.bags import (
    CAMERA,
    CLASSIFICATION,
    COMPRESSED,
    HEIGHT,
    IMAGE,
    ROS1,
    ROS2,
    STEP_NS,
    TRUTH,
    WIDTH,
    classification,
    compressed,
    header,
    image,
    images,
    pixels,
    stamp_of,
    storage_file,
    truths,
    without_definitions,
    write_bag,
    write_mcap,
    write_ros1,
    write_split,
)

LATE_NS = 5_000_000


def assert_holds(source, indices, first: int = 0) -> None:
    """The frames are the images of these numbers, whole and in order."""
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(len(indices)))
    assert [frame.stamp_ns for frame in frames] == [stamp_of(i) for i in indices]
    assert [frame.received_ns for frame in frames] == [stamp_of(i) + LATE_NS for i in indices]
    for frame, i in zip(frames, indices, strict=True):
        np.testing.assert_array_equal(frame.decode(), pixels(i))


def test_the_shipped_bag_is_read_as_the_demo_reads_it():
    source = open_source(SHIPPED_BAG, None)
    assert (source.name, source.topic, source.frames) == ('bag', COMPRESSED_TOPIC, 378)
    expected = read_bag(SHIPPED_BAG)
    frames = list(source)
    assert [(f.stamp_ns, f.data) for f in frames] == [(e.stamp_ns, e.jpeg) for e in expected]
    assert {frame.format for frame in frames} == {'jpeg'}
    assert frames[200].decode().shape == (480, 640, 3)
    small = InputSize(30, 30, ResizeRule())  # so much that a decoder may leave half of it away
    assert frames[200].decode(small).shape == (240, 320, 3)
    labels = source.stamped_labels('/camera/truth')
    assert labels == {e.stamp_ns: e.truth for e in expected}
    assert source.problems == []


@pytest.mark.parametrize(
    ('storage', 'compression'),
    [('mcap', compression) for compression in CompressionMode]
    + [('sqlite3', compression) for compression in list(CompressionMode)[:3]],
)
def test_any_storage_and_compression(tmp_path, storage, compression):
    bag = write_bag(tmp_path / 'run', images(7) + truths('abcdefg'), storage, compression)
    source = open_source(bag, None)
    assert (source.name, source.topic, source.frames) == ('run', CAMERA, 7)
    assert_holds(source, range(7))
    assert source.stamped_labels(TRUTH) == {stamp_of(i): 'abcdefg'[i] for i in range(7)}
    assert source.problems == []


def test_a_sqlite_bag_of_humble_has_no_definitions(tmp_path):
    bag = without_definitions(write_bag(tmp_path / 'b', images(3) + truths('abc'), 'sqlite3'))
    source = open_source(bag, None)
    assert_holds(source, range(3))
    assert list(source.stamped_labels(TRUTH).values()) == ['a', 'b', 'c']


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bare_file_needs_no_metadata(tmp_path, storage):
    file = storage_file(write_bag(tmp_path / 'b', images(3), storage))
    file = file.rename(tmp_path / f'run #1 50%{file.suffix}')
    source = open_source(file, None)
    assert (source.name, source.frames) == (file.name, 3)
    assert_holds(source, range(3))
    assert source.problems == []


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_split_bag_is_one_recording(tmp_path, storage):
    parts = [images(3), images(4, start=3), images(2, start=7)]
    source = open_source(write_split(tmp_path / 'run', parts, storage), None)
    assert source.frames == 9
    assert_holds(source, range(9))
    assert source.problems == []


def test_a_ros1_bag(tmp_path):
    entries = images(3, types=ROS1) + [
        ('/other/compressed', COMPRESSED, stamp_of(9), compressed(stamp_of(9), 9, types=ROS1))
    ]
    bag = write_ros1(tmp_path / 'old.bag', entries)
    assert_holds(open_source(bag, CAMERA), range(3))
    (frame,) = open_source(bag, '/other/compressed')
    assert (frame.stamp_ns, frame.format) == (stamp_of(9), 'png')
    np.testing.assert_array_equal(frame.decode(), pixels(9))


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'compression': CompressionType.LZ4, 'chunk_size': 700},
        {'compression': CompressionType.NONE, 'chunk_size': 700},
        {'use_chunking': False},
        {'index_types': IndexType.NONE},
        {'index_types': IndexType.CHUNK, 'chunk_size': 700},
        {'use_statistics': False, 'repeat_channels': False, 'repeat_schemas': False},
        {'profile': ''},
        {'profile': 'ros1'},
    ],
    ids=str,
)
def test_mcap_files_of_another_writer(tmp_path, options):
    types = ROS1 if options.get('profile') == 'ros1' else ROS2
    source = open_source(write_mcap(tmp_path / 'x.mcap', images(5, types=types), **options), None)
    assert (source.topic, source.frames) == (CAMERA, 5)
    assert_holds(source, range(5))
    assert source.problems == []


def test_a_second_pass_reads_the_same_and_says_the_same_once(tmp_path):
    entries = [
        (CAMERA, IMAGE, stamp_of(i), image(stamp_of(i) - (5 * STEP_NS if i == 2 else 0), i))
        for i in range(4)
    ]
    source = open_source(write_bag(tmp_path / 'b', entries), None)
    next(iter(source))  # given up at once
    first = [frame.data for frame in source]
    assert [frame.data for frame in source] == first
    assert len(source.problems) == 1


def test_nothing_is_decoded_unless_asked_for(tmp_path, monkeypatch):
    source = open_source(write_bag(tmp_path / 'b', images(4)), None)
    monkeypatch.setattr(
        'eevit_ros.images.raw.decode_image', lambda *_, **__: pytest.fail('decoded')
    )
    assert [frame.index for frame in source] == [0, 1, 2, 3]


def test_encodings_and_sizes_may_mix(tmp_path):
    kinds = [
        image(stamp_of(0), 50),
        image(stamp_of(1), 60, encoding='bgr8', height=6),
        image(stamp_of(2), 70, encoding='mono8', width=30),
    ]
    entries = [(CAMERA, IMAGE, stamp_of(i), kind) for i, kind in enumerate(kinds)]
    source = open_source(write_bag(tmp_path / 'b', entries), None)
    first, second, third = (frame.decode() for frame in source)
    np.testing.assert_array_equal(first, pixels(50))
    np.testing.assert_array_equal(second, pixels(60, 6))
    assert third.shape == (HEIGHT, 30, 3)
    assert source.problems == []


def test_what_cannot_be_decoded_says_why_and_harms_nothing_else(tmp_path):
    empty = image(stamp_of(1), height=0, width=0)
    odd = image(stamp_of(2))
    odd.encoding = 'hologram'
    broken = bytes(ROS2.serialize_cdr(image(stamp_of(3)), IMAGE))[:40]
    entries = [
        (CAMERA, IMAGE, stamp_of(i), message)
        for i, message in enumerate([image(stamp_of(0)), empty, odd, broken, image(stamp_of(4), 4)])
    ]
    source = open_source(write_bag(tmp_path / 'b', entries), None)
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    for frame, reason in zip(
        frames[1:4],
        ['0x0 pixels', "encoding 'hologram'", f'message on {CAMERA}, received at 1700000000.32'],
        strict=True,
    ):
        with pytest.raises(EevitError, match=reason):
            frame.decode()
    assert frames[3].stamp_ns == frames[3].received_ns == stamp_of(3)
    np.testing.assert_array_equal(frames[4].decode(), pixels(4))
    assert source.problems == []


def test_stamps_that_go_backwards_are_counted_and_the_first_is_named(tmp_path):
    stamps = [stamp_of(i) for i in (0, 1, 2, 1, 3, 0)]
    entries = [(CAMERA, IMAGE, stamp_of(i), image(stamp)) for i, stamp in enumerate(stamps)]
    source = open_source(write_bag(tmp_path / 'b', entries), None)
    assert [frame.stamp_ns for frame in source] == stamps
    assert source.problems == [
        f'2 header stamp(s) on {CAMERA} of {tmp_path / "b"} go backwards, the first: '
        'image 3, 1700000000.190123456 after 1700000000.256790123'
    ]


def test_log_times_that_go_backwards_stand_still(tmp_path):
    parts = [images(3, start=1), images(3)]
    source = open_source(write_split(tmp_path / 'b', parts), None)
    received = [frame.received_ns - LATE_NS for frame in source]
    assert received == [stamp_of(i) for i in (1, 2, 3, 3, 3, 3)]
    assert source.problems[0].startswith(f'1 log time(s) on {CAMERA} of {tmp_path / "b"} go back')
    assert 'image 3, 1700000000.128456789 after 1700000000.328456790' in source.problems[0]
    assert '1 header stamp(s)' in source.problems[1]


def test_log_times_of_a_file_without_index_may_go_backwards_too(tmp_path):
    entries = [images(4)[i] for i in (0, 2, 1, 3)]
    file = write_mcap(tmp_path / 'x.mcap', entries, use_chunking=False)
    source = open_source(file, None)
    assert [frame.stamp_ns for frame in source] == [stamp_of(i) for i in (0, 2, 1, 3)]
    assert source.problems[0].startswith(f'1 log time(s) on {CAMERA}')


def test_several_image_topics_are_named_to_choose_from(tmp_path):
    jpegs = [
        (f'{CAMERA}/compressed', COMPRESSED, stamp_of(i), compressed(stamp_of(i), i, 'JPEG'))
        for i in range(2)
    ]
    bag = write_bag(tmp_path / 'b', images(3) + jpegs + truths('ab'))
    with pytest.raises(RecordingError) as raised:
        open_source(bag, None)
    assert f'{bag} has several image topics' in str(raised.value)
    assert f'{CAMERA} ({IMAGE}, 3 messages), ' in str(raised.value)
    assert f'{CAMERA}/compressed ({COMPRESSED}, 2 messages)' in str(raised.value)
    assert TRUTH not in str(raised.value)
    source = open_source(bag, f'{CAMERA}/compressed')
    assert [frame.format for frame in source] == ['jpeg', 'jpeg']
    assert source.frames == 2


def test_what_a_classifier_drew_needs_no_choice(tmp_path):
    """Recorded with -a."""
    drawn = '/robot1/classifier/annotated/compressed'
    entry = (drawn, COMPRESSED, stamp_of(1), compressed(stamp_of(1), 1))
    both = write_bag(tmp_path / 'b', [*images(2), entry])
    assert open_source(both, None).topic == CAMERA
    assert open_source(both, drawn).topic == drawn
    assert open_source(write_bag(tmp_path / 'c', [entry]), None).topic == drawn


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_an_image_topic_on_which_nothing_came_needs_no_choice(tmp_path, storage):
    bag = write_bag(tmp_path / 'b', images(2), storage, silent='/second')
    assert_holds(open_source(bag, None), range(2))
    with pytest.raises(RecordingError, match=r'topic /second of .* is empty: its image topics'):
        open_source(bag, '/second')


@pytest.mark.parametrize('silent', [CAMERA, f'{CAMERA}/compressedDepth'])
def test_a_base_name_passes_over_topics_on_which_nothing_came(tmp_path, silent):
    topic = f'{CAMERA}/compressed'
    entries = [(topic, COMPRESSED, stamp_of(i), compressed(stamp_of(i), i)) for i in range(2)]
    bag = write_bag(tmp_path / 'b', entries, silent=silent)
    assert open_source(bag, CAMERA).topic == topic


def test_images_that_are_announced_and_not_there_are_missed(tmp_path):
    bag = write_bag(tmp_path / 'b', images(5))
    data = storage_file(bag).read_bytes()
    at = data.rindex(struct.pack('<HQ', 1, 5))  # how many messages the first topic has
    storage_file(bag).write_bytes(data[:at] + struct.pack('<HQ', 1, 9) + data[at + 10 :])
    source = open_source(bag, None)
    assert len(list(source)) == 5
    assert source.problems == [f'{bag}: 9 images are announced on {CAMERA}, but 5 are there']


@pytest.mark.parametrize(
    ('topic', 'reason'),
    [
        ('/nowhere', rf'no topic /nowhere: its image topics are {CAMERA} \({IMAGE}, 2 mess'),
        (TRUTH, rf'topic {TRUTH} of .* is of type {CLASSIFICATION}: its image topics are'),
    ],
)
def test_a_topic_that_will_not_do(tmp_path, topic, reason):
    bag = write_bag(tmp_path / 'b', images(2) + truths('ab'))
    with pytest.raises(RecordingError, match=reason):
        open_source(bag, topic)


def test_a_bag_without_images_names_what_it_holds(tmp_path):
    bag = write_bag(tmp_path / 'b', truths('ab'))
    with pytest.raises(
        RecordingError, match=rf'no images, only {TRUTH} \({CLASSIFICATION}, 2 mess'
    ):
        open_source(bag, None)


def test_a_bag_without_anything(tmp_path):
    with pytest.raises(RecordingError, match='has no images to replay: it holds no messages'):
        open_source(write_bag(tmp_path / 'b', []), None)


def test_a_topic_of_truth_must_be_there_and_of_that_type(tmp_path):
    source = open_source(write_bag(tmp_path / 'b', images(2) + truths('ab')), None)
    reason = rf'no topic /label of {CLASSIFICATION}: {TRUTH} \({CLASSIFICATION}, 2 messages\)'
    with pytest.raises(RecordingError, match=reason):
        source.stamped_labels('/label')
    with pytest.raises(RecordingError, match=f'no topic {CAMERA} of {CLASSIFICATION}'):
        source.stamped_labels(CAMERA)


def test_a_truth_of_two_minds_is_refused(tmp_path):
    truth = [
        (TRUTH, CLASSIFICATION, stamp_of(i), classification(stamp_of(0), {label: 1.0}))
        for i, label in enumerate(['cat', 'cat', 'dog'])
    ]
    source = open_source(write_bag(tmp_path / 'b', images(1) + truth), None)
    with pytest.raises(
        RecordingError, match=r"says both 'cat' and 'dog' at stamp 1700000000\.1234567"
    ):
        source.stamped_labels(TRUTH)


def test_a_classification_without_results_says_nothing(tmp_path):
    truth = [(TRUTH, CLASSIFICATION, stamp_of(0), classification(stamp_of(0), {}))]
    source = open_source(write_bag(tmp_path / 'b', images(1) + truth), None)
    assert source.stamped_labels(TRUTH) == {}


def test_other_topics_cannot_spoil_the_images(tmp_path):
    """A definition that no parser reads is nobody's business here."""
    bag = write_bag(
        tmp_path / 'b', [*images(2), ('/h', 'std_msgs/msg/Header', stamp_of(0), header(0))]
    )
    data = storage_file(bag).read_bytes()
    assert b'\nstring frame_id' in data
    storage_file(bag).write_bytes(data.replace(b'\nstring frame_id', b'\n?!"$%& frame_id'))
    assert len(list(open_source(bag, None))) == 2


def test_memory_stays_flat_as_frames_are_let_go(tmp_path):
    big = [
        (CAMERA, IMAGE, stamp_of(i), image(stamp_of(i), i, height=200, width=300))
        for i in range(60)
    ]
    source = open_source(write_bag(tmp_path / 'b', big), None)  # 180 kB a frame, 1 MB a chunk
    tracemalloc.start()
    try:
        for frame in source:
            frame.decode()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000  # all of them are 10.8 MB


def test_a_missing_path_says_what_is_accepted(tmp_path: Path):
    with pytest.raises(
        RecordingError, match=r'there is no .*nowhere: name a rosbag2 folder, an \.mcap'
    ):
        open_source(tmp_path / 'nowhere', None)


def test_an_unknown_kind_says_what_is_accepted(tmp_path: Path):
    (tmp_path / 'notes.txt').write_text('hello')
    with pytest.raises(
        RecordingError, match=r'notes\.txt is not a recording: name a rosbag2 folder'
    ):
        open_source(tmp_path / 'notes.txt', None)


def test_an_empty_folder_says_what_is_accepted(tmp_path: Path):
    with pytest.raises(RecordingError, match='is empty: name a rosbag2 folder'):
        open_source(tmp_path, None)


def test_a_topic_is_for_bags_only(tmp_path: Path):
    (tmp_path / 'a.png').write_bytes(b'')
    with pytest.raises(RecordingError, match='is not a bag and has no topic /camera'):
        open_source(tmp_path, '/camera')


def of_12_bits(tmp_path: Path) -> Path:
    """Write a bag of what an industrial camera sends."""
    entries = []
    for index in range(3):
        message = image(stamp_of(index))
        deep = np.tile(np.linspace(0, 4095, WIDTH).astype('<u2'), (HEIGHT, 1))
        message.encoding, message.step = 'MONO16', 2 * WIDTH
        message.data = deep.view(np.uint8).ravel()
        entries.append((CAMERA, IMAGE, stamp_of(index), message))
    return write_bag(tmp_path / 'b', entries)


def test_low_bits_are_told(tmp_path):
    source = open_source(of_12_bits(tmp_path), None)
    assert [int(frame.decode().max()) for frame in source] == [16] * 3
    (problem,) = source.problems
    assert 'only the low 12 bits' in problem


@pytest.mark.parametrize('wanted', [(0.0, 4095.0), 'auto'])
def test_images_are_read_in_the_range_of_the_settings(tmp_path, wanted):
    source = open_source(of_12_bits(tmp_path), None, ImageSettings(image_range=wanted))
    assert [int(frame.decode().max()) for frame in source] == [255] * 3
    assert source.problems == []


FULL = f'{CAMERA}/compressed'


@pytest.mark.parametrize(
    ('recorded', 'asked'),
    [
        (FULL, FULL),
        (FULL, FULL.strip('/')),
        (FULL, CAMERA),
        (FULL, CAMERA.strip('/')),
        (FULL.strip('/'), FULL),
        (FULL.strip('/'), CAMERA),
        ('/camera/jpeg', '/camera/jpeg'),
        ('/camera/jpeg', 'camera/jpeg/'),
    ],
)
def test_a_topic_goes_by_the_names_that_people_know(tmp_path, recorded, asked):
    entries = [
        (recorded, COMPRESSED, stamp_of(i), compressed(stamp_of(i), i, 'JPEG')) for i in range(3)
    ]
    bag = write_bag(tmp_path / 'b', [*entries, *images(1, topic='/other'), *truths('ab')])
    source = open_source(bag, asked)
    assert (source.topic, source.frames) == (recorded, 3)
    assert source.stamped_labels(TRUTH.strip('/')) == source.stamped_labels(TRUTH)


def test_a_base_name_of_two_compressed_topics_is_not_guessed(tmp_path):
    entries = [
        (f'{CAMERA}/{kind}', COMPRESSED, stamp_of(0), compressed(stamp_of(0), 0, 'PNG'))
        for kind in ('compressed', 'compressedDepth')
    ]
    bag = write_bag(tmp_path / 'b', entries)
    with pytest.raises(RecordingError, match=f'no topic {CAMERA}: its image topics are'):
        open_source(bag, CAMERA)
