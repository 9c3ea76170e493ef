from __future__ import annotations

import struct
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.open import find_recordings, open_source
from eevit_ros.recordings.video import FrameTimes
from harness.videos import colours, packets, write_video

COUNT = 20
GROUPS = {'g': '8', 'bf': '2'}  # a key frame every 8 frames, between them frames out of order
SECOND_NS = 10**9


def noise(count: int = COUNT):
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(count)]


def times_ms(source) -> list[float]:
    return [round((frame.stamp_ns - SECOND_NS) / 1e6) for frame in source]


@pytest.mark.parametrize(
    ('name', 'codec'),
    [('x.MP4', 'libx264'), ('x.mov', 'libx265'), ('x.mkv', 'libx264'), ('x.avi', 'mjpeg'),
     ('x.webm', 'libvpx-vp9'), ('x.mpg', 'mpeg2video')],
)  # fmt: skip
def test_a_steady_video_keeps_its_rate(tmp_path, name, codec):
    pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
    quiet = {'x265-params': 'log-level=none'} if codec == 'libx265' else {}
    path = write_video(tmp_path / name, colours(COUNT), codec=codec, pix_fmt=pix_fmt, **quiet)
    source = open_source(path, None)
    assert (source.name, source.topic) == (name, '')
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert times_ms(frames) == [40 * i for i in range(COUNT)]
    assert all(frame.received_ns == frame.stamp_ns for frame in frames)
    assert source.problems == []


@pytest.mark.parametrize('name', ['x.mp4', 'x.mkv'])
def test_frames_of_a_phone_come_at_their_own_times(tmp_path, name):
    # 30 Hz, then as much light as 10 Hz need, then a pause.
    times = [33 * i for i in range(10)] + [400 + 100 * i for i in range(9)] + [5000]
    path = write_video(tmp_path / name, colours(COUNT), times, **GROUPS)
    source = open_source(path, None)
    assert times_ms(source) == times
    assert source.problems == []


@pytest.mark.parametrize('first', [1, 7000])
def test_the_first_frame_is_at_one_second_wherever_the_video_begins(tmp_path, first):
    times = [first + 40 * i for i in range(COUNT)]
    source = open_source(write_video(tmp_path / 'x.mkv', colours(COUNT), times, **GROUPS), None)
    assert times_ms(source) == [40 * i for i in range(COUNT)]
    assert source.problems == []


def test_a_longer_sound_is_no_damage(tmp_path):
    # The Matroska header counts frames as duration x rate, here 75.
    path = tmp_path / 'x.mkv'
    with av.open(str(path), 'w') as container:
        video = container.add_stream('libx264', rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
        sound = container.add_stream('pcm_s16le', rate=8000, layout='mono')
        for image in colours(60):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(video.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 24_000), np.int16), 's16', 'mono')
        silence.sample_rate, silence.pts = 8000, 0
        container.mux(sound.encode(silence))
    source = open_source(path, None)
    assert len(list(source)) == 60
    assert source.problems == []


def test_frames_become_rgb(tmp_path):
    frames = list(open_source(write_video(tmp_path / 'x.mp4', colours(COUNT)), None))
    for i, frame in enumerate(frames):
        image = frame.decode()
        assert image.shape == (48, 64, 3)
        assert image.dtype == np.uint8
        assert abs(image.reshape(-1, 3).mean(axis=0) - (10 * i, 0, 200)).max() < 8
        assert frame.format == ''
    assert frames[3].data != frames[4].data
    assert len(frames[3].data) == 48 * 64 * 3


@pytest.mark.parametrize(
    ('codec', 'pix_fmt', 'tags'),
    [
        ('libx264', 'yuv420p', {'colorspace': 1, 'color_range': 1}),  # BT.709, as phones write
        ('libx264', 'yuv420p', {'colorspace': 5, 'color_range': 2}),  # BT.601, full range
        ('libx264', 'yuv420p10le', {}),
        ('libx264', 'yuv444p', {}),
        ('libx265', 'yuv420p10le', {}),
        ('mjpeg', 'yuvj422p', {}),
    ],
)
def test_colours_are_those_that_were_filmed(tmp_path, codec, pix_fmt, tags):
    quiet = {'x265-params': 'log-level=none'} if codec == 'libx265' else {}
    image = np.full((48, 64, 3), (200, 60, 30), np.uint8)
    path = tmp_path / 'x.mkv'
    write_video(path, [image] * 3, codec=codec, pix_fmt=pix_fmt, tags=tags, **quiet)
    for frame in open_source(path, None):
        assert abs(frame.decode().reshape(-1, 3).mean(axis=0) - (200, 60, 30)).max() < 4


def test_a_decoder_that_marks_no_key_frames_shows_all(tmp_path):
    path = write_video(tmp_path / 'x.mov', colours(COUNT), codec='qtrle', pix_fmt='rgb24')
    source = open_source(path, None)
    assert len(list(source)) == COUNT
    assert source.problems == []


def matrix_of(turns: int, mirror: bool) -> list[int]:
    """Return a, b, u, c, d, v, x, y, w for quarter turns clockwise, mirrored before."""
    a, b, c, d = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)][turns]
    if mirror:
        a, b = -a, -b
    return [v << 16 for v in (a, b, 0, c, d, 0, 0, 0)] + [1 << 30]


@pytest.mark.parametrize('mirror', [False, True])
@pytest.mark.parametrize('turns', range(4))
def test_pictures_stand_as_the_phone_was_held(tmp_path, turns, mirror):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 255  # bright at the top left
    path = write_video(tmp_path / 'x.mp4', [image] * 3)
    data = bytearray(path.read_bytes())
    at = data.index(b'tkhd') + 44
    data[at : at + 36] = struct.pack('>9i', *matrix_of(turns, mirror))
    path.write_bytes(data)
    expected = np.rot90(image[:, ::-1] if mirror else image, -turns)
    for frame in open_source(path, None):
        shown = frame.decode()
        assert shown.shape == expected.shape
        assert abs(shown.astype(int) - expected).mean() < 8


def test_a_second_pass_reads_the_same(tmp_path):
    source = open_source(write_video(tmp_path / 'x.mp4', colours(COUNT), **GROUPS), None)
    next(iter(source))  # given up at once
    assert [frame.data for frame in source] == [frame.data for frame in source]


def test_what_was_cut_away_is_not_shown(tmp_path):
    # An edit list, as phones write them when a video is trimmed: the frames are still in the file.
    path = write_video(tmp_path / 'x.mp4', colours(COUNT), g='30', bf='0')
    data = bytearray(path.read_bytes())
    if (at := data.find(b'elst')) < 0:
        pytest.skip('this FFmpeg writes no edit list')
    duration, start = struct.unpack_from('>Ii', data, at + 12)
    struct.pack_into('>Ii', data, at + 12, duration, start + 5 * 512)  # of 12 800 a second
    path.write_bytes(data)
    source = open_source(path, None)
    frames = list(source)
    assert times_ms(frames) == [40 * i for i in range(COUNT - 5)]
    assert abs(frames[0].decode().mean(axis=(0, 1)) - (50, 0, 200)).max() < 8
    assert source.problems == []


@pytest.mark.parametrize(
    ('name', 'muxer'),
    [
        ('x.mkv', {}),
        ('x.mkv', {'live': '1'}),  # as recorders write that cannot go back
        ('x.mp4', {'movflags': 'faststart'}),
        ('x.mp4', {'movflags': 'frag_keyframe+empty_moov'}),
        ('x.avi', {}),
    ],
)
@pytest.mark.parametrize('share', [0.5, 0.7])
def test_a_video_that_is_cut_off_is_a_problem(tmp_path, name, muxer, share):
    path = write_video(tmp_path / name, noise(), muxer=muxer, **GROUPS)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    source = open_source(path, None)
    for _ in range(2):
        count = len(list(source))
        assert 0 < count < COUNT
        (problem,) = source.problems
        assert str(path) in problem
        assert 'cut off' in problem


@pytest.mark.parametrize('trailer', [b'GPSDATA 48.1 11.5 ' * 50, b'\0\0\x40\0free', b'\xff' * 99])
def test_what_a_camera_writes_behind_a_video_is_not_missed(tmp_path, trailer):
    path = write_video(tmp_path / 'x.mp4', colours(COUNT))
    path.write_bytes(path.read_bytes() + trailer)
    source = open_source(path, None)
    assert len(list(source)) == COUNT
    assert source.problems == []


@pytest.mark.parametrize('name', ['x.mkv', 'x.mp4'])
def test_what_follows_damage_up_to_the_next_key_frame_is_left_out(tmp_path, name):
    path = write_video(tmp_path / name, noise(32), g='8', bf='0', sc_threshold='0')
    data = bytearray(path.read_bytes())
    where, random = len(data) // 2, np.random.default_rng(1)
    data[where : where + 2000] = random.bytes(2000)
    path.write_bytes(data)
    source = open_source(path, None)
    times = times_ms(source)
    assert 20 < len(times) < 32
    assert times[-1] == 31 * 40
    assert any('key frame' in problem for problem in source.problems)


def test_a_video_that_begins_within_a_group_begins_with_its_next_key_frame(tmp_path):
    whole = write_video(tmp_path / 'whole.mkv', noise(), g='8', bf='0', sc_threshold='0')
    path = tmp_path / 'x.mkv'
    with av.open(str(whole)) as source, av.open(str(path), 'w') as sink:
        stream = source.streams.video[0]
        copy = sink.add_stream_from_template(stream)
        for packet in list(source.demux(stream))[3:-1]:
            packet.stream = copy
            sink.mux(packet)
    source = open_source(path, None)
    assert times_ms(source) == [40 * i for i in range(COUNT - 8)]
    assert ['5' in problem and 'key frame' in problem for problem in source.problems] == [True]


@pytest.mark.parametrize('name', ['x.mp4', 'x.h264'])
def test_a_bare_stream_has_no_times(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b''.join(packets(colours(COUNT), **GROUPS)))
    source = open_source(path, None)
    assert times_ms(source) == [40 * i for i in range(COUNT)]
    assert [f'{COUNT} frame' in problem for problem in source.problems] == [True]


@pytest.mark.parametrize(('name', 'kind'), [('x.MTS', 'ts'), ('x.m2ts', 'ts'), ('x.3gp', 'mp4')])
def test_videos_of_cameras_have_many_suffixes(tmp_path, name, kind):
    write_video(tmp_path / f'x.{kind}', colours(COUNT)).rename(tmp_path / name)
    assert find_recordings(tmp_path) == [tmp_path / name]
    assert len(list(open_source(tmp_path / name, None))) == COUNT


def test_one_of_several_videos_is_taken_and_told(tmp_path):
    source = open_source(write_video(tmp_path / 'x.mp4', colours(COUNT), streams=2), None)
    assert len(list(source)) == COUNT
    assert ['2 video streams' in problem for problem in source.problems] == [True]


def test_names_in_another_encoding_do_no_harm(tmp_path):
    path = write_video(tmp_path / 'x.mp4', colours(COUNT))
    path.write_bytes(path.read_bytes().replace(b'VideoHandler', b'Vid\xe9oHandler'))
    assert len(list(open_source(path, None))) == COUNT


def write_song(path, cover: bool):
    with av.open(str(path), 'w') as container:
        sound = container.add_stream('aac', rate=8000, layout='mono')
        if cover:
            picture = container.add_stream('mjpeg', rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 48, 'yuvj420p'
            picture.disposition = av.stream.Disposition.attached_pic.value
            frame = av.VideoFrame.from_ndarray(next(colours(1)), format='rgb24')
            container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), 'fltp', 'mono')
        silence.sample_rate, silence.pts = 8000, 0
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize('cover', [False, True])
def test_a_song_is_refused(tmp_path, cover):
    with pytest.raises(RecordingError, match='no video stream.*audio'):
        open_source(write_song(tmp_path / 'x.mp4', cover), None)


@pytest.mark.parametrize(
    'content', [b'', b'hello', bytes(10_000), b'#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n']
)
def test_what_is_no_video_is_refused(tmp_path, content):
    write_video(tmp_path / 'other.mp4', colours(COUNT))
    path = tmp_path / 'x.mp4'
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=rf'{path} cannot be opened as a video by PyAV'):
        open_source(path, None)


def test_a_recorder_that_was_not_stopped_is_told(tmp_path):
    path = write_video(tmp_path / 'x.mp4', noise())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(RecordingError, match='bytes of it are missing'):
        open_source(path, None)


def test_a_video_without_a_readable_frame_is_refused(tmp_path):
    path = write_video(tmp_path / 'x.avi', colours(COUNT), codec='mjpeg', pix_fmt='yuvj420p')
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b'movi') + 4])
    with pytest.raises(RecordingError, match=r'x\.avi (has no frame|cannot be opened)'):
        open_source(path, None)


def test_an_unknown_codec_is_refused(tmp_path):
    path = write_video(tmp_path / 'x.mp4', colours(COUNT))
    path.write_bytes(path.read_bytes().replace(b'avc1', b'zzzz').replace(b'avcC', b'zzzC'))
    with pytest.raises(RecordingError, match=r'x\.mp4.*convert it'):
        open_source(path, None)


def test_without_pyav_the_cure_is_told(tmp_path, monkeypatch):
    path = write_video(tmp_path / 'x.mp4', colours(COUNT))
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(RecordingError, match='pip install'):
        open_source(path, None)


def test_an_old_pyav_is_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / 'x.mp4', colours(COUNT))
    monkeypatch.setattr(av, '__version__', '11.0.0')
    with pytest.raises(RecordingError, match=r'not 11\.0\.0'):
        open_source(path, None)


def test_a_video_has_no_topics(tmp_path):
    source = open_source(write_video(tmp_path / 'x.mp4', colours(COUNT)), None)
    with pytest.raises(RecordingError, match=r'x\.mp4 is a video, which has no topic /truth'):
        source.stamped_labels('/truth')


@given(st.lists(st.none() | st.integers(-(2**63), 2**63), min_size=1))
def test_times_rise_whatever_a_video_says(times):
    clock = FrameTimes(Fraction(25))
    found = [clock.next_ns(time) for time in times]
    assert found[0] == 0
    assert all(a < b <= a + 24 * 3600 * SECOND_NS for a, b in zip(found, found[1:], strict=False))
    assert clock.untold == times.count(None)


@given(st.integers(-(2**63), 2**63), st.lists(st.integers(1, 10**12)))
def test_rising_times_are_kept(first, intervals):
    times = [first]
    for interval in intervals:
        times.append(times[-1] + interval)
    clock = FrameTimes(Fraction(25))
    assert [clock.next_ns(time) for time in times] == [time - first for time in times]
    assert (clock.untold, clock.breaks) == (0, 0)


def test_where_two_videos_were_joined_times_go_on(tmp_path):
    clock = FrameTimes(Fraction(25))
    times = [clock.next_ns(time * SECOND_NS) for time in [5, 6, 7, 5, 6, 7]]
    assert [time / SECOND_NS for time in times] == [0, 1, 2, 2.04, 3.04, 4.04]
    assert clock.breaks == 1
