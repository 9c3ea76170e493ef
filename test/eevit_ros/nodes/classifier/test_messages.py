from __future__ import annotations

import pytest
from std_msgs.msg import Header

from eevit_ros.nodes.classifier import messages
from eevit_ros.nodes.classifier.messages import FrameRecord
from eevit_ros.perception.status import ERROR, Report
from test.eevit_ros.exit_results import exit_result

HEADER = Header(frame_id='camera')
HEADER.stamp.sec = 12
NAMES = ('dog', 'cat', 'owl')


@pytest.mark.parametrize(('class_ids', 'ids'), [('name', ['cat', 'dog']), ('index', ['1', '0'])])
def test_classification_is_the_top_k_best_first(class_ids: str, ids: list[str]) -> None:
    message = messages.classification(HEADER, exit_result(), NAMES, top_k=2, class_ids=class_ids)
    assert message.header == HEADER
    assert [result.class_id for result in message.results] == ids
    assert [result.score for result in message.results] == pytest.approx([0.7, 0.2])


def test_top_k_beyond_the_classes_gives_all() -> None:
    message = messages.classification(HEADER, exit_result(), NAMES, top_k=99, class_ids='name')
    assert len(message.results) == 3


@pytest.mark.parametrize(('age_ms', 'text'), [(31.25, '31.250'), (None, 'clock mismatch')])
def test_the_frame_record_holds_what_reports_need(age_ms: float | None, text: str) -> None:
    record = FrameRecord(adaptive_rate=0.85, age_ms=age_ms, drops=7, model_hash='ab' * 32)
    message = messages.frame(HEADER, 'robot/classifier', exit_result(), record)
    assert message.header == HEADER
    (status,) = message.status
    assert (status.name, status.message) == ('robot/classifier: frame', 'cat')
    assert (status.level, status.hardware_id) == (b'\x00', 'camera')
    assert {item.key: item.value for item in status.values} == {
        'label': 'cat',
        'exit_layer': '6',
        'depth': '0.500000',
        'confidence': '0.700000',
        'adaptive_rate': '0.850000',
        'preprocess_ms': '1.000',
        'inference_ms': '20.000',
        'age_ms': text,
        'drops': '7',
        'model_hash': 'ab' * 32,
    }


def test_label_info_maps_index_to_name() -> None:
    message = messages.label_info(HEADER, NAMES)
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [
        (0, 'dog'),
        (1, 'cat'),
        (2, 'owl'),
    ]


def test_diagnostics_carry_the_report() -> None:
    report = Report(ERROR, 'no image', {'received': '3'})
    message = messages.diagnostics(HEADER, 'classifier: perception', report, '/camera')
    (status,) = message.status
    assert (status.level, status.message, status.hardware_id) == (b'\x02', 'no image', '/camera')
    assert [(item.key, item.value) for item in status.values] == [('received', '3')]


def test_jpeg_keeps_the_bytes() -> None:
    message = messages.jpeg(HEADER, b'\xff\xd8\xff')
    assert bytes(message.data) == b'\xff\xd8\xff'
    assert 'jpeg' in message.format
