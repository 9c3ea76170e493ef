"""The node before a camera that sends video."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import CompressedImage

from harness.classifier_peer import (
    BLACK,
    ERROR,
    PATIENT,
    WHITE,
    ClassifierPeer,
    compressed_bytes,
    compressed_image,
    key_values,
    pixels,
    stamp_now,
)
from harness.paths import ROOT
from harness.ros_process import NodeProcess, RosPeer
from harness.videos import GROUP, camera_packets

CAMERA = ['-r', 'image:=/camera', *PATIENT]


@contextmanager
def node(model: Path, transport: str, kind: Any) -> Iterator[ClassifierPeer]:
    log = model.parent / f'{transport}.log'
    arguments = [*CAMERA, '-p', f'model:={model}', '-p', f'image_transport:={transport}']
    with RosPeer() as peer, NodeProcess(peer.domain_id, arguments, log) as process:
        yield ClassifierPeer(peer, process, camera_topic=f'/camera/{transport}', camera_type=kind)
        assert 'Traceback' not in process.output()


@pytest.fixture(scope='module')
def compressed(model: Path) -> Iterator[ClassifierPeer]:
    with node(model, 'compressed', CompressedImage) as peer:
        yield peer


@pytest.fixture(scope='module')
def ffmpeg(model: Path) -> Iterator[ClassifierPeer]:
    with node(model, 'ffmpeg', packet_class()) as peer:
        yield peer


def packet_class() -> Any:
    return pytest.importorskip('ffmpeg_image_transport_msgs.msg').FFMPEGPacket


def stream(grey: int, codec: str = 'h264') -> list[bytes]:
    """Return video of one brightness, to be sent again and again."""
    return camera_packets([pixels(grey, 48, 64) for _ in range(2 * GROUP)], codec)


def camera(packets: list[bytes], make: Callable[[bytes], Any]) -> Callable[[], Any]:
    """Return what gives the next message at each call."""
    turns = itertools.cycle(packets)
    return lambda: stamp_now(make(next(turns)))


def ffmpeg_packet(packet: bytes) -> Any:
    message = packet_class()(width=64, height=48, encoding='libx264')
    message.data.frombytes(packet)
    return message


@pytest.mark.parametrize('codec', ['h264', 'hevc'])
@pytest.mark.parametrize(('grey', 'layer'), [(WHITE, 1), (BLACK, 4)])
def test_video_in_compressed_images_is_answered(
    compressed: ClassifierPeer, codec: str, grey: int, layer: int
) -> None:
    send = camera(stream(grey, codec), lambda packet: compressed_bytes(packet, codec))
    compressed.forget()
    answer = compressed.until_answer(send)
    assert answer['exit_layer'] == str(layer)
    assert compressed.frames[-1].header.frame_id == 'camera_optical'


def test_pictures_may_follow_video(compressed: ClassifierPeer) -> None:
    compressed.forget()
    assert compressed.until_answer(lambda: compressed_image(BLACK))['exit_layer'] == '4'


def test_video_without_a_key_frame_is_told_and_slows_the_robot(compressed: ClassifierPeer) -> None:
    white = stream(WHITE)
    good = camera(white, lambda packet: compressed_bytes(packet, ''))
    compressed.until_rate(lambda rate: rate > 0.4, good)
    late = camera(white[1:GROUP], lambda packet: compressed_bytes(packet, ''))
    report = compressed.until_report(
        'key frame', lambda: compressed.camera.publish(late()), level=ERROR
    )
    assert int(key_values(report)['withheld']) > 0
    compressed.until_rate(lambda rate: rate == pytest.approx(0.2), late)
    compressed.until_rate(lambda rate: rate > 0.4, good)


def test_video_goes_on_after_the_node_was_inactive(compressed: ClassifierPeer) -> None:
    send = camera(stream(WHITE), lambda packet: compressed_bytes(packet, 'h264'))
    compressed.until_answer(send)
    assert compressed.change_state('deactivate')
    assert compressed.change_state('activate')
    compressed.forget()
    assert compressed.until_answer(send)['exit_layer'] == '1'


def test_a_camera_that_films_one_picture_is_frozen(compressed: ClassifierPeer) -> None:
    # The key frame alone: what an encoder makes of the pictures after it may differ a little.
    key, *_ = camera_packets([pixels(WHITE, 48, 64)] * 2, 'h264')
    send = camera([key], lambda packet: compressed_bytes(packet, 'h264'))
    compressed.until_report('camera frozen', lambda: compressed.camera.publish(send()), ERROR)


def test_ffmpeg_packets_are_answered(ffmpeg: ClassifierPeer) -> None:
    assert ffmpeg.until_answer(camera(stream(WHITE), ffmpeg_packet))['exit_layer'] == '1'


def test_foxglove_video_is_answered_under_its_own_stamp(model: Path) -> None:
    video = pytest.importorskip('foxglove_msgs.msg').CompressedVideo
    turns = itertools.cycle(stream(WHITE, 'hevc'))
    sent: set[tuple[int, int]] = set()

    def send() -> None:
        message = video(frame_id='front', format='h265')
        message.data.frombytes(next(turns))
        message.timestamp = stamp_now(CompressedImage()).header.stamp
        sent.add((message.timestamp.sec, message.timestamp.nanosec))
        peer.camera.publish(message)

    with node(model, 'foxglove', video) as peer:
        header = peer.until(lambda: peer.frames, 'an answer', send)[0].header
        assert (header.stamp.sec, header.stamp.nanosec) in sent
        assert header.frame_id == 'front'


def test_a_codec_that_is_not_read_is_named(ffmpeg: ClassifierPeer) -> None:
    def send() -> None:
        message = ffmpeg_packet(b'\x12\0\x0a\x0b\0\0\0\x24')
        message.encoding = 'av1;yuv420p'
        ffmpeg.camera.publish(stamp_now(message))

    ffmpeg.until_report("codec 'av1", send, ERROR)


@pytest.mark.parametrize(
    ('missing', 'cure'),
    [
        ('av', 'pip install'),
        ('ffmpeg_image_transport_msgs', 'apt install ros-$ROS_DISTRO-ffmpeg-image-transport-msgs'),
    ],
)
def test_what_is_not_installed_is_told_at_the_start(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, cure: str
) -> None:
    packet_class()
    (tmp_path / f'{missing}.py').write_text(f'raise ImportError("no {missing} here")\n')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path) + os.pathsep + os.environ.get('PYTHONPATH', ''))
    arguments = [*CAMERA, '-p', f'model:={model}', '-p', 'image_transport:=ffmpeg']
    with (
        RosPeer() as peer,
        NodeProcess(peer.domain_id, arguments, tmp_path / 'node.log') as process,
    ):
        assert process.wait() == 2
        assert cure in process.output()


def test_a_node_that_sees_no_video_does_not_load_pyav() -> None:
    code = (
        'import sys\n'
        'from eevit_ros.images.decoder import Decoder\n'
        'import eevit_ros.nodes.classifier.node\n'
        'Decoder().compressed(open(0, "rb").read(), "jpeg")\n'
        'assert "av" not in sys.modules'
    )
    jpeg = bytes(compressed_image(WHITE).data)
    subprocess.run([sys.executable, '-c', code], input=jpeg, cwd=ROOT, check=True, timeout=120)
