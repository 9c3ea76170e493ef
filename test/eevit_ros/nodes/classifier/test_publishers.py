from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from std_msgs.msg import Header

from eevit_ros.nodes.classifier import publishers
from eevit_ros.perception.perception import FrameRecord
from test.eevit_ros.exit_results import exit_result

HEADER = Header(frame_id='camera')
HEADER.stamp.sec = 12
NAMES = ('dog', 'cat', 'owl')


def test_classification_is_the_top_k_best_first() -> None:
    message = publishers.classification(HEADER, exit_result(), NAMES, top_k=2)
    assert message.header == HEADER
    assert [result.class_id for result in message.results] == ['cat', 'dog']
    assert [result.score for result in message.results] == pytest.approx([0.7, 0.2])


def test_top_k_beyond_the_classes_gives_all() -> None:
    assert len(publishers.classification(HEADER, exit_result(), NAMES, top_k=99).results) == 3


@pytest.mark.parametrize('heard', ['classification', 'exit_layer', 'frame', 'annotated/compressed'])
def test_a_message_is_made_for_whoever_subscribes_and_no_other(heard: str) -> None:
    made: dict[str, Any] = {}

    def publisher(_: type, topic: str, __: object) -> Any:
        made[topic] = Mock(**{'get_subscription_count.return_value': int(topic == f'~/{heard}')})
        return made[topic]

    node = Mock(create_lifecycle_publisher=publisher)
    node.get_fully_qualified_name.return_value = '/classifier'
    record = FrameRecord(exit_result(), 0.85, None, drops=7, model_hash='ab' * 32)
    image = np.zeros((24, 32, 3), np.uint8)
    publishers.Publishers(node).send_answer(HEADER, image, record, NAMES, top_k=2)
    published = [topic for topic, one in made.items() if one.publish.called]
    assert published == [f'~/{heard}']


@pytest.mark.parametrize(('age_ms', 'text'), [(31.25, '31.250'), (None, 'clock mismatch')])
def test_the_frame_record_holds_what_reports_need(age_ms: float | None, text: str) -> None:
    record = FrameRecord(exit_result(), 0.85, age_ms, drops=7, model_hash='ab' * 32)
    message = publishers.frame(HEADER, 'robot/classifier: frame', record)
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
        'mounting': 'none',
        'model_hash': 'ab' * 32,
    }


def test_label_info_maps_index_to_name() -> None:
    message = publishers.label_info(HEADER, NAMES)
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [
        (0, 'dog'),
        (1, 'cat'),
        (2, 'owl'),
    ]


def test_jpeg_keeps_the_bytes() -> None:
    message = publishers.jpeg(HEADER, b'\xff\xd8\xff')
    assert bytes(message.data) == b'\xff\xd8\xff'
    assert 'jpeg' in message.format
