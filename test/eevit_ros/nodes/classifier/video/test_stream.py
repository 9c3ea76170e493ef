"""The thread that decodes a camera's video."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from queue import Queue

import pytest
from sensor_msgs.msg import CompressedImage

from eevit_ros.images.stream import StreamDecoder
from eevit_ros.nodes.classifier import stream as stream_module
from eevit_ros.nodes.classifier.frame import Frame
from eevit_ros.nodes.classifier.stream import MOST_WAITING, Backlog, Stream
from eevit_ros.perception.camera_health import CameraHealth
from harness.videos import GROUP, camera_packets, moving

PERIOD_NS = 40_000_000


def frame(packet: bytes, stamp_ns: int) -> Frame:
    message = CompressedImage(data=array('B', packet))
    return Frame(
        message, message.header, stamp_ns, frozen=False, waited=False, useless_stamps=False
    )


class Shown(Queue[Frame]):
    """What a stream shows."""

    def take(self, count: int) -> list[Frame]:
        return [self.get(timeout=60) for _ in range(count)]


def presented(packets: Sequence[bytes]) -> list[int]:
    """Return the numbers of the packets in the order in which their pictures are shown."""
    decoder: StreamDecoder[int] = StreamDecoder()
    shown = [of for i, packet in enumerate(packets) for of, _ in decoder.decode(packet, 'h264', i)]
    return shown + [of for of, _ in decoder.rest()]


@pytest.mark.parametrize('b_frames', [0, 2])
def test_pictures_come_in_the_order_of_time_with_their_own_stamps(b_frames: int) -> None:
    packets = camera_packets(moving(6 * GROUP), 'h264', b_frames)
    stamps = {number: (1 + i) * PERIOD_NS for i, number in enumerate(presented(packets))}
    health, shown = CameraHealth(10, 0.0), Shown()
    stream = Stream(health, shown.put)
    for number, packet in enumerate(packets):
        stream.put(frame(packet, stamps[number]), 'h264')
    count = len(packets) - b_frames  # the last ones wait for their order
    frames = shown.take(count)
    stream.close()
    assert [one.stamp_ns for one in frames] == [(1 + i) * PERIOD_NS for i in range(count)]
    assert not any(one.useless_stamps or one.frozen or one.error for one in frames)
    assert (health.withheld, health.withheld_why) == (0, '')


def test_what_is_no_video_is_shown_as_an_error() -> None:
    shown = Shown()
    stream = Stream(CameraHealth(10, 0.0), shown.put)
    stream.put(frame(b'hello', 1), 'h264')
    (bad,) = shown.take(1)
    stream.close()
    assert 'annex B' in bad.error


def test_a_fault_of_the_decoder_costs_one_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(StreamDecoder[Frame]):
        def decode(self, packet: bytes, codec: str, about: Frame) -> list[tuple[Frame, object]]:
            raise ZeroDivisionError('of FFmpeg')

    monkeypatch.setattr(stream_module, 'StreamDecoder', Faulty)
    shown = Shown()
    stream = Stream(CameraHealth(10, 0.0), shown.put)
    for number in range(2):
        stream.put(frame(b'', number), 'h264')
    assert [one.error for one in shown.take(2)] == ['ZeroDivisionError: of FFmpeg'] * 2
    stream.close()


def test_a_decoder_that_is_too_slow_begins_anew_with_a_key_frame() -> None:
    packets = camera_packets(moving(2 * GROUP), 'h264')
    health, shown = CameraHealth(10, 0.0), Shown()
    busy = threading.Event()

    def show(one: Frame) -> None:
        busy.wait(60)
        shown.put(one)

    stream = Stream(health, show)
    # One is being decoded, as many as may wait do, and the next one is too many.
    for number in range(MOST_WAITING + 2 + 2 * GROUP):
        stream.put(frame(packets[number % len(packets)], 1 + number), 'h264')
    busy.set()
    last = MOST_WAITING + 2 + 2 * GROUP
    stamps = []
    while not stamps or stamps[-1] < last:
        stamps += [one.stamp_ns for one in shown.take(1)]
    stream.close()
    first_again = next(stamp for stamp in stamps if stamp > MOST_WAITING - 2)
    assert (first_again - 1) % GROUP == 0
    assert health.withheld >= MOST_WAITING
    assert health.withheld_why == ''


def test_the_end_replaces_what_waits() -> None:
    backlog = Backlog()
    backlog.put((frame(b'', 1), 'h264'))
    backlog.put(None)
    assert backlog.get(timeout=60) is None
