"""The whole demo as its user starts it: real processes, the tiny model, a short recording."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.paths import ROOT
from test.demo.records_for_tests import grey_frame

pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')

from demo.bag import write_bag  # noqa: E402
from demo.run import main  # noqa: E402
from harness.tiny_model import write_tiny_model  # noqa: E402

FRAMES = 45
PATIENCE_S = 120.0


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds: white, black, white; the tiny model calls every grey 'class 0'."""
    path = tmp_path_factory.mktemp('recording') / 'bag'
    levels = [255 if i // 15 != 1 else 0 for i in range(FRAMES)]
    write_bag(path, [grey_frame(i, level=level) for i, level in enumerate(levels)])
    return path


@contextlib.contextmanager
def demo(*args: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, '-m', 'demo', *map(str, args)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)


def run(*args: object) -> tuple[int, str, str]:
    with demo(*args) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out, err


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def lives(pid: int) -> bool:
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except FileNotFoundError:
        return False
    return state != 'Z'


def wait_until_gone(pids: list[int]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while left := [pid for pid in pids if lives(pid)]:
        assert time.monotonic() < give_up_s, f'processes {left} are still there'
        time.sleep(0.05)


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f'the demo ended without printing {text!r}')


def test_a_run_reports_every_answer_as_of_now_and_refuses_a_second_in_its_folder(
    bag: Path, model: Path, tmp_path: Path
) -> None:
    before = time.time()
    args = ('--bag', bag, '--model', model, '--output', tmp_path)
    with demo(*args) as first:
        read_until(first, 'starting the node')
        code, _, said = run(*args)
        assert code == 1
        assert 'another demo is running' in said
        assert first.stdout is not None and first.stderr is not None
        out, err = first.stdout.read(), first.stderr.read()
        assert first.wait(PATIENCE_S) == 0, err + out
    report = check_results(tmp_path, out)
    assert not report['summary']['transport'].endswith('compressed')
    stamps = [frame['stamp'] for frame in report['frames']]
    assert before < min(stamps) < max(stamps) < time.time()


def test_compressed_pictures_are_answered_and_a_terminal_without_block_characters_is_served(
    bag: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PYTHONIOENCODING', 'latin-1')
    code, out, err = run('--bag', bag, '--model', model, '--output', tmp_path, '--compressed')
    assert code == 0, err + out
    assert check_results(tmp_path, out)['summary']['transport'].endswith('compressed')


def check_results(folder: Path, out: str) -> dict[str, Any]:
    """Return the report of a run, after checks of all that it printed and wrote."""
    report: dict[str, Any] = json.loads((folder / 'report.json').read_text())
    summary, frames = report['summary'], report['frames']
    assert summary['frames_played'] == FRAMES
    assert summary['frames_answered'] == len(frames) > 0
    assert summary['model']['name'] == 'tiny'
    assert len(summary['model']['sha256']) == 64
    assert summary['provider'] == 'cpu'
    for frame in frames:
        assert frame['label'] == frame['truth'] == 'class 0'
        assert frame['exit_layer'] == (4 if frame['index'] // 15 == 1 else 1)
        assert 0.2 <= frame['adaptive_rate'] <= 1
    assert report['rate_over_time']
    assert f'{len(frames)} of {FRAMES} answered' in out
    assert sum('class 0' in line for line in out.splitlines()) == len(frames)
    assert 'report.html' in out
    assert (folder / 'report.html').stat().st_size > 10_000
    assert (folder / 'overview.png').stat().st_size > 10_000
    return report


def test_a_model_that_is_no_model_is_named_with_what_the_node_said(
    bag: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / 'wrong.onnx'
    wrong.write_bytes(b'this is not a model')
    code, _, err = run('--bag', bag, '--model', wrong, '--output', tmp_path / 'out')
    assert code == 1
    assert 'the node ended with code 2' in err
    assert 'wrong.onnx' in err
    assert 'Traceback' not in err
    assert not (tmp_path / 'out' / 'report.json').exists()


@pytest.fixture
def signals() -> Iterator[None]:
    """The command takes these signals over; give them back."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures('signals')
def test_a_missing_bag_is_named_before_anything_starts(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    args = ['--bag', str(tmp_path / 'no bag'), '--model', str(model), '--output', str(out)]
    assert main(args) == 1
    err = capsys.readouterr().err
    assert 'no bag at' in err
    assert 'Traceback' not in err
    assert not (out / 'node.log').exists()


@pytest.mark.usefixtures('signals')
def test_an_output_that_cannot_be_written_is_named(
    bag: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / 'file'
    in_the_way.write_text('a file, not a folder')
    args = ['--bag', str(bag), '--model', str(model), '--output', str(in_the_way)]
    assert main(args) == 1
    err = capsys.readouterr().err
    assert f'cannot write to {in_the_way}' in err
    assert 'Traceback' not in err


def test_a_reader_that_goes_away_ends_the_demo_quietly(
    bag: Path, model: Path, tmp_path: Path
) -> None:
    with demo('--bag', bag, '--model', model, '--output', tmp_path) as process:
        read_until(process, 'class 0')
        started = children(process.pid)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(PATIENCE_S) == 1
    # What the start says of a small /dev/shm (a container's) is no word about the reader.
    assert [line for line in err.splitlines() if '/dev/shm has' not in line] == []
    wait_until_gone(started)


@pytest.mark.parametrize('stop', [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_leaves_no_process_behind(
    stop: signal.Signals, bag: Path, model: Path, tmp_path: Path
) -> None:
    with demo('--bag', bag, '--model', model, '--output', tmp_path) as process:
        read_until(process, 'class 0')  # both node and player run
        started = children(process.pid)
        assert len(started) >= 2
        process.send_signal(stop)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
        assert 'stopped before the end' in err
        assert 'Traceback' not in err
    wait_until_gone(started)


def test_killed_it_takes_its_processes_along(bag: Path, model: Path, tmp_path: Path) -> None:
    with demo('--bag', bag, '--model', model, '--output', tmp_path) as process:
        read_until(process, 'class 0')
        started = children(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
    wait_until_gone(started)


def test_a_node_that_dies_while_playing_ends_the_demo_with_a_reason(
    bag: Path, model: Path, tmp_path: Path
) -> None:
    with demo('--bag', bag, '--model', model, '--output', tmp_path) as process:
        read_until(process, 'class 0')
        node = next(p for p in children(process.pid) if 'nodes.classifier.node' in command_line(p))
        os.kill(node, signal.SIGKILL)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert 'the node ended with code -9' in err


def command_line(pid: int) -> str:
    return Path(f'/proc/{pid}/cmdline').read_bytes().replace(b'\0', b' ').decode()
