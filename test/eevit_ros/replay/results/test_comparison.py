"""Two replays frame by frame: what is alike, what differs, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eevit_ros.replay.cli import main
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.results import comparison
from eevit_ros.replay.results.comparison import Comparison, compare_results
from eevit_ros.replay.results.frame_table import DROPPED, FrameRow
from eevit_ros.replay.results.result import Result
from eevit_ros.replay.results.summary import summarise
from harness.bags import images, write_bag
from harness.tiny_model import write_tiny_model
from test.eevit_ros.replay.made_frames import (
    START_NS,
    drive,
    facts,
    frame_row,
    limits_of,
    table,
    unanswered,
)


@pytest.fixture(autouse=True)
def fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, 'RESAMPLES', 1000)  # quicker, and sure enough


def result(folder: Path, rows: Sequence[FrameRow]) -> Result:
    frames, limits = table(folder, rows), limits_of(rows)
    return Result(frames, limits, summarise(frames, limits, facts()), facts(), [])


def compared(folder: Path, a: Sequence[FrameRow], b: Sequence[FrameRow]) -> Comparison:
    return compare_results(result(folder, a), result(folder, b))


def test_a_replay_differs_in_nothing_from_itself(tmp_path: Path) -> None:
    rows = drive(300)
    same = compared(tmp_path, rows, rows)
    assert same.frames == sum(row.status == 'answered' for row in rows)
    assert (same.only_a, same.only_b, same.different, same.against) == (0, 0, 0.0, 'truth')
    for estimate, value in (
        (same.accuracy, 0), (same.speed_limit, 0), (same.latency, 1), (same.macs, 1),
    ):  # fmt: skip
        assert (estimate.value, estimate.low, estimate.high) == (value, value, value)
    assert same.wrong_distance[0] == same.wrong_distance[1] > 0


def test_what_was_made_to_differ_is_found(tmp_path: Path) -> None:
    a = [frame_row(i, truth='cat', latency_ms=40.0, macs=3000) for i in range(300)]
    b = [
        replace(
            row,
            label='dog' if index % 10 == 0 else 'cat',
            latency_ms=20.0,
            macs=1000,
            speed_limit_percent=90.0,
        )
        for index, row in enumerate(a)
    ]
    found = compared(tmp_path, a, b)
    assert found.different == 0.1
    assert found.accuracy.value == pytest.approx(-0.1)
    assert -0.13 < found.accuracy.low < -0.1 < found.accuracy.high < -0.07
    assert (found.latency.value, found.latency.low, found.latency.high) == (2, 2, 2)
    assert found.macs.value == 3
    assert found.speed_limit.value == pytest.approx(10)


def test_the_interval_covers_the_true_difference_nineteen_times_of_twenty(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(20):
        a = [frame_row(i, truth='cat') for i in range(0, 450, 3)]
        scenes = rng.random(30) < 0.3  # a second each: wrong in all its frames, or in none
        b = [replace(row, label='dog' if scenes[row.index // 15] else 'cat') for row in a]
        accuracy = compared(tmp_path, a, b).accuracy
        covered += accuracy.low <= -0.3 <= accuracy.high
    assert 16 <= covered <= 20  # intervals over single frames cover it about 8 times


def test_neighbouring_frames_count_as_one_block_of_a_second(tmp_path: Path) -> None:
    whole = START_NS // 1_000_000_000 * 1_000_000_000
    rows = [
        frame_row(i, bag=bag, received_ns=whole + i * 250_000_000)
        for bag in ('run_1', 'run_2')
        for i in range(10)
    ]
    assert compared(tmp_path, rows, rows).blocks == 2 * 3


def test_the_interval_does_not_change_from_run_to_run(tmp_path: Path) -> None:
    a, b = drive(150), drive(150, seed=1)
    assert compared(tmp_path, a, b).to_json() == compared(tmp_path, a, b).to_json()


def test_only_frames_that_both_answered_are_compared(tmp_path: Path) -> None:
    a = [frame_row(i) for i in range(10)]
    b = [unanswered(row, DROPPED) if row.index in (2, 3, 4) else row for row in a]
    a[9] = unanswered(a[9], DROPPED)
    found = compared(tmp_path, a, b)
    assert (found.frames, found.only_a, found.only_b) == (6, 3, 1)
    assert found.table['index'].tolist() == [0, 1, 5, 6, 7, 8]


def test_replays_without_a_frame_in_common_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match='no answered frame in common'):
        compared(tmp_path, [frame_row(0)], [frame_row(0, bag='run_2')])


def test_without_truth_right_means_as_at_full_depth_of_a(tmp_path: Path) -> None:
    a = [frame_row(i, reference='cat') for i in range(4)]
    b = [replace(row, reference='dog', label='dog' if row.index < 2 else 'cat') for row in a]
    found = compared(tmp_path, a, b)
    assert (found.against, found.accuracy.value) == ('reference', -0.5)
    assert any('as at full depth of A, B less A: -50.00%' in line for line in found.lines())


def test_without_anything_to_go_by_nobody_is_right_or_wrong(tmp_path: Path) -> None:
    rows = [frame_row(i) for i in range(4)]
    found = compared(tmp_path, rows, rows)
    assert (found.against, found.accuracy) == ('', None)
    assert found.wrong_distance == (None, None)
    assert any('B less A: unknown' in line for line in found.lines())


def test_frames_without_truth_do_not_count_as_wrong(tmp_path: Path) -> None:
    a = [frame_row(i, truth='cat' if i < 4 else '') for i in range(20)]
    b = [replace(row, label='dog' if row.index in (0, 10) else 'cat') for row in a]
    found = compared(tmp_path, a, b)
    assert found.different == 0.1
    assert found.accuracy.value == -0.25


def test_latencies_of_nothing_have_no_ratio(tmp_path: Path) -> None:
    rows = [frame_row(i, latency_ms=0.0) for i in range(4)]
    assert compared(tmp_path, rows, rows).latency is None


def test_the_distance_on_wrong_answers_is_that_of_a_table_added_up_by_hand(tmp_path: Path) -> None:
    def row(index: int, at_s: float, label: str, percent: float, **cells: Any) -> FrameRow:
        received = START_NS + round(at_s * 1e9)
        return frame_row(
            index, label=label, speed_limit_percent=percent, received_ns=received, **cells
        )

    a = [
        row(0, 0.0, 'cat', 100, truth='cat'),  # 0.5 s at 100: 50
        row(1, 0.5, 'dog', 50, truth='cat'),  # 0.5 s at 50: 25, wrong
        row(2, 1.0, 'dog', 20, truth='cat'),  # 4 s, but no more than 1 s of a gap: 20, wrong
        row(3, 5.0, 'cat', 80, truth=''),  # nobody knows
        row(4, 5.5, 'dog', 90, truth='cat'),  # the last: 0 s
        row(0, 9.0, 'dog', 40, truth='cat', bag='run_2'),  # 0.25 s at 40: 10, wrong
        row(1, 9.25, 'cat', 40, truth='cat', bag='run_2'),
    ]
    b = [replace(one, label='cat') for one in a]
    b[1] = replace(b[1], label='dog', speed_limit_percent=10.0)  # 5 of 50 + 5 + 20 + 10
    found = compared(tmp_path, a, b)
    assert found.wrong_distance == pytest.approx((55 / 105, 5 / 85))


NASTY = '<b>&"bag"'


@pytest.fixture(scope='module')
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models that name their classes otherwise, over a bag with a name to escape."""
    folder = tmp_path_factory.mktemp('compare')
    bag = write_bag(folder / NASTY, images(40, start=200))
    plain = write_tiny_model(folder / 'a.onnx')
    names = json.dumps(['<i>red</i>', 'green', 'blue'])
    other = write_tiny_model(folder / 'b.onnx', props={'eevit_class_names': names})
    code = main(
        ['compare', str(bag), '-a', f'model:={plain}', '-b', f'model:={other}',
         '-b', 'thresholds:=1.0', '--latency', '20', '--out', str(folder / 'out')]
    )  # fmt: skip
    assert code == 0
    return folder / 'out'


def test_the_page_shows_the_disagreements_and_escapes_all_names(pages: Path) -> None:
    page = (pages / 'comparison.html').read_text('utf-8')
    assert '<b>&"bag"' not in page
    assert f'{NASTY} at ' in unescape(page)
    assert '<i>red</i>' not in page
    assert 'B: <i>red</i>, layer 4' in unescape(page)
    assert page.count('<img') == 3  # 2.6 s of differing frames, a second apart
    assert '$' not in page.replace('$schema', '')


def test_the_json_holds_the_comparison_and_the_csv_all_frames(pages: Path) -> None:
    data = json.loads((pages / 'comparison.json').read_text('utf-8'))
    assert (data['frames'], data['different'], data['against']) == (40, 1.0, '')
    assert data['latency'] == {'value': 1.0, 'low': 1.0, 'high': 1.0}
    assert data['macs']['value'] == pytest.approx(
        pd.read_csv(pages / 'a' / 'frames.csv')['macs'].sum() / (40 * 4000)
    )
    assert 'table' not in data
    rows = pd.read_csv(pages / 'comparison.csv')
    assert len(rows) == 40
    assert set(rows['label_b']) == {'<i>red</i>'} and set(rows['bag']) == {NASTY}


def test_each_side_is_a_whole_result(pages: Path) -> None:
    for side in ('a', 'b'):
        for name in ('frames.csv', 'limits.csv', 'report.json', 'report.html'):
            assert (pages / side / name).is_file()


@pytest.mark.usefixtures('undrawn')
def test_a_comparison_of_the_same_says_so(tmp_path: Path, tiny_path: Path) -> None:
    bag, model = write_bag(tmp_path / 'bag', images(8)), f'model:={tiny_path}'
    out = tmp_path / 'out'
    command = ['compare', str(bag), '-a', model, '-b', model, '--latency', '20', '--out', str(out)]
    assert main(command) == 0
    assert 'Both answered alike.' in (out / 'comparison.html').read_text('utf-8')
    data = json.loads((out / 'comparison.json').read_text('utf-8'))
    assert data['different'] == 0
    assert data['speed_limit'] == {'value': 0.0, 'low': 0.0, 'high': 0.0}


def test_one_parameter_file_a_side(
    tmp_path: Path, tiny_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['compare', str(tmp_path), '-a', 'one.yaml', '-a', 'two.yaml']) == 1
    assert 'one.yaml, two.yaml' in capsys.readouterr().err
