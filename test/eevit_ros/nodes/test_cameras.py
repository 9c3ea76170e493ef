"""Three cameras on one classifier: each for itself, and the lowest rate of all."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32

from eevit_ros.replay.cli import main
from harness import bags
from harness.classifier_peer import (
    BLACK,
    ERROR,
    MIDDLE,
    PATIENT,
    WHITE,
    ClassifierPeer,
    compressed_image,
    key_values,
    raw_image,
    stamp_now,
)
from harness.ros_process import NodeProcess, RosPeer

NAMES = ('front', 'left', 'rear')
GIVEN = [
    'cameras:=[front,left,rear]',
    'left.image_transport:=compressed',
    'rear.rate.floor:=0.1',
    'rear.frozen_after_frames:=3',
    'frnt.rate.floor:=0.1',
]
FLOOR = pytest.approx(0.2, abs=1e-3)


class Robot:
    """The node, a peer for each camera, and ears for the lowest rate."""

    def __init__(self, peer: RosPeer, process: NodeProcess, model: Path) -> None:
        kinds = {'left': CompressedImage}
        topics = {'left': '/left/image/compressed', 'rear': '/camera/rear'}
        self.cameras = {
            name: ClassifierPeer(
                peer,
                process,
                camera_topic=topics.get(name, f'/{name}/image'),
                camera_type=kinds.get(name, Image),
                name=f'/classifier/{name}',
            )
            for name in NAMES
        }
        self.node = ClassifierPeer(peer, process)
        self.model = model
        self.lowest: list[Float32] = self.node.rates

    def send(self, **greys: int) -> Callable[[], None]:
        """Return what sends each camera an image of its brightness, white unless given."""

        def all_of_them() -> None:
            for name, camera in self.cameras.items():
                if (grey := greys.get(name, WHITE)) is not None:
                    camera.camera.publish(image_of(name, grey))

        return all_of_them

    def until_lowest(self, expected: Any, each: Callable[[], None]) -> None:
        self.lowest.clear()
        self.node.until(
            lambda: self.lowest and self.lowest[-1].data == expected, f'{expected} at last', each
        )

    def until_rates(self, each: Callable[[], None], **expected: Any) -> None:
        """Wait until cameras have these rates, and the others full ones; then the lowest is out."""
        wanted = {name: expected.get(name, 1.0) for name in NAMES}

        def are_there() -> bool:
            rates = {name: camera.rates for name, camera in self.cameras.items()}
            return all(rates[name] and rates[name][-1].data == wanted[name] for name in NAMES)

        self.node.until(are_there, f'the rates {expected}', each)
        lowest = pytest.approx(min([1.0, *(one.expected for one in expected.values())]), abs=1e-3)
        self.until_lowest(lowest, each)

    def report_of(self, camera: str, text: str, each: Callable[[], None]) -> Any:
        """Wait for a report of one camera."""
        reports = self.node.reports
        reports.clear()
        name = f'classifier: {camera} perception'
        return self.node.until(
            lambda: next(
                (r for r in reports if r.status[0].name == name and text in r.status[0].message),
                None,
            ),
            f'{text!r} of {camera}',
            each,
        )


def image_of(camera: str, grey: int) -> Any:
    return compressed_image(grey) if camera == 'left' else raw_image(grey)


@pytest.fixture(scope='module')
def robot(peer: RosPeer, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    arguments = [*PATIENT, '-p', f'model:={model}', '-r', 'rear/image:=/camera/rear']
    arguments += [word for one in GIVEN for word in ('-p', one)]
    log = tmp_path_factory.mktemp('cameras') / 'log'
    with NodeProcess(peer.domain_id, arguments, log) as process:
        yield Robot(peer, process, model)


@pytest.fixture(autouse=True)
def at_full_rate(robot: Robot) -> None:
    robot.until_lowest(1.0, robot.send())


def test_each_answers_under_its_own_name_and_nothing_of_one_comes_without(robot: Robot) -> None:
    greys = {'front': WHITE, 'left': MIDDLE, 'rear': BLACK}
    layers = {}
    for name, camera in robot.cameras.items():
        grey = greys[name]
        layers[name] = camera.until_answer(lambda n=name, g=grey: image_of(n, g))['exit_layer']
        assert {a.status[0].name for a in camera.frames} == {f'classifier: {name} frame'}
        assert camera.classifications[-1].header.frame_id == 'camera_optical'
    assert layers == {'front': '1', 'left': '2', 'rear': '4'}
    own = {topic for topic, _ in robot.node.peer.node.get_topic_names_and_types()}
    assert '/classifier/label_info' in own
    assert robot.node.frames == robot.node.classifications == []


@pytest.mark.parametrize(('hard', 'floor'), [('front', 0.2), ('left', 0.2), ('rear', 0.1)])
def test_the_lowest_rate_is_that_of_the_camera_with_the_hardest_scene(
    robot: Robot, hard: str, floor: float
) -> None:
    expected = {hard: pytest.approx(floor, abs=1e-3)}
    robot.until_rates(robot.send(**{hard: BLACK}), **expected)


FAULTS: dict[str, tuple[str, Callable[[], Any] | None, str]] = {
    'silent': ('front', None, 'no image on /front/image for'),
    'unknown encoding': ('front', lambda: raw_image(WHITE, encoding='rgb565'), 'rgb565'),
    'no JPEG': ('left', lambda: _no_jpeg(), 'bad frame'),
    'frozen': ('rear', lambda: _same_again(), 'camera frozen: the same frame came'),
    'blind': ('rear', lambda: _without_contrast(), 'sees nothing in'),
}


def _no_jpeg() -> CompressedImage:
    message = compressed_image(WHITE)
    message.data = message.data[: len(message.data) // 2]
    return message


_SAME = raw_image(WHITE)


def _same_again() -> Image:
    _SAME.header = raw_image(WHITE).header
    return _SAME


def _without_contrast() -> Image:
    message = raw_image(WHITE)
    for index in range(len(message.data)):
        message.data[index] = 250
    message.data[0] = raw_image(WHITE).data[0]  # but not the same picture again
    return message


@pytest.mark.parametrize('fault', FAULTS)
def test_what_goes_wrong_at_one_camera_is_its_own_matter_but_for_the_lowest_rate(
    robot: Robot, fault: str
) -> None:
    wrong, make, text = FAULTS[fault]
    others = {name: camera for name, camera in robot.cameras.items() if name != wrong}

    def send() -> None:
        for name, camera in robot.cameras.items():
            message = image_of(name, WHITE) if name in others else make and make()
            if message:
                camera.camera.publish(message)

    robot.until_rates(send, **{wrong: pytest.approx(0.1 if wrong == 'rear' else 0.2, abs=1e-3)})
    report = robot.report_of(wrong, text, send)
    assert report.status[0].level == ERROR
    for name in others:
        assert robot.report_of(name, 'frames answered', send).status[0].level == b'\x00'
    robot.until_lowest(1.0, robot.send())


def test_a_camera_that_floods_starves_no_other(robot: Robot) -> None:
    robot.node.set_parameters(front__weight=0.01)  # not even with a hundredth of the turns

    def send() -> None:
        for _ in range(20):
            robot.cameras['rear'].camera.publish(raw_image(WHITE))
        robot.cameras['front'].camera.publish(raw_image(WHITE))

    front = robot.cameras['front'].frames
    front.clear()
    robot.node.until(lambda: len(front) >= 5, 'five answers to the quiet camera', send)
    assert robot.node.set_parameters(front__weight=1.0) == ''


def test_a_camera_has_the_common_parameter_until_it_gets_its_own(robot: Robot) -> None:
    assert robot.node.set_parameters(rate__floor=0.4) == ''
    common, own = (pytest.approx(floor, abs=1e-3) for floor in (0.4, 0.3))
    robot.until_rates(robot.send(left=BLACK), left=common)
    assert robot.node.set_parameters(left__rate__floor=0.3) == ''
    robot.until_rates(robot.send(left=BLACK, front=BLACK), front=common, left=own)
    assert robot.node.set_parameters(rate__floor=0.2, left__rate__floor=0.2) == ''


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('front__rate__floor', 2.0, 'front.rate.floor'),
        ('front__rate__mappings', ['speed'], 'front.rate.mappings'),
        ('front__image_transport', 'compressed', 'fixed while the node is configured'),
        ('front__rate__min_confidence', 'high', 'front.rate.min_confidence'),
        ('cameras', ['front'], 'read at start'),
    ],
)
def test_a_wrong_change_is_refused_with_the_cameras_name(
    robot: Robot, name: str, value: object, reason: str
) -> None:
    assert reason in robot.node.set_parameters(**{name: value})


def test_parameters_of_a_camera_that_is_not_declared_are_warned_of(robot: Robot) -> None:
    said = robot.node.process.output()
    assert "parameter 'frnt.rate.floor' is unknown and ignored: 'cameras' does not name" in said


def test_diagnostics_count_each_camera_for_itself(robot: Robot) -> None:
    values = key_values(robot.report_of('rear', 'frames answered', robot.send()))
    assert values['image_topic'] == '/camera/rear'
    assert int(values['received']) >= int(values['answered']) + int(values['dropped']) - 1


def test_a_replay_of_the_three_gives_the_answers_that_the_node_gives(
    robot: Robot, tmp_path: Path
) -> None:
    topics = {'front': '/front/image', 'left': '/left/image/compressed', 'rear': '/camera/rear'}
    entries: list[bags.Entry] = []
    for index, grey in enumerate((255, 210, 130, 60, 0)):
        stamp = bags.stamp_of(index)
        for name, topic in topics.items():
            kind = bags.COMPRESSED if name == 'left' else bags.IMAGE
            make = bags.compressed if name == 'left' else bags.image
            entries.append((topic, kind, stamp, make(stamp, abs(grey - len(entries)))))
    bag = bags.write_bag(tmp_path / 'bag', entries)
    out = tmp_path / 'out'
    named = [word for name, topic in topics.items() for word in ('--topic', f'{name}={topic}')]
    assert main(['run', str(bag), '--model', str(robot.model), '--out', str(out), *named]) == 0
    rows = list(csv.DictReader((out / 'frames.csv').open()))
    assert len({row['exit_layer'] for row in rows}) == 3

    for row, (topic, kind, _, recorded) in zip(rows, entries, strict=True):
        camera = robot.cameras[row['camera']]
        assert camera.camera_topic == topic

        def message(kind: str = kind, recorded: Any = recorded) -> Any:
            sent: Any = CompressedImage() if kind == bags.COMPRESSED else Image()
            for name in sent.get_fields_and_field_types().keys() - {'header', 'data'}:
                setattr(sent, name, getattr(recorded, name))
            sent.data.frombytes(bytes(recorded.data))
            return stamp_now(sent)

        camera.forget()
        answer = camera.until_answer(message)
        told = ('label', 'exit_layer', 'depth', 'mounting')
        assert [answer[name] for name in told] == [
            row['label'], row['exit_layer'], f'{float(row["depth"]):.6f}', 'none'
        ]  # fmt: skip
        assert answer['confidence'] == f'{float(row["confidence"]):.6f}'


def test_another_life_begins_with_all_cameras(robot: Robot) -> None:
    assert robot.node.change_state('deactivate') and robot.node.change_state('cleanup')
    assert robot.node.set_parameters(front__image_transport='raw') == ''
    assert robot.node.change_state('configure') and robot.node.change_state('activate')
    robot.until_lowest(1.0, robot.send())
    assert 'Traceback' not in robot.node.process.output()
