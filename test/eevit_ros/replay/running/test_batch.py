"""Many recordings: each done once, bad ones reported, all of them one table in the end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.config
import pytest

from eevit_ros.recordings.open import find_recordings
from eevit_ros.replay import options as replay_options
from eevit_ros.replay.cli import main
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.parameters import classifier_settings
from eevit_ros.replay.results.result import Result
from eevit_ros.replay.results.summary import summarise
from eevit_ros.replay.running import batch
from eevit_ros.replay.running.batch import Job
from eevit_ros.replay.running.pipeline import replay
from eevit_ros.speed.limit import LimitSettings
from harness.bags import images, storage_file, write_bag
from harness.tiny_model import write_tiny_model


@pytest.fixture
def bags(tmp_path: Path) -> Path:
    """A folder of three small bags."""
    folder = tmp_path / 'bags'
    folder.mkdir()
    for number, count in enumerate((5, 9, 7), start=1):
        write_bag(folder / f'run_{number}', images(count, start=40 * number))
    return folder


@pytest.fixture
def make(tmp_path: Path, tiny_path: Path) -> Callable[..., Result]:
    """Replay into `out`; keywords are those of ReplayOptions, `parameters` are NAME:=VALUE."""

    def replayed(*paths: Path, parameters: tuple[str, ...] = (), **more: Any) -> Result:
        settings, given = classifier_settings(None, [f'model:={tiny_path}', *parameters])
        options = ReplayOptions(settings, LimitSettings(), latency='20', given=given)
        return replay(paths, replace(options, **more), tmp_path / 'out')

    return replayed


@pytest.fixture
def tables(tmp_path: Path) -> Callable[[], dict[str, tuple[int, bytes]]]:
    """When each recording's table was written, and what it holds."""

    def read() -> dict[str, tuple[int, bytes]]:
        files = sorted((tmp_path / 'out' / 'sources').glob('*/frames.csv'))
        return {file.parent.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}

    return read


Replayed = Callable[..., Result]
Tables = Callable[[], dict[str, tuple[int, bytes]]]


def test_a_folder_of_recordings_stands_for_all_of_them(tmp_path: Path) -> None:
    folder = tmp_path / 'recordings'
    folder.mkdir()
    for name in ('run_10', 'run_9'):
        write_bag(folder / name, images(1))
    storage_file(folder / 'run_9').unlink()  # a bag still, if a bad one
    (folder / 'single.bag').touch()
    (folder / 'film.mp4').touch()
    (folder / 'notes.txt').touch()
    (folder / 'empty').mkdir()
    names = [path.name for path in find_recordings(folder)]
    assert names == ['film.mp4', 'run_9', 'run_10', 'single.bag']


@pytest.mark.parametrize(
    ('names', 'found'),
    [
        ('a.mp4 b.jpg', 'a.mp4 .'),
        ('a.mp4 a.jpg', 'a.mp4'),  # what a camera shows of its video
        ('a.MOV a.jpg b.jpg', '.'),  # a Live Photo
        ('a.mov a.HEIC', '.'),  # told as a picture that is not read
        ('a.mov b.jpg', 'a.mov .'),
        ('run.bag b.jpg', 'run.bag'),
    ],
)
def test_videos_and_pictures_in_one_folder(tmp_path: Path, names: str, found: str) -> None:
    for name in names.split():
        (tmp_path / name).touch()
    assert find_recordings(tmp_path) == [tmp_path / name for name in found.split()]


def test_anything_else_stands_for_itself(tmp_path: Path) -> None:
    bag, pictures = write_bag(tmp_path / 'bag', images(1)), tmp_path / 'pictures'
    pictures.mkdir()
    (pictures / 'cat').mkdir()
    for path in (bag, pictures, tmp_path / 'nowhere', bag / 'bag.mcap'):
        assert find_recordings(path) == [path]


def test_tables_are_merged_and_summed_up_as_one(make: Replayed, bags: Path, tmp_path: Path) -> None:
    result = make(bags)
    out = tmp_path / 'out'
    for name in ('frames.csv', 'limits.csv'):
        parts = [(out / 'sources' / f'run_{n}' / name).read_text() for n in (1, 2, 3)]
        header = parts[0].splitlines(keepends=True)[0]
        assert (out / name).read_text() == header + ''.join(p.removeprefix(header) for p in parts)
    assert result.summary == summarise(result.frames, result.limits, result.facts)
    assert result.summary['metrics']['frames'] == 21
    assert [row['name'] for row in result.summary['sources']] == ['run_1', 'run_2', 'run_3']
    assert result.problems == []


def test_what_is_done_is_not_done_again(
    make: Replayed, bags: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, before = make(bags), tables()

    def refuse(*_: object) -> None:
        raise AssertionError('a recording is replayed again')

    monkeypatch.setattr(batch, 'RecordingReplay', refuse)
    again = make(bags)
    assert tables() == before
    assert again.summary == first.summary
    # The machine's load is of the moment.
    assert {**again.facts, 'machine': None} == {**first.facts, 'machine': None}


@pytest.mark.parametrize(
    'change',
    [
        {'parameters': ('thresholds:=0.3',)},
        {'parameters': ('frozen_after_frames:=3',)},
        {'governor': LimitSettings(floor=0.1)},
        {'latency': '21'},
        {'real_time': True},
        {'reference': True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_are_other_results(
    make: Replayed, bags: Path, tables: Tables, change: dict[str, Any]
) -> None:
    make(bags)
    before = tables()
    make(bags, **change)
    assert all(tables()[name][0] > written for name, (written, _) in before.items())


def test_of_the_recordings_only_a_changed_one_is_done_again(
    make: Replayed, bags: Path, tables: Tables
) -> None:
    make(bags)
    before = tables()
    for file in (bags / 'run_2').iterdir():
        file.unlink()
    (bags / 'run_2').rmdir()
    write_bag(bags / 'run_2', images(4))
    result = make(bags)
    assert result.summary['metrics']['frames'] == 5 + 4 + 7
    after = tables()
    assert [name for name in before if after[name] != before[name]] == ['run_2']


def test_a_changed_truth_is_read_again(make: Replayed, bags: Path, tmp_path: Path) -> None:
    truth = tmp_path / 'truth.csv'
    for label in ('class 0', 'class 10'):
        truth.write_text(f'first,last,label\n0,4,{label}\n')
        result = make(bags / 'run_1', truth=str(truth))
        assert set(result.frames['truth']) == {label}


def test_changed_latencies_are_read_again(make: Replayed, bags: Path, tmp_path: Path) -> None:
    latency = tmp_path / 'recorded.csv'
    rows = make(bags / 'run_1').frames
    for ms in (10.0, 300.0):
        rows['latency_ms'] = ms
        rows.to_csv(latency, index=False)
        result = make(bags / 'run_1', latency=str(latency))
        assert result.summary['metrics']['latency_p50_ms'] == ms


def test_another_model_under_the_same_name_is_loaded(
    bags: Path, tmp_path: Path, make: Replayed
) -> None:
    model = tmp_path / 'model.onnx'
    answers = []
    for layers in (4, 6):
        write_tiny_model(model, layers=layers)
        result = make(bags, parameters=(f'model:={model}', 'thresholds:=1.0'))
        answers.append(set(result.frames['exit_layer']))
    assert answers == [{4}, {6}]


def test_a_replay_runs_the_form_and_the_policy_that_the_node_would(
    bags: Path, tmp_path: Path, make: Replayed
) -> None:
    model = write_tiny_model(tmp_path / 'model.onnx')
    patience = ('exit_policy:=patience', 'thresholds:=0.5', 'execution:=staged')
    result = make(bags, parameters=(f'model:={model}', *patience))
    assert set(result.frames['exit_layer']) == {2}  # wherever two in a row agree


@pytest.mark.parametrize('left', ['half a table', 'no table', 'half a marker', 'empty folder'])
def test_what_a_killed_run_left_is_done_again(
    make: Replayed, bags: Path, tables: Tables, tmp_path: Path, left: str
) -> None:
    make(bags)
    before = tables()
    folder = tmp_path / 'out' / 'sources' / 'run_2'
    table, marker = folder / 'frames.csv', folder / 'done.json'
    if left == 'half a table':
        table.write_bytes(table.read_bytes()[:100])
        marker.unlink()
    elif left == 'no table':
        table.unlink()
    elif left == 'half a marker':
        marker.write_text(marker.read_text()[:40])
    else:
        for file in folder.iterdir():
            file.unlink()
    result = make(bags)
    assert result.summary['metrics']['frames'] == 21
    assert {name: content for name, (_, content) in tables().items()} == {
        name: content for name, (_, content) in before.items()
    }
    assert tables()['run_1'] == before['run_1']


def test_a_bad_bag_is_left_out_named_and_tried_again(
    make: Replayed, bags: Path, tmp_path: Path
) -> None:
    for file in (bags / 'run_2').glob('*.mcap'):
        file.write_bytes(b'no mcap at all')
    result = make(bags)
    assert result.summary['metrics']['frames'] == 12
    assert [source['name'] for source in result.facts['sources']] == ['run_1', 'run_3']
    (problem,) = result.problems
    assert problem.startswith('run_2 was skipped: ')
    assert str(bags / 'run_2') in problem
    assert not (tmp_path / 'out' / 'sources' / 'run_2').exists()
    assert make(bags).problems == result.problems


def test_nothing_but_bad_bags_is_an_error_that_names_them_all(
    make: Replayed, tmp_path: Path
) -> None:
    with pytest.raises(ReplayError) as refused:
        make(tmp_path / 'nowhere', tmp_path / 'neither')
    assert 'nowhere was skipped: there is no' in str(refused.value)
    assert 'neither was skipped: there is no' in str(refused.value)


def test_unreadable_frames_and_labels_that_the_model_does_not_know_are_problems(
    make: Replayed, tmp_path: Path
) -> None:
    entries = images(4)
    entries[2] = images(1, start=2, encoding='infrared')[0]
    bag = write_bag(tmp_path / 'bag', entries)
    truth = tmp_path / 'truth.csv'
    truth.write_text('first,last,label\n0,1,class 0\n2,3,unicorn\n')
    result = make(bag, truth=str(truth))
    assert result.summary['metrics']['bad'] == 1
    unreadable, unknown = result.problems
    assert unreadable.startswith('bag: 1 frame(s) could not be read, the first is frame 2 at stamp')
    assert 'infrared' in unreadable
    assert "'unicorn'" in unknown


def test_recordings_of_one_name_get_names_of_their_own(make: Replayed, tmp_path: Path) -> None:
    paths = [write_bag(tmp_path / str(n) / 'bag', images(n)) for n in (2, 3, 4)]
    result = make(*paths)
    assert [(s['name'], s['frames'], s['path']) for s in result.facts['sources']] == [
        ('bag', 2, str(paths[0])),
        ('bag-2', 3, str(paths[1])),
        ('bag-3', 4, str(paths[2])),
    ]
    assert result.frames['bag'].value_counts().to_dict() == {'bag': 2, 'bag-2': 3, 'bag-3': 4}


@pytest.mark.parametrize('name', ['20240131', '007', '1e3', 'nan', 'NA', 'true', 'a,"b"'])
def test_a_recording_may_have_any_name(make: Replayed, tmp_path: Path, name: str) -> None:
    result = make(write_bag(tmp_path / name, images(12)))
    (row,) = result.summary['sources']
    assert (row['name'], row['frames']) == (name, 12)
    assert row['adaptive_rate_mean'] == result.summary['metrics']['adaptive_rate_mean'] > 0


def test_limits_are_read_with_all_their_digits(make: Replayed, bags: Path, tmp_path: Path) -> None:
    result = make(bags)
    lines = (tmp_path / 'out' / 'limits.csv').read_text().splitlines()[1:]
    assert [float(line.split(',')[2]) for line in lines] == result.limits['adaptive_rate'].tolist()


def test_a_recording_is_never_taken_for_an_old_result(make: Replayed, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'out' / 'sources' / 'bag', images(3))
    before = sorted(bag.iterdir())
    with pytest.raises(ReplayError, match='which no replay wrote'):
        make(bag)
    assert sorted(bag.iterdir()) == before


def test_a_stopped_batch_goes_on_where_it_was(
    make: Replayed, bags: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def interrupted(*_: Any, **__: Any) -> Any:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return replay_class(*_, **__)

    replay_class = batch.RecordingReplay
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(batch, 'RecordingReplay', interrupted)
        make(bags)
    before = tables()
    result = make(bags)
    assert result.summary['metrics']['frames'] == 21
    assert tables()['run_1'] == before['run_1']


class MayKill(Job):
    """Ends the worker that runs it, if it is named so."""

    def key(self) -> str:
        if self.name == 'deadly':
            os._exit(1)
        return super().key()


@pytest.mark.usefixtures('undrawn')
def test_two_workers_write_what_one_process_writes_without_what_ends_its_worker(
    make: Replayed,
    bags: Path,
    tmp_path: Path,
    tiny_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(bags)
    (tmp_path / 'broken.mcap').write_bytes(b'no mcap at all')
    deadly = write_bag(tmp_path / 'deadly', images(3))
    monkeypatch.setattr('eevit_ros.replay.running.pipeline.Job', MayKill)
    # The deadly one last: whatever waits behind it at a worker would count as a suspect too.
    paths = [*sorted(bags.iterdir()), tmp_path / 'broken.mcap', deadly]
    command = [
        'run', *map(str, paths), '--workers', '2', '--latency', '20', '--model', str(tiny_path),
        '--out', str(tmp_path / 'two'),
    ]  # fmt: skip
    # Two workers that die are proof enough; Dask's default is four.
    with dask.config.set({'distributed.scheduler.allowed-failures': 1}):
        assert main(command) == 3
    assert 'skipped or suspicious: broken.mcap was skipped' in capsys.readouterr().out
    for name in ('frames.csv', 'limits.csv'):
        assert (tmp_path / 'two' / name).read_bytes() == (tmp_path / 'out' / name).read_bytes()
    report = json.loads((tmp_path / 'two' / 'report.json').read_text())
    assert [(source['name'], source['frames']) for source in report['facts']['sources']] == [
        ('run_1', 5),
        ('run_2', 9),
        ('run_3', 7),
    ]
    broken, dead = report['problems']
    assert dead.startswith('deadly was skipped: every process')
    assert broken.startswith('broken.mcap was skipped')


def test_whatever_a_recording_raises_is_its_own_problem(
    make: Replayed, bags: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = replay_options.open_source

    def stumble(path: Path, *more: Any) -> Any:
        return opened(path, *more) if path.name != 'run_2' else 1 / 0

    monkeypatch.setattr(replay_options, 'open_source', stumble)
    result = make(bags)
    assert [row['name'] for row in result.summary['sources']] == ['run_1', 'run_3']
    (problem,) = result.problems
    assert problem.startswith('run_2 was skipped: ZeroDivisionError')


def test_a_link_that_leads_nowhere_harms_no_other_recording(make: Replayed, bags: Path) -> None:
    (bags / 'run_2' / 'lost').symlink_to(bags / 'nowhere')
    assert len(make(bags).summary['sources']) == 3
