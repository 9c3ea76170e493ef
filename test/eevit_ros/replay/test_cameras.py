"""Three cameras of one bag, replayed at once: each row of the table, and the bag it writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from rosbags.highlevel import AnyReader

from eevit_ros.replay.cli import main
from harness.bags import (
    CLASSIFICATION,
    COMPRESSED,
    IMAGE,
    STEP_NS,
    Entry,
    classification,
    compressed,
    image,
    stamp_of,
    write_bag,
)

TOPICS = {'front': '/front/image', 'left': '/cameras/left/compressed', 'rear': '/rear/image'}
GIVEN = [word for name, topic in TOPICS.items() for word in ('--topic', f'{name}={topic}')]
GREYS = {'front': 255, 'left': 130, 'rear': 0}  # leave the tiny model after layer 1, 2, 4
COUNT = 12


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    entries: list[Entry] = []
    for index in range(COUNT):
        stamp = stamp_of(index)
        for place, (name, grey) in enumerate(GREYS.items()):
            kind, make = (COMPRESSED, compressed) if name == 'left' else (IMAGE, image)
            level = abs(grey - index)
            entries.append((TOPICS[name], kind, stamp + place * 1_000_000, make(stamp, level)))
        entries.append(
            ('/front/truth', CLASSIFICATION, stamp, classification(stamp, {'class 1': 1.0}))
        )
    return write_bag(tmp_path_factory.mktemp('cameras') / 'drive', entries)


def run(bag: Path, model: Path, out: Path, *more: str) -> tuple[int, list[dict[str, str]]]:
    code = main(['run', str(bag), '--model', str(model), '--out', str(out), *more])
    table = out / 'frames.csv'
    return code, list(csv.DictReader(table.open())) if table.exists() else []


def by_camera(rows: list[dict[str, str]], column: str) -> dict[str, list[str]]:
    return {name: [row[column] for row in rows if row['camera'] == name] for name in TOPICS}


@pytest.fixture(scope='module')
def every_frame(
    bag: Path, tmp_path_factory: pytest.TempPathFactory, tiny_path: Path
) -> tuple[Path, list[dict[str, str]]]:
    out = tmp_path_factory.mktemp('out')
    more = ['--latency', '20', '--output-bag', '--truth', 'front=/front/truth']
    code, rows = run(bag, tiny_path, out, *GIVEN, *more, '-p', 'rear.rate.floor:=0.1')
    assert code == 0
    return out, rows


def test_as_fast_as_possible_every_frame_of_every_camera_is_answered_in_order(
    every_frame: tuple[Path, list[dict[str, str]]],
) -> None:
    _, rows = every_frame
    assert [row['camera'] for row in rows] == [*TOPICS] * COUNT
    assert [int(row['index']) for row in rows] == [*range(3 * COUNT)]
    assert {row['status'] for row in rows} == {'answered'}
    assert by_camera(rows, 'exit_layer') == {
        'front': ['1'] * COUNT, 'left': ['2'] * COUNT, 'rear': ['4'] * COUNT,
    }  # fmt: skip
    assert set(by_camera(rows, 'truth')['front']) == {'class 1'}
    assert set(by_camera(rows, 'truth')['left']) == {''}


def test_each_camera_has_its_rate_and_the_robot_the_lowest(
    every_frame: tuple[Path, list[dict[str, str]]],
) -> None:
    out, rows = every_frame
    rates = by_camera(rows, 'adaptive_rate')
    assert float(rates['rear'][-1]) == pytest.approx(0.1)
    assert float(rates['front'][-1]) > 0.3
    lowest = [float(row['adaptive_rate']) for row in csv.DictReader((out / 'limits.csv').open())]
    assert lowest and lowest == [pytest.approx(0.1)] * len(lowest)
    cameras = json.loads((out / 'report.json').read_text())['summary']['cameras']
    assert [(row['name'], row['answered']) for row in cameras] == [(n, COUNT) for n in TOPICS]


def test_the_output_bag_has_the_topics_that_the_node_has(
    every_frame: tuple[Path, list[dict[str, str]]],
) -> None:
    out, rows = every_frame
    found: dict[str, list[Any]] = {}
    with AnyReader([out / 'sources' / 'drive' / 'bag']) as reader:
        for connection, _, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic, []).append(message)
    for name in TOPICS:
        own = found[f'/classifier/{name}/frame']
        assert {one.status[0].name for one in own} == {f'classifier: {name} frame'}
        layers = [one.data for one in found[f'/classifier/{name}/exit_layer']]
        assert [str(layer) for layer in layers] == by_camera(rows, 'exit_layer')[name]
        assert len(found[f'/classifier/{name}/classification']) == COUNT
        assert len(found[f'/classifier/{name}/adaptive_rate']) == COUNT
    assert len(found['/classifier/adaptive_rate']) >= 3 * COUNT
    assert '/classifier/frame' not in found and len(found['/classifier/label_info']) == 1
    assert len(found['/cameras/left/compressed']) == len(found['/rear/image/compressed']) == COUNT


def test_in_real_time_the_cameras_take_turns_and_weights_count(
    bag: Path, tmp_path: Path, tiny_path: Path, undrawn: None
) -> None:
    slow = ['--real-time', '--latency', f'{STEP_NS * 1e-6:.3f}']  # one answer a frame of each
    _, rows = run(bag, tiny_path, tmp_path / 'even', *GIVEN, *slow)
    answered = [row for row in rows if row['status'] == 'answered']
    counts = {name: sum(row['camera'] == name for row in answered) for name in TOPICS}
    assert max(counts.values()) - min(counts.values()) <= 1
    assert {row['status'] for row in rows} == {'answered', 'dropped'}
    assert [int(row['index']) for row in rows] == [*range(3 * COUNT)]

    weights = ['-p', 'front.weight:=10.0']
    _, rows = run(bag, tiny_path, tmp_path / 'uneven', *GIVEN, *slow, *weights)
    answered = [row for row in rows if row['status'] == 'answered']
    assert sum(row['camera'] == 'front' for row in answered) > len(answered) / 2


def test_cameras_of_a_parameter_file_have_the_topics_that_the_node_reads(
    bag: Path, tmp_path: Path, tiny_path: Path, undrawn: None
) -> None:
    file = tmp_path / 'robot.yaml'
    file.write_text(
        '/**:\n  ros__parameters:\n    cameras: [front, rear]\n'
        '    front: {rate: {floor: 0.3, attack_s: null}}\n'
    )
    code, rows = run(bag, tiny_path, tmp_path / 'out', '--params', str(file), '--latency', '1')
    assert code == 0
    assert {row['camera'] for row in rows} == {'front', 'rear'}


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--topic', 'front=/front/image', '--topic', '/rear/image'], 'CAMERA=TOPIC'),
        (['--topic', '/front/image', '--topic', '/rear/image'], 'CAMERA=TOPIC'),
        (['--topic', 'front=/front/image', '--topic', 'front=/rear/image'], 'once'),
        (['--topic', 'front=/front/image', '--topic', 'rear=/front/image'], 'the same topic'),
        (['--topic', 'front=/nowhere', '--topic', 'rear=/rear/image'], 'no topic /nowhere'),
        (['--topic', 'frame=/front/image'], 'give that camera another name'),
        ([*GIVEN, '-p', 'cameras:=[front, left]'], 'does not: front, left'),
        (['--topic', '/front/image', '-p', 'cameras:=[front]'], 'does not say of which camera'),
        (['-p', 'cameras:=[front, middle]'], 'no topic /middle/image'),
        ([*GIVEN, '-p', 'frnt.rate.floor:=0.3'], "does not name 'frnt'"),
        ([*GIVEN, '-p', 'rear.rate.floor:=3.0'], "'rear.rate.floor' must be within"),
    ],
)  # fmt: skip
def test_what_is_wrong_about_cameras_is_told(
    bag: Path, tmp_path: Path, tiny_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: list[str], words: str,
) -> None:  # fmt: skip
    code, _ = run(bag, tiny_path, tmp_path / 'out', *arguments)
    assert code == 1
    assert words in capsys.readouterr().err
