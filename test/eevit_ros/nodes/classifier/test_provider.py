"""The node when the GPU it computes on dies: it goes on elsewhere and says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

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
from harness.tiny_model import write_tiny_model

SCRIPT = Path(__file__).parent / 'faulty' / 'dying_gpu.py'
WARN = b'\x01'


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
