"""Replays of a bag with a detector: what becomes of each box, and what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eevit_ros.regions.pairing import KEPT
from eevit_ros.replay.cli import main
from eevit_ros.replay.results.frame_table import ANSWERED
from harness.bags import (
    CAMERA,
    DETECTIONS,
    IMAGE,
    ROS2,
    Entry,
    detections,
    header,
    images,
    stamp_of,
    write_bag,
)
from test.eevit_ros.replay.written_bags import read

DETECTOR, TRUE = '/detector/boxes', '/detector/truth'
LATE_NS = 40_000_000
SIDE = 40
GREYS = (255, 130, 0)  # leave the tiny model after layer 1, 2, 4 of 4
BOXES = [(SIDE * i + SIDE / 2, SIDE / 2, SIDE, SIDE, 'thing') for i in range(3)]


def three_squares(index: int, shift: int) -> Entry:
    """Return an image of a white, a grey and a black square, which change places."""
    row = np.repeat(np.roll(np.array(GREYS, np.uint8), shift), SIDE)
    pixels = np.broadcast_to(row[None, :, None], (SIDE, 3 * SIDE, 3)).copy()
    pixels[0, 0, 0] = index
    message = ROS2.types[IMAGE](
        header=header(stamp_of(index)),
        height=SIDE,
        width=3 * SIDE,
        encoding='rgb8',
        is_bigendian=0,
        step=9 * SIDE,
        data=pixels.ravel(),
    )
    return CAMERA, IMAGE, stamp_of(index) + 5_000_000, message


def found(
    index: int, boxes: Any = BOXES, topic: str = DETECTOR, late_ns: int = LATE_NS, **more: Any
) -> Entry:
    return topic, DETECTIONS, stamp_of(index) + late_ns, detections(stamp_of(index), boxes, **more)


def write(path: Path, entries: list[Entry]) -> Path:
    return write_bag(path, sorted(entries, key=lambda entry: entry[2]))


@pytest.fixture
def options(tmp_path: Path, tiny_path: Path) -> list[str]:
    """Options of all runs; time enough on any computer."""
    return [
        *('--model', str(tiny_path), '--out', str(tmp_path / 'out'), '--latency', '20'),
        *('-p', 'regions:=true', '-p', 'regions_budget_ms:=60000.0', '-p', 'region_margin:=0.0'),
    ]


def table(folder: Path, name: str = 'regions.csv') -> pd.DataFrame:
    return pd.read_csv(folder / 'out' / name, keep_default_na=False)


def test_every_box_has_a_row_with_its_exit_and_truth(tmp_path: Path, options: list[str]) -> None:
    true = [(x + 4, y, width, height, 'class 0') for x, y, width, height, _ in BOXES[:2]]
    entries = [three_squares(i, i) for i in range(3)] + [found(i) for i in range(3)]
    entries += [found(i, true, TRUE) for i in range(3)]
    bag = write(tmp_path / 'bag', entries)
    assert main(['run', str(bag), *options, '--truth', TRUE, '--output-bag']) == 0
    regions = table(tmp_path)
    assert list(regions['exit_layer']) == [1, 2, 4, 4, 1, 2, 2, 4, 1]
    assert set(regions['status']) == {'answered'}
    assert list(regions['truth']) == ['class 0', 'class 0', ''] * 3
    assert set(regions['detected']) == {'thing'}
    frames = table(tmp_path, 'frames.csv')
    assert list(frames['exit_layer']) == [4] * 3  # the hardest region's
    assert list(frames['age_ms']) == pytest.approx([LATE_NS / 1e6 + 20] * 3)
    sent = read(tmp_path / 'out' / 'sources' / 'bag' / 'bag')['/classifier/regions']
    assert len(sent) == 3
    for _, message in sent:
        for one in message.detections:
            scores = [x.hypothesis.score for x in one.results]
            assert scores == sorted(scores, reverse=True)
            assert {x.hypothesis.class_id for x in one.results} == {f'class {i}' for i in range(3)}
            assert one.bbox.size_x == SIDE
    assert 'Regions' in (tmp_path / 'out' / 'report.html').read_text()


@pytest.mark.usefixtures('undrawn')
def test_what_does_not_fit_together_is_told(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another camera's, too late, none at all, none in the frame, unusable ones."""
    entries = [three_squares(i, 0) for i in range(6)]
    entries += [
        found(0, frame_id='rear'),
        found(1, late_ns=2_000_000_000),
        found(3, []),
        found(4, [(1e9, 0, 5, 5, ''), (0, 0, 0, 0, ''), (float('nan'), 0, 5, 5, '')]),
        found(5),
    ]
    bag = write(tmp_path / 'bag', entries)
    assert main(['run', str(bag), *options]) == 3
    said = capsys.readouterr().out
    assert '3 frame(s) were not answered' in said
    assert '2 message(s) of detections fit no frame' in said
    frames = table(tmp_path, 'frames.csv').set_index('index')
    assert list(frames.sort_index()['status']) == ['unasked'] * 5 + ['answered']
    assert list(table(tmp_path)['notes'])[:3] == ['outside', 'under 2 pixels', 'not finite']


@pytest.mark.usefixtures('undrawn')
def test_without_a_box_the_rate_is_held_or_falls(tmp_path: Path, options: list[str]) -> None:
    box = [(SIDE / 2, SIDE / 2, SIDE, SIDE, '')]  # white: easy
    tiny = [(SIDE / 2, SIDE / 2, 0.5, 0.5, '')]
    for choice, boxes, last in (('hold', [], 1.0), ('floor', [], 0.2), ('hold', tiny, 0.2)):
        entries = [three_squares(i, 0) for i in range(45)]
        entries += [found(i, box if i < 35 else boxes) for i in range(45)]
        bag = write(tmp_path / f'{choice}{len(boxes)}', entries)
        assert main(['run', str(bag), *options, '-p', f'no_regions:={choice}']) == 0
        assert table(tmp_path, 'limits.csv')['adaptive_rate'].iloc[-1] == last


@pytest.mark.usefixtures('undrawn')
def test_a_slow_network_drops_frames_but_none_for_those_without_detections(
    tmp_path: Path, options: list[str]
) -> None:
    entries = [three_squares(i, 0) for i in range(12)] + [found(i) for i in range(0, 12, 3)]
    bag = write(tmp_path / 'bag', entries)
    slow = [*options, '--real-time', '--latency', '150']
    assert main(['run', str(bag), *slow]) == 3
    assert table(tmp_path, 'frames.csv')['status'].value_counts().to_dict() == {
        'unasked': 8,
        'answered': 4,
    }


@pytest.mark.parametrize(
    ('arguments', 'word'),
    [
        (['--detections', '/nothing'], DETECTOR),
        (['--truth', CAMERA], 'Detection2DArray'),
        (['-p', 'regions:=false', '--detections', DETECTOR], 'regions:=true'),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path,
    options: list[str],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    word: str,
) -> None:
    bag = write(tmp_path / 'bag', [three_squares(0, 0), found(0)])
    assert main(['run', str(bag), *options, *arguments]) == 1
    assert word in capsys.readouterr().err


def test_regions_need_a_detector(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write(tmp_path / 'bag', images(1))
    assert main(['run', str(bag), *options]) == 1
    assert 'Detection2DArray' in capsys.readouterr().err
    assert main(['tune', str(bag), *options[:4], '-p', 'regions:=true']) == 1


def test_an_image_waits_for_no_more_images_than_in_the_node(
    tmp_path: Path, options: list[str]
) -> None:
    count, late_ns = KEPT + 10, 3_000_000_000
    entries = [three_squares(i, 0) for i in range(count)]
    entries += [found(i, late_ns=late_ns) for i in range(count)]
    bag = write(tmp_path / 'bag', entries)
    assert main(['run', str(bag), *options, '-p', 'regions_wait_s:=3.5']) == 3
    frames = table(tmp_path, 'frames.csv').sort_values('index')
    assert (frames['status'] == ANSWERED).tolist() == [False] * 10 + [True] * KEPT
