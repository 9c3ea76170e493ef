"""How the node computes: in stages under a policy that needs them, and on when its GPU dies."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eevit_ros.model.promise import Promise
from harness.classifier_peer import (
    BLACK,
    ERROR,
    PATIENT,
    WHITE,
    ClassifierPeer,
    key_values,
    raw_image,
)
from harness.ros_process import NodeProcess, RosPeer
from harness.tiny_model import tiny_metadata, write_tiny_model

SCRIPT = Path(__file__).parent / 'faulty' / 'dying_gpu.py'
WARN = b'\x01'
PROMISE = Promise('accuracy_gap', 0.02, 0.05, 2500, '0123456789abcdef', 'softmax')


@pytest.mark.parametrize('provider', ['auto', 'cuda'])
def test_a_gpu_that_dies(tmp_path: Path, provider: str) -> None:
    model = write_tiny_model(tmp_path / 'tiny.onnx')
    arguments = ['-r', 'image:=/camera/image_raw', '-p', f'model:={model}', *PATIENT]
    arguments += ['-p', f'provider:={provider}']
    command = (sys.executable, str(SCRIPT))
    log = tmp_path / 'log'
    with RosPeer() as peer, NodeProcess(peer.domain_id, arguments, log, command) as process:
        node = ClassifierPeer(peer, process)
        assert node.until_answer(lambda: raw_image(BLACK))['exit_layer'] == '4'
        facts = key_values(node.until(lambda: node.reports, 'a report')[-1])
        assert (facts['provider'], facts['provider_note']) == ('cuda', '')
        if provider == 'auto':
            assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'
            report = node.until_report(
                'computing on cpu, not on the best provider: cuda failed in a run: CUDA failure 2',
                lambda: node.camera.publish(raw_image(WHITE)),
                WARN,
            )
            assert key_values(report)['provider'] == 'cpu'
            assert 'failed on cuda: CUDA failure 2: out of memory: opening' in process.output()
        else:  # who insists has said that no answer is better than a slow one
            node.until_report(
                'failed on cuda: CUDA failure 2: out of memory',
                lambda: node.camera.publish(raw_image(WHITE)),
                ERROR,
            )
            assert node.state() == 'active'
        assert 'Traceback' not in process.output()


def test_in_stages_the_host_decides_and_says_so(tmp_path: Path) -> None:
    props = replace(tiny_metadata(), promise=PROMISE).to_props()
    values = {
        'model': write_tiny_model(tmp_path / 'tiny.onnx', props=props),
        'execution': 'staged',
        'exit_policy': 'patience',
        'thresholds': 0.5,  # of 3 exits, two in a row must agree
    }
    arguments = [one for name, value in values.items() for one in ('-p', f'{name}:={value}')]
    arguments += ['-r', 'image:=/camera/image_raw', *PATIENT]
    with RosPeer() as peer, NodeProcess(peer.domain_id, arguments, tmp_path / 'log') as process:
        node = ClassifierPeer(peer, process)
        for grey in (WHITE, BLACK):
            assert node.until_answer(lambda grey=grey: raw_image(grey))['exit_layer'] == '2'
        facts = key_values(node.until(lambda: node.reports, 'a report')[-1])
        assert (facts['execution'], facts['exit_policy']) == ('staged', 'patience')
        assert facts['promise'].startswith('does not hold: exit policy patience')
        assert facts['shift'] == 'not tested: the calibration used another exit policy'
        assert 'mean nothing to exit_policy patience' in node.set_parameters(thresholds=[])
        assert 'is fixed while' in node.set_parameters(execution='single')
        assert 'budget_ms' in node.set_parameters(budget_ms=-1.0)
        assert node.set_parameters(thresholds=0.9) == ''  # three in a row: never before the end
        assert node.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '4'
