"""Starting, stopping, transitions, and refusing a model or parameter that is wrong."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness.classifier_peer import WHITE, ClassifierPeer, raw_image
from harness.ros_process import NodeProcess, RosPeer, refused_starts
from harness.tiny_model import write_tiny_model

WAITING = 'waiting for images on /image'


def test_the_whole_life_of_a_node_without_autostart(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    other = write_tiny_model(tmp_path / 'other.onnx', exit_layers=(3, 5), layers=8)
    arguments = ['-p', 'autostart:=false', '-p', f'model:={tmp_path / "missing.onnx"}']
    with NodeProcess(peer.domain_id, arguments, tmp_path / 'node.log') as process:
        node = ClassifierPeer(peer, process, camera_topic='/image')
        assert node.state() == 'unconfigured'
        assert not node.change_state('configure')
        assert node.state() == 'unconfigured'
        process.wait_for_output(str(tmp_path / 'missing.onnx'))

        assert node.set_parameters(model=str(model)) == ''
        assert node.change_state('configure')
        assert node.state() == 'inactive'
        assert "'model' is fixed while the node is configured" in node.set_parameters(
            model=str(other)
        )
        assert node.set_parameters(thresholds=0.5) == ''
        assert node.heard() == 0

        assert node.change_state('activate')
        first = node.until_answer(lambda: raw_image(WHITE))
        assert first['exit_layer'] == '1'

        # Out of turn: refused, and the node goes on.
        assert not node.change_state('configure')
        process.wait_for_output('no transition id 1 from state active')
        assert node.state() == 'active'
        assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'

        assert node.change_state('deactivate')
        assert_silent(node)
        for line in (']: active: ', ']: deactivated: ', "]: parameter 'thresholds' is now 0.5"):
            assert process.output().count(line) == 1

        assert node.change_state('activate')
        assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'

        assert node.change_state('deactivate')
        assert node.change_state('cleanup')
        assert process.output().count(']: cleaned up: ') == 1
        assert node.set_parameters(model=str(other), provider='cpu') == ''
        assert node.change_state('configure')
        assert node.change_state('activate')
        second = node.until_answer(lambda: raw_image(WHITE))
        assert second['exit_layer'] == '3'
        assert second['model_hash'] != first['model_hash']
        assert process.stop() == 0
        assert 'Traceback' not in process.output()


def assert_silent(node: ClassifierPeer) -> None:
    """Nothing but what was under way before comes from an inactive node."""
    quiet = 0

    def listen() -> None:
        nonlocal quiet
        quiet = 0 if node.heard() else quiet + 1
        node.forget()

    # What was published before the transition may still be on its way.
    node.forget()
    node.until(lambda: quiet >= 10, 'half a second without a message', listen)
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        node.camera.publish(raw_image(WHITE))

    # Two seconds of images: an active node would have published 20 rates and 2 reports.
    node.until(lambda: sent >= 40, 'the end of forty pictures', send)
    node.state()
    assert node.heard() == 0


def test_sigint_before_any_frame_ends_it_cleanly(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    with NodeProcess(peer.domain_id, ['-p', f'model:={model}'], tmp_path / 'node.log') as process:
        process.wait_for_output(WAITING)
        assert process.stop(signal.SIGINT) == 0
        assert 'Traceback' not in process.output()


def test_sigterm_between_frames_ends_it_cleanly(peer: RosPeer, model: Path, tmp_path: Path) -> None:
    with NodeProcess(peer.domain_id, ['-p', f'model:={model}'], tmp_path / 'node.log') as process:
        node = ClassifierPeer(peer, process, camera_topic='/image')
        node.until_answer(lambda: raw_image(WHITE))
        node.camera.publish(raw_image(WHITE))
        assert process.stop(signal.SIGTERM) == 0
        assert 'Traceback' not in process.output()


def test_what_is_wrong_at_the_start_is_named_and_ends_it_with_code_2(
    peer: RosPeer, model: Path, tmp_path: Path
) -> None:
    truncated, foreign = tmp_path / 'truncated.onnx', tmp_path / 'foreign.onnx'
    truncated.write_bytes(model.read_bytes()[:-500])
    foreign.write_bytes(b'no model at all')
    good = ['-p', f'model:={model}']
    cases = [
        (['-p', f'model:={tmp_path / "missing.onnx"}'], str(tmp_path / 'missing.onnx')),
        (['-p', f'model:={truncated}'], str(truncated)),
        (['-p', f'model:={foreign}'], str(foreign)),
        ([*good, '-p', 'thresholds:=[0.5, 0.5, 0.5]'], '(0.5, 0.5, 0.5)'),
        ([*good, '-p', 'thresholds:=[0.5, .nan]'], 'nan'),
        ([*good, '-p', 'thresholds:=1.5'], '1.5'),
        ([*good, '-p', 'provider:=tpu'], "'tpu'"),
        ([*good, '-p', 'cache_dir:=engines'], "'engines'"),
        ([*good, '-p', 'exit_policy:=patience'], 'mean nothing to exit_policy patience'),
        ([*good, '-p', 'rate.floor:=0.0'], 'rate.floor'),
        ([*good, '-p', 'rate.mappings:=[depth, speed]'], "['depth', 'speed']"),
        ([*good, '-p', 'rate.mappings:=[]'], 'rate.mappings'),
        ([*good, '-p', 'top_k:=many'], 'top_k'),
        ([*good, '-p', 'thresholds:=[0.5, 1]'], 'write 1.0'),
        (['--params-file', str(tmp_path / 'missing.yaml')], str(tmp_path / 'missing.yaml')),
    ]
    starts = refused_starts(peer.domain_id, 'classifier.node', [case for case, _ in cases])
    for (code, output), (arguments, named) in zip(starts, cases, strict=True):
        assert (code, arguments) == (2, arguments), output
        assert named in output
        assert 'Traceback' not in output


def test_a_missing_onnx_runtime_is_named_and_ends_it_with_code_2(
    peer: RosPeer, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'onnxruntime.py').write_text("raise ImportError('not on this robot')")
    path = os.environ.get('PYTHONPATH', '')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), path]))
    with NodeProcess(peer.domain_id, ['-p', f'model:={model}'], tmp_path / 'node.log') as process:
        assert process.wait() == 2
        assert 'pip install onnxruntime' in process.output()
        assert 'not on this robot' in process.output()
        assert 'Traceback' not in process.output()
