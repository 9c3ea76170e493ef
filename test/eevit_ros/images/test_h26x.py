from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.images.h26x import PacketWatch, codec_named, codec_of, is_annex_b
from eevit_ros.images.headers import PNG_MAGIC
from eevit_ros.images.jpeg import JPEG_MAGIC

H264_START, HEVC_START = bytes.fromhex('00000001 6742'), bytes.fromhex('00000001 4001')


@pytest.mark.parametrize(
    ('text', 'codec'),
    [
        ('h264', 'h264'),
        ('H264', 'h264'),
        ('video/h264', 'h264'),
        ('libx264', 'h264'),
        ('h264_nvenc', 'h264'),
        ('h264;yuv420p;bgr8;bgr8', 'h264'),
        ('avc1', 'h264'),
        ('h265', 'hevc'),
        ('hevc', 'hevc'),
        ('hevc_nvmpi;nv12;bgr8;rgb8', 'hevc'),
        ('jpeg', ''),
        ('rgb8; jpeg compressed bgr8', ''),
        ('16UC1; compressedDepth png', ''),
        ('vp9', ''),
        ('', ''),
    ],
)
def test_codecs_go_by_many_names(text, codec):
    assert codec_named(text) == codec


@pytest.mark.parametrize(
    ('format', 'start', 'codec'),
    [
        ('h264', H264_START, 'h264'),
        ('', H264_START, 'h264'),
        ('jpeg', H264_START, 'h264'),
        ('', HEVC_START, 'hevc'),
        ('h264', HEVC_START, 'hevc'),
        ('h265', H264_START, 'h264'),
        ('jpeg', bytes.fromhex('00000001 06010104'), 'h264'),  # picture timing, of libx264
        ('', bytes.fromhex('00000001 4601'), 'hevc'),  # access unit delimiters
        ('', bytes.fromhex('00000001 09f0'), 'h264'),
        ('', bytes.fromhex('000001 419a'), 'h264'),  # no key frame
        ('h265', b'\0\0\0\x10\x26\1', 'hevc'),  # without start codes: refused by name
        ('h264', JPEG_MAGIC + bytes(8), ''),
        ('', JPEG_MAGIC + bytes(8), ''),
        ('', PNG_MAGIC, ''),
        ('', b'RIFF\0\0\0\0WEBP', ''),
        ('', b'\0\0\0\0\0\0\x20\x41', ''),  # compressedDepth
        ('', b'', ''),
    ],
)
def test_a_video_is_told_from_a_picture_by_format_and_bytes(format, start, codec):
    assert codec_of(format, start) == codec


@pytest.mark.parametrize(
    ('running', 'start', 'codec'),
    [
        ('hevc', '00000001 0602', 'hevc'),  # a temporal layer above the base
        ('h264', '00000001 0602', 'h264'),
        ('h264', '00000001 0201', 'h264'),  # damaged
        ('hevc', '00000001 6742', 'h264'),
        ('h264', '00000001 4001', 'hevc'),
    ],
)
def test_a_running_stream_changes_only_where_another_begins(running, start, codec):
    assert codec_of('', bytes.fromhex(start), running) == codec


@given(st.text(), st.binary())
def test_nothing_that_comes_is_beyond_it(format, data):
    assert codec_of(format, data) in ('h264', 'hevc', '')
    assert is_annex_b(data) in (True, False)


@given(st.sampled_from(['h264', 'hevc']), st.lists(st.binary(max_size=60)), st.data())
def test_damaged_packets_are_no_error_here(codec, bodies, data):
    watch = PacketWatch(codec)
    for body in bodies:
        kind = data.draw(st.sampled_from([b'\x67', b'\x27\x64', b'\x41', b'\x65', b'\x40\x01']))
        watch.has_picture(b'\0\0\1' + kind + body)
