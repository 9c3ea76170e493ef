"""Which topic a camera's images are on: found by itself, or named with the arguments to give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from eevit_ros.nodes.classifier.camera import TYPES, Camera  # noqa: E402
from eevit_ros.nodes.classifier.image_topics import candidates, other_images  # noqa: E402
from eevit_ros.parameters.topics import IMAGE  # noqa: E402
from eevit_ros.perception.process_stall import ProcessStall  # noqa: E402
from harness.classifier_peer import (  # noqa: E402
    ERROR,
    PATIENT,
    WHITE,
    ClassifierPeer,
    compressed_image,
    key_values,
)
from harness.ros_process import NodeProcess, RosPeer  # noqa: E402

X = '/camera/image_raw'


@pytest.mark.parametrize(
    ('image', 'transport', 'names'),
    [
        (X, 'raw', [X]),
        (X, 'compressed', [f'{X}/compressed', X]),
        (f'{X}/compressed', 'compressed', [f'{X}/compressed']),
        (f'{X}/compressed', 'raw', [f'{X}/compressed']),
        ('/camera/compressed_image', 'compressed', ['/camera/compressed_image/compressed',
                                                    '/camera/compressed_image']),
    ],
)  # fmt: skip
def test_the_full_name_and_the_name_without_transport_both_do(
    image: str, transport: str, names: list[str]
) -> None:
    assert candidates(image, transport) == names


@pytest.mark.parametrize(
    ('published', 'image', 'transport', 'arguments'),
    [
        ({f'{X}/compressed': CompressedImage}, X, 'raw', 'image_transport:=compressed'),
        ({X: Image}, X, 'compressed', 'image_transport:=raw'),
        (
            {f'{X}/compressed': CompressedImage},
            f'{X}/compressed',
            'raw',
            'image_transport:=compressed',
        ),
        ({X: Image}, '/image', 'raw', f'image:={X}'),
        ({X: Image}, f'{X}/compressed', 'compressed', f'image:={X} image_transport:=raw'),
        (
            {'/jpeg': CompressedImage},
            '/image',
            'raw',
            'image:=/jpeg image_transport:=compressed',
        ),
        ({X: Image, f'{X}/compressed': CompressedImage}, '/image', 'raw', f'image:={X}'),
        ({'/test_peer/annotated/compressed': CompressedImage}, '/image', 'raw', ''),
        ({}, X, 'raw', ''),
    ],
)
def test_images_elsewhere_are_named_with_the_arguments_for_them(
    peer: RosPeer, published: dict[str, Any], image: str, transport: str, arguments: str
) -> None:
    publishers = [peer.node.create_publisher(kind, topic, 1) for topic, kind in published.items()]
    # What somebody only waits for is not there.
    waits = peer.node.create_subscription(Image, '/nowhere', print, 1)

    def said() -> str:
        return other_images(peer.node, image, transport, TYPES, anywhere=True)

    try:
        peer.until(
            lambda: all(peer.node.count_publishers(topic) for topic in published), 'the publishers'
        )
        first = said().split(', ')[0]
        assert first.partition('give ')[2] == arguments
    finally:
        peer.node.destroy_subscription(waits)
        for publisher in publishers:
            peer.node.destroy_publisher(publisher)
        peer.until(
            lambda: not any(peer.node.count_publishers(topic) for topic in published), 'the end'
        )


def test_many_images_elsewhere_are_named_in_part(peer: RosPeer) -> None:
    topics = [f'/camera_{n}/image_raw' for n in range(5)]
    publishers = [peer.node.create_publisher(Image, topic, 1) for topic in topics]
    peer.until(lambda: all(map(peer.node.count_publishers, topics)), 'the publishers')
    assert other_images(peer.node, X, 'raw', TYPES, anywhere=False) == ''
    said = other_images(peer.node, X, 'raw', TYPES, anywhere=True)
    assert said.count('give image:=') == 3 and '2 more' in said
    for publisher in publishers:
        peer.node.destroy_publisher(publisher)
    peer.until(lambda: not any(map(peer.node.count_publishers, topics)), 'the end')


@pytest.mark.parametrize(
    ('rule', 'topic'),
    [
        (f'image:={X}/compressed', f'{X}/compressed'),
        ('image:=/camera/jpeg', '/camera/jpeg'),
        ('image/compressed:=/camera/jpeg', '/camera/jpeg'),  # as for image_transport
    ],
)
def test_a_compressed_topic_is_reached_by_its_full_name(
    peer: RosPeer, model: Path, tmp_path: Path, rule: str, topic: str
) -> None:
    arguments = ['-r', rule, '-p', 'image_transport:=compressed', *PATIENT]
    command = [*arguments, '-p', f'model:={model}']
    with NodeProcess(peer.domain_id, command, tmp_path / 'log') as process:
        process.wait_for_output('waiting for images')
        node = ClassifierPeer(peer, process, camera_topic=topic, camera_type=CompressedImage)
        assert node.until_answer(lambda: compressed_image(WHITE))['exit_layer'] == '1'
        report = node.until_report('answered', lambda: node.camera.publish(compressed_image(WHITE)))
        assert key_values(report)['image_topic'] == topic
        assert f'not on {topic}\n' not in process.output()
        peer.node.destroy_publisher(node.camera)


def test_the_wrong_transport_is_told_after_time_for_discovery(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    arguments = ['-r', f'image:={X}', '-p', f'model:={model}', *PATIENT]
    with NodeProcess(peer.domain_id, arguments, tmp_path / 'log') as process:
        node = ClassifierPeer(
            peer, process, camera_topic=f'{X}/compressed', camera_type=CompressedImage
        )
        node.until(lambda: node.reports, 'a report')
        first = node.reports[0].status[0]
        assert (first.level, 'waiting' in first.message) == (b'\x00', True)
        node.until_report('give image_transport:=compressed', level=ERROR)
        process.wait_for_output('give image_transport:=compressed')
        line = next(x for x in process.output().splitlines() if 'give image_transport' in x)
        assert line.replace(f'{X}/compressed', '').count(X) == 1
        peer.node.destroy_publisher(node.camera)


@pytest.mark.parametrize(('transport', 'taken'), [('raw', [4]), ('compressed', [0, 1, 2, 3, 4])])
def test_only_the_newest_of_the_raw_images_that_waited_is_taken(
    peer: RosPeer, transport: str, taken: list[int]
) -> None:
    """Of the others each may be a packet of video."""
    shown: list[int] = []
    camera = Camera(peer.node, '', transport, 10, ProcessStall(60.0, 0.0))
    camera.open(lambda frame: shown.append(frame.header.stamp.sec))
    kind = Image if transport == 'raw' else CompressedImage
    publisher = peer.node.create_publisher(kind, camera.topic, 10)
    try:
        peer.until(lambda: publisher.get_subscription_count() == 1, 'the camera')
        for second in range(5):
            publisher.publish(kind(header=Header(stamp=Time(sec=second))))
        peer.until(lambda: len(shown) >= len(taken), 'the images')
        assert shown == taken
    finally:
        camera.close()
        peer.node.destroy_publisher(publisher)


def test_video_in_raw_images_may_wait(peer: RosPeer) -> None:
    camera = Camera(peer.node, '', 'raw', 10, ProcessStall(60.0, 0.0))
    camera.open(print)
    publisher = peer.node.create_publisher(Image, camera.topic, 10)
    try:
        peer.until(
            lambda: camera.publishers() and camera.health.received > 0,
            'a packet',
            each=lambda: publisher.publish(Image(encoding='h264')),
        )
        camera.publishers()
        (found,) = (x for x in peer.node.subscriptions if x.topic_name == camera.topic)
        assert found.qos_profile.depth == IMAGE.depth
    finally:
        camera.close()
        peer.node.destroy_publisher(publisher)
