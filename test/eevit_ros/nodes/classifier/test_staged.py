"""The node in stages, under a policy that needs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eevit_ros.model.promise import Promise
from harness.classifier_peer import BLACK, PATIENT, WHITE, ClassifierPeer, key_values, raw_image
from harness.ros_process import NodeProcess, RosPeer
from harness.tiny_model import tiny_metadata, write_tiny_model

PROMISE = Promise('accuracy_gap', 0.02, 0.05, 2500, '0123456789abcdef', 'softmax')


def test_the_host_decides_and_says_so(tmp_path: Path) -> None:
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
