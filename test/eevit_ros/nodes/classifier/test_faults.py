"""What goes wrong around a classifier that lives: it recovers or says why not, and never speeds up.

Real processes. `test_faults` has what happens between camera and governor.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from std_msgs.msg import Float32

from harness.classifier_peer import BLACK, PATIENT, WHITE, ClassifierPeer, raw_image
from harness.ros_process import NodeProcess, RosPeer
from harness.tiny_model import write_tiny_model

FAULTY = Path(__file__).parent / 'faulty'
WAITING = 'waiting for images on /camera/image_raw'
FLOOR = pytest.approx(0.2, abs=1e-3)
NODE = (sys.executable, '-m', 'eevit_ros.nodes.classifier.node')


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / 'tiny.onnx')


@contextlib.contextmanager
def classifier(
    peer: RosPeer, folder: Path, model: Path, *arguments: str, command: tuple[str, ...] = NODE
) -> Iterator[ClassifierPeer]:
    given = ['-r', 'image:=/camera/image_raw', '-p', f'model:={model}', *PATIENT]
    with NodeProcess(peer.domain_id, [*given, *arguments], folder / 'log', command) as process:
        yield ClassifierPeer(peer, process)


def send(node: ClassifierPeer, grey: int) -> Callable[[], None]:
    return lambda: node.camera.publish(raw_image(grey))


def replaced(model: Path) -> None:
    other = write_tiny_model(model.with_name('other.onnx'), exit_layers=(3, 5), layers=8)
    other.replace(model)


def written_over(model: Path) -> None:
    model.write_bytes(b'\0' * model.stat().st_size)


def truncated(model: Path) -> None:
    with model.open('r+b') as file:
        file.truncate(model.stat().st_size // 2)


DAMAGE: dict[Callable[[Path], None], str] = {
    replaced: '',
    written_over: 'truncated or no ONNX model',
    truncated: 'truncated or no ONNX model',
    Path.unlink: 'the model file does not exist',
}


def test_a_running_node_needs_its_model_file_no_more(peer: RosPeer, tmp_path: Path) -> None:
    models = {damage: tmp_path / f'{damage.__name__}.onnx' for damage in DAMAGE}
    for model in models.values():
        write_tiny_model(model)
    with classifier(peer, tmp_path, models[replaced], '-p', 'autostart:=false') as node:
        for damage, model in models.items():
            assert node.set_parameters(model=str(model)) == ''
            assert node.change_state('configure') and node.change_state('activate')
            whole = model.read_bytes()
            first = node.until_answer(lambda: raw_image(WHITE))
            damage(model)
            again = node.until_answer(lambda: raw_image(WHITE))
            assert (again['exit_layer'], again['model_hash']) == ('1', first['model_hash'])

            assert node.change_state('deactivate') and node.change_state('cleanup')
            assert node.change_state('configure') == (not DAMAGE[damage])
            if DAMAGE[damage]:
                assert node.state() == 'unconfigured'
                node.process.wait_for_output(f'{model}: {DAMAGE[damage]}')
                model.write_bytes(whole)
                assert node.change_state('configure')
            assert node.change_state('activate')
            mended = node.until_answer(lambda: raw_image(WHITE))
            assert (mended['model_hash'] == first['model_hash']) == bool(DAMAGE[damage])
            assert node.change_state('deactivate') and node.change_state('cleanup')
        assert 'Traceback' not in node.process.output()


def test_a_full_disk_below_its_log_does_not_stop_it(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    """Every line that it says is lost, those of bad frames and wrong models too."""
    command = ('sh', '-c', 'exec "$@" >/dev/full 2>&1', 'sh', *NODE)
    with classifier(peer, tmp_path, model, command=command) as node:
        assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'
        node.until_report(
            'rgb565', lambda: node.camera.publish(raw_image(WHITE, encoding='rgb565'))
        )
        assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'
        assert node.change_state('deactivate') and node.change_state('cleanup')
        assert node.set_parameters(model='/nowhere.onnx') == ''
        assert not node.change_state('configure')
        assert node.set_parameters(model=str(model)) == ''
        assert node.change_state('configure') and node.change_state('activate')
        assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'
        assert node.process.stop(signal.SIGTERM) == 0


def test_a_mistake_in_a_callback_ends_it_with_its_reason(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    """A process that is gone is what the governor and `respawn` are for; one that hangs is not."""
    command = (sys.executable, str(FAULTY / 'raising_callback.py'))
    with classifier(peer, tmp_path, model, command=command) as node:
        node.until_rate(lambda rate: rate == FLOOR, lambda: raw_image(BLACK))
        ended = node.process.process.poll
        send_white = send(node, WHITE)
        peer.until(lambda: ended() is not None, 'its end', each=send_white)
        assert node.process.wait() == 1
        assert 'RuntimeError: a mistake' in node.process.output()
        assert all(rate.data == FLOOR for rate in node.rates)


def test_memory_that_runs_out_in_a_run_costs_frames_and_not_the_node(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    command = (sys.executable, str(FAULTY / 'starved.py'))
    with classifier(peer, tmp_path, model, command=command) as node:
        node.until_rate(lambda rate: rate == 1.0, lambda: raw_image(130))
        report = node.until_report('bad allocation', send(node, WHITE))
        assert report.status[0].level == b'\x02'
        node.until_rate(lambda rate: rate == FLOOR, lambda: raw_image(WHITE))
        node.until_rate(lambda rate: rate == 1.0, lambda: raw_image(130))
        assert node.process.stop(signal.SIGTERM) == 0


def test_a_subscriber_that_stands_still_holds_nobody_up(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    ear_command = (sys.executable, str(FAULTY / 'slow_ear.py'))
    with (
        classifier(peer, tmp_path, model) as node,
        NodeProcess(peer.domain_id, [], tmp_path / 'ear.log', ear_command) as ear,
    ):
        node.until(lambda: 'heard' in ear.output(), 'the ear', send(node, WHITE))
        ear.process.send_signal(signal.SIGSTOP)
        try:
            node.forget()
            node.until(lambda: len(node.frames) >= 60, 'sixty answers', send(node, WHITE))
            node.until(lambda: len(node.rates) >= 60, 'sixty rates')
            assert node.state() == 'active'
        finally:
            ear.process.send_signal(signal.SIGCONT)
        assert node.process.stop(signal.SIGTERM) == 0


WAYS = {
    'unconfigured': [],
    'inactive': ['configure'],
    'finalized': ['configure', 'activate', 'shutdown'],
}


@pytest.mark.parametrize('state', WAYS)
def test_sigterm_ends_it_cleanly_in_every_other_state_than_active(
    peer: RosPeer, model: Path, tmp_path: Path, state: str
) -> None:
    with classifier(peer, tmp_path, model, '-p', 'autostart:=false') as node:
        assert node.state() == 'unconfigured'
        for transition in WAYS[state]:
            assert node.change_state(transition)
        assert node.state() == state
        assert node.process.stop(signal.SIGTERM) == 0
        assert 'Traceback' not in node.process.output()


def test_after_ten_quick_restarts_it_starts_slow_and_works(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    rates = peer.listen(Float32, '/classifier/adaptive_rate')
    for number in range(10):
        with classifier(peer, tmp_path, model) as node:
            if number % 5 == 0:  # the others do not even come to their first image
                node.process.wait_for_output(WAITING)
            node.process.process.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
            assert node.process.wait() in (0, -signal.SIGTERM, -signal.SIGKILL)
    rates.clear()
    with classifier(peer, tmp_path, model) as node:
        node.until(lambda: rates, 'a rate')
        assert rates[0].data == FLOOR
        assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'
        node.until_rate(lambda rate: rate == 1.0, lambda: raw_image(WHITE))
        assert 'Traceback' not in node.process.output()


def test_a_model_that_was_let_go_of_is_out_of_memory_before_the_next(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    """Not only after some garbage collection: two at a time may be more than there is room for."""
    command = (sys.executable, str(FAULTY / 'uncollected.py'))
    with classifier(peer, tmp_path, model, command=command) as node:
        for _ in range(3):
            assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'
            assert node.change_state('deactivate') and node.change_state('cleanup')
            assert node.change_state('configure') and node.change_state('activate')
        found = [line for line in node.process.output().splitlines() if 'in memory' in line]
        assert found == ['models in memory: 0'] * 4
        assert node.process.stop(signal.SIGTERM) == 0
