"""Streams by PyAV's own encoders, whole and with packets missing or damaged."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.images.stream import StreamDecoder

pytest.importorskip('av')

from eevit_ros.images.video import first_plane, to_rgb  # noqa: E402
from harness.videos import GROUP, camera_packets, colours, moving, packets  # noqa: E402

COUNT = 3 * GROUP
CODECS = pytest.mark.parametrize('codec', ['h264', 'hevc'])


def shown(stream, codec, lost=(), damaged=()) -> tuple[list[int], StreamDecoder]:
    """Return the numbers of the packets whose pictures are shown, in that order."""
    decoder, numbers = StreamDecoder(), []
    for number, packet in enumerate(stream):
        if number in damaged:
            packet = packet[:20] + bytes(byte ^ 0x5A for byte in packet[20:])
        if number not in lost:
            numbers += [about for about, _ in decoder.decode(packet, codec, number)]
    return numbers, decoder


@CODECS
def test_every_packet_gives_its_picture_at_once(codec):
    images = moving(COUNT)
    decoder = StreamDecoder()
    for number, packet in enumerate(camera_packets(images, codec)):
        ((about, picture),) = decoder.decode(packet, codec, number)
        assert about == number
        assert abs(to_rgb(picture).astype(int) - images[number]).mean() < 12
    assert (decoder.withheld, decoder.why) == (0, '')


def test_a_picture_that_was_shown_waits_for_no_garbage_collector():
    from av import VideoFrame

    decoder, count = StreamDecoder(), 0
    gc.collect()
    gc.disable()
    try:
        for packet in camera_packets(moving(COUNT), 'h264'):
            for _, picture in decoder.decode(packet, 'h264', None):
                first_plane(picture)
                to_rgb(picture)
        del picture
        count = sum(type(thing) is VideoFrame for thing in gc.get_objects())
    finally:
        gc.enable()
    assert count < 5  # of COUNT: the empty one, and what the decoder holds


@CODECS
def test_pictures_out_of_order_keep_what_they_came_with(codec):
    images = list(colours(COUNT))
    stream = camera_packets(images, codec, b_frames=2)
    decoder, reds, numbers = StreamDecoder(), [], []
    found = [pair for i, packet in enumerate(stream) for pair in decoder.decode(packet, codec, i)]
    for number, picture in [*found, *decoder.rest()]:
        numbers.append(number)
        reds.append(to_rgb(picture)[..., 0].mean())
    assert sorted(numbers) == list(range(COUNT))
    assert numbers != sorted(numbers)
    assert reds == pytest.approx([image[..., 0].mean() for image in images], abs=4)
    assert decoder.withheld == 0


@pytest.mark.parametrize(
    ('codec', 'options'),
    [
        ('h264', {'g': '10000'}),  # the pictures' numbers begin anew
        ('h264', {'x264-params': 'ref=16:bframes=16:b-pyramid=normal:b-adapt=2'}),
        ('h264', {'flags': '+ildct+ilme', 'x264-params': 'interlaced=1:bframes=2'}),
        ('h264', {'x264-params': 'open-gop=1:keyint=20'}),
        ('hevc', {'x265-params': 'log-level=none:temporal-layers=3:bframes=4'}),
    ],
)
def test_nothing_is_missing_from_a_whole_stream(codec, options):
    encoder = {'h264': 'libx264', 'hevc': 'libx265'}[codec]
    stream = packets(moving(100, 48, 64), encoder, **options)
    numbers, decoder = shown(stream, codec)
    numbers += [about for about, _ in decoder.rest()]
    assert sorted(numbers) == list(range(100))
    assert decoder.withheld == 0


@CODECS
@pytest.mark.parametrize('lost', [1, 3, GROUP - 1])
def test_after_a_lost_packet_the_next_key_frame_is_waited_for(codec, lost):
    numbers, decoder = shown(camera_packets(moving(COUNT), codec), codec, {lost})
    assert numbers == [*range(lost), *range(GROUP, COUNT)]
    assert decoder.withheld == GROUP - 1 - lost
    assert decoder.why == ''


@CODECS
def test_without_a_key_frame_nothing_is_shown(codec):
    stream = camera_packets(moving(COUNT), codec)
    numbers, decoder = shown(stream, codec, {0})
    assert numbers == list(range(GROUP, COUNT))
    assert decoder.withheld == GROUP - 1
    numbers, decoder = shown(stream[1:GROUP], codec)
    assert numbers == []
    assert 'key frame' in decoder.why


@CODECS
def test_a_lost_key_frame_costs_its_group(codec):
    numbers, decoder = shown(camera_packets(moving(COUNT), codec), codec, {GROUP})
    assert numbers == [*range(GROUP), *range(2 * GROUP, COUNT)]
    assert decoder.withheld == GROUP - 1


@pytest.mark.parametrize('b_frames', [0, 2])
@CODECS
def test_after_a_loss_all_is_shown_again_in_the_end(codec, b_frames):
    stream = camera_packets(moving(5 * GROUP), codec, b_frames)
    for lost in range(GROUP):
        numbers, _ = shown(stream, codec, {GROUP + lost})
        # Pictures before a key frame in time, but after it in the stream, may build on older ones.
        assert set(range(3 * GROUP + 2, 4 * GROUP)) <= set(numbers)


def test_a_damaged_packet_costs_the_rest_of_its_group():
    numbers, decoder = shown(camera_packets(moving(COUNT), 'h264'), 'h264', damaged={3})
    assert numbers == [0, 1, 2, *range(GROUP, COUNT)]
    assert decoder.withheld == GROUP - 3


def test_a_gradual_refresh_needs_no_key_frame():
    stream = packets(
        moving(40), 'libx264', g='8', bf='0', **{'x264-params': 'intra-refresh=1:scenecut=0'}
    )
    numbers, decoder = shown(stream, 'h264', {5})
    assert numbers[:5] == [0, 1, 2, 3, 4]
    assert 20 <= len(numbers) < 39
    assert numbers[-1] == 39
    assert decoder.why == ''


def without_parameters(packet: bytes) -> tuple[bytes, bytes]:
    """Return the parameter sets of a key frame, and the rest."""
    units = packet.split(b'\0\0\1')[1:]
    sets = [unit for unit in units if unit[0] & 31 in (6, 7, 8, 9)]
    rest = [unit for unit in units if unit[0] & 31 not in (6, 7, 8, 9)]
    return tuple(b''.join(b'\0\0\1' + unit.rstrip(b'\0') for unit in x) for x in (sets, rest))


def test_parameter_sets_in_a_packet_of_their_own_are_no_error():
    sets, *stream = camera_packets(moving(COUNT), 'h264')
    stream = [*without_parameters(sets), *stream]
    numbers, decoder = shown(stream, 'h264')
    assert numbers == list(range(1, COUNT + 1))
    assert (decoder.withheld, decoder.why) == (0, '')


def test_parameter_sets_that_never_come_are_told():
    key, *stream = camera_packets(moving(GROUP), 'h264')
    decoder = StreamDecoder()
    for packet in [without_parameters(key)[1], *stream]:
        assert decoder.decode(packet, 'h264', 0) == []
    assert 'repeat-headers' in decoder.why


def test_pictures_in_parts_are_told():
    stream = packets(moving(GROUP), 'libx264', slices='4', tune='zerolatency')
    units = [b'\0\0\1' + unit for packet in stream for unit in packet.split(b'\0\0\1')[1:]]
    assert len(units) >= 4 * GROUP
    decoder = StreamDecoder()
    for unit in units:
        decoder.decode(unit, 'h264', 0)
    assert 'alignment=au' in decoder.why


@CODECS
def test_a_picture_may_have_several_slices(codec):
    more = {'slices': '4'} if codec == 'h264' else {'x265-params': 'log-level=none:slices=2'}
    encoder = {'h264': 'libx264', 'hevc': 'libx265'}[codec]
    stream = packets(moving(GROUP, 256, 256), encoder, tune='zerolatency', **more)
    numbers, decoder = shown(stream, codec)
    assert numbers == list(range(GROUP))
    assert decoder.why == ''


@CODECS
def test_the_size_may_change(codec):
    stream = camera_packets(moving(GROUP), codec)
    stream += camera_packets(moving(GROUP, 48, 64), codec)
    decoder = StreamDecoder()
    pictures = [p for packet in stream for _, p in decoder.decode(packet, codec, None)]
    sizes = [to_rgb(picture).shape[:2] for picture in pictures]
    assert sizes == [(96, 128)] * GROUP + [(48, 64)] * GROUP


def test_the_codec_may_change():
    decoder = StreamDecoder()
    for codec in ('h264', 'hevc', 'h264'):
        for number, packet in enumerate(camera_packets(moving(3), codec)):
            assert [about for about, _ in decoder.decode(packet, codec, number)] == [number]


def test_a_frozen_camera_shows_by_its_pictures():
    image = moving(1)[0]
    decoder = StreamDecoder()
    stream = camera_packets([image] * GROUP, 'h264')
    planes = [first_plane(p) for packet in stream for _, p in decoder.decode(packet, 'h264', None)]
    assert len(set(stream)) == GROUP
    assert planes[-1] == planes[-2]
    assert len(planes[0]) == image.shape[0] * image.shape[1]


@pytest.mark.parametrize(
    ('packet', 'codec', 'words'),
    [
        (b'', 'h264', 'annex B'),
        (b'\0\0\0\x08\x65\x88\x84\0\0\0\0\0', 'h264', 'annex B'),
        (b'\0\0\1\x67' + bytes(100), 'av1', "'av1'"),
    ],
)
def test_what_is_of_another_form_is_refused(packet, codec, words):
    with pytest.raises(EevitError, match=words):
        StreamDecoder().decode(packet, codec, 0)


@CODECS
def test_a_packet_of_zeros_costs_the_rest_of_its_group(codec):
    decoder, numbers = StreamDecoder(), []
    for number, packet in enumerate(camera_packets(moving(COUNT), codec)):
        if number == 3:
            with pytest.raises(EevitError):
                decoder.decode(bytes(1000), codec, number)
        else:
            numbers += [about for about, _ in decoder.decode(packet, codec, number)]
    assert numbers == [0, 1, 2, *range(GROUP, COUNT)]


def test_random_bytes_are_no_picture():
    random = np.random.default_rng(0)
    decoder = StreamDecoder()
    for size in (1, 10, 1000):
        for start in (b'\0\0\1\x67', b'\0\0\1\x65', b'\0\0\1\x41'):
            assert decoder.decode(start + random.bytes(size), 'h264', 0) == []


def test_without_pyav_the_cure_is_told(monkeypatch):
    packet = camera_packets(moving(1), 'h264')[0]
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(EevitError, match='pip install'):
        StreamDecoder().decode(packet, 'h264', 0)
