"""H.264 and H.265 in bags, in the three messages that carry them."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg

from eevit_ros.errors import EevitError
from eevit_ros.recordings.bag.topics import COMPRESSED_VIDEO, FFMPEG_PACKET
from eevit_ros.recordings.open import open_source
from eevit_ros.replay.running.clock import live
from harness.bags import CAMERA, COMPRESSED, IMAGE, ROS2, STEP_NS, header, stamp_of, write_bag
from harness.paths import ROOT
from harness.videos import GROUP, camera_packets, colours, moving

COUNT = 3 * GROUP
LATE_NS = 5_000_000
TOPICS = {
    IMAGE: CAMERA,  # so do the drivers of some drones
    COMPRESSED: f'{CAMERA}/compressed',
    FFMPEG_PACKET: f'{CAMERA}/ffmpeg',
    COMPRESSED_VIDEO: f'{CAMERA}/foxglove',
}
for _name in (FFMPEG_PACKET, COMPRESSED_VIDEO):
    _file = ROOT / 'interfaces' / f'{_name}.msg'
    ROS2.register(get_types_from_msg(_file.read_text(), _name))


def message(kind: str, stamp_ns: int, packet: bytes, codec: str):
    data = np.frombuffer(packet, np.uint8)
    if kind == COMPRESSED:
        return ROS2.types[kind](header(stamp_ns), codec, data)
    if kind == IMAGE:
        return ROS2.types[kind](header(stamp_ns), 0, 0, codec, 0, 0, data)
    if kind == FFMPEG_PACKET:
        encoding = f'{codec};yuv420p;bgr8;bgr8'
        return ROS2.types[kind](header(stamp_ns), 128, 96, encoding, 0, 0, False, data)
    of = header(stamp_ns)
    name = {'h264': 'h264', 'hevc': 'h265'}[codec]
    return ROS2.types[kind](of.stamp, of.frame_id, data, name)


def record(path: Path, stream, kind: str = COMPRESSED, codec: str = 'h264', lost=()) -> Path:
    entries = [
        (TOPICS[kind], kind, stamp_of(i) + LATE_NS, message(kind, stamp_of(i), packet, codec))
        for i, packet in enumerate(stream)
        if i not in lost
    ]
    return write_bag(path, entries)


@pytest.mark.parametrize('codec', ['h264', 'hevc'])
@pytest.mark.parametrize('kind', TOPICS)
def test_every_packet_is_a_frame(tmp_path, kind, codec):
    images = moving(COUNT)
    bag = record(tmp_path / 'bag', camera_packets(images, codec), kind, codec)
    source = open_source(bag, None)
    assert (source.topic, source.frames) == (TOPICS[kind], COUNT)
    frames = list(source)
    assert [frame.stamp_ns for frame in frames] == [stamp_of(i) for i in range(COUNT)]
    assert [frame.received_ns for frame in frames] == [stamp_of(i) + LATE_NS for i in range(COUNT)]
    for frame, picture in zip(frames, images, strict=True):
        assert abs(frame.decode().astype(int) - picture).mean() < 12
    assert len({frame.data for frame in frames}) == COUNT
    assert source.problems == []


def test_a_second_pass_reads_the_same(tmp_path):
    source = open_source(record(tmp_path / 'bag', camera_packets(moving(COUNT), 'h264')), None)
    next(iter(source))
    assert [frame.data for frame in source] == [frame.data for frame in source]


def test_frames_that_nobody_asks_for_are_decoded_all_the_same(tmp_path):
    images = moving(COUNT)
    source = open_source(record(tmp_path / 'bag', camera_packets(images, 'h264')), None)
    # The network takes 5 frames' time for each.
    free_ns, answered = [0], []
    for frame, start_ns in live(source, lambda: free_ns[0]):
        if start_ns is not None:
            free_ns[0] = start_ns + 5 * STEP_NS
            answered.append(frame.index)
            assert abs(frame.decode().astype(int) - images[frame.index]).mean() < 12
    assert 3 < len(answered) < 8


def test_pictures_out_of_order_keep_their_stamps(tmp_path):
    images = list(colours(COUNT))
    stream = camera_packets(images, 'h264', b_frames=2)
    source = open_source(record(tmp_path / 'bag', stream, FFMPEG_PACKET), None)
    frames = list(source)
    assert sorted(frame.stamp_ns for frame in frames) == [stamp_of(i) for i in range(COUNT)]
    received = [frame.received_ns for frame in frames]
    assert received == sorted(received)
    reds = [frame.decode()[..., 0].mean() for frame in frames]
    assert reds == pytest.approx([image[..., 0].mean() for image in images], abs=4)


def test_stamps_of_pictures_that_are_held_back_at_the_end_are_judged_too(tmp_path):
    stream = camera_packets(list(colours(COUNT)), 'h264', b_frames=2)
    entries = [
        (TOPICS[COMPRESSED], COMPRESSED, stamp_of(i), message(COMPRESSED, stamp_ns, packet, 'h264'))
        for i, packet in enumerate(stream)
        for stamp_ns in [stamp_of(0) if i == COUNT - 1 else stamp_of(i)]
    ]
    source = open_source(write_bag(tmp_path / 'bag', entries), None)
    assert min(frame.stamp_ns for frame in list(source)[-2:]) == stamp_of(0)
    before = open_source(record(tmp_path / 'same', stream), None)
    list(before)
    counts = [int(one.problems[-1].split()[0]) for one in (before, source)]
    assert counts[1] == counts[0] + 1


@pytest.mark.parametrize('codec', ['h264', 'hevc'])
def test_what_builds_on_a_lost_packet_is_left_out_and_told(tmp_path, codec):
    stream = camera_packets(moving(COUNT), codec)
    source = open_source(record(tmp_path / 'bag', stream, codec=codec, lost={2}), None)
    frames = list(source)
    shown = [0, 1, *range(GROUP, COUNT)]
    assert [frame.stamp_ns for frame in frames] == [stamp_of(i) for i in shown]
    assert [frame.index for frame in frames] == list(range(len(shown)))
    assert [f'{GROUP - 3} packet' in problem for problem in source.problems] == [True]


def test_a_stream_without_any_picture_is_told(tmp_path):
    source = open_source(record(tmp_path / 'bag', [b'\0\0\0\1\x09\xf0'] * 5), None)
    assert list(source) == []
    assert ['5 packet' in problem for problem in source.problems] == [True]


def test_picture_timing_in_front_of_each_picture_is_no_other_codec(tmp_path):
    timing = b'\0\0\0\1\x06\1\1\x04\x80'
    stream = [timing + packet for packet in camera_packets(moving(COUNT), 'h264')]
    source = open_source(record(tmp_path / 'bag', stream, COMPRESSED, 'jpeg'), None)
    assert len(list(source)) == COUNT
    assert source.problems == []


def test_a_recording_that_begins_within_a_group(tmp_path):
    stream = camera_packets(moving(COUNT), 'h264')
    source = open_source(record(tmp_path / 'bag', stream, lost=set(range(3))), None)
    assert [frame.stamp_ns for frame in source] == [stamp_of(i) for i in range(GROUP, COUNT)]
    assert [f'{GROUP - 3} packet' in problem for problem in source.problems] == [True]


def test_fields_that_foxglove_adds_at_the_end_do_no_harm(tmp_path):
    entries = []
    for i, packet in enumerate(camera_packets(moving(GROUP), 'h264')):
        raw = ROS2.serialize_cdr(
            message(COMPRESSED_VIDEO, stamp_of(i), packet, 'h264'), COMPRESSED_VIDEO
        )
        raw = bytes(raw) + bytes(-len(raw) % 4) + struct.pack('<I', 5) + b'uuid\0' + bytes(11)
        entries.append((f'{CAMERA}/foxglove', COMPRESSED_VIDEO, stamp_of(i), raw))
    source = open_source(write_bag(tmp_path / 'bag', entries), None)
    assert [frame.decode().shape for frame in source] == [(96, 128, 3)] * GROUP


@pytest.mark.parametrize(
    ('packet', 'codec', 'words'), [(b'\0\0\0\x05avcC1', 'h264', 'annex B'), (b'', 'vp9', 'vp9')]
)
def test_what_is_not_read_is_a_bad_frame(tmp_path, packet, codec, words):
    bag = record(tmp_path / 'bag', [packet] * 2, FFMPEG_PACKET, codec)
    for frame in open_source(bag, None):
        with pytest.raises(EevitError, match=words):
            frame.decode()


def test_without_pyav_each_frame_tells_the_cure(tmp_path, monkeypatch):
    bag = record(tmp_path / 'bag', camera_packets(moving(2), 'h264'))
    monkeypatch.setitem(sys.modules, 'av', None)
    for frame in open_source(bag, None):
        with pytest.raises(EevitError, match='pip install'):
            frame.decode()
