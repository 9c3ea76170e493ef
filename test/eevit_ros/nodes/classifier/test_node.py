"""The node as a real process: images in, answers out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Classification, LabelInfo

from harness.classifier_peer import (
    BLACK,
    MIDDLE,
    PATIENT,
    WHITE,
    ClassifierPeer,
    compressed_image,
    key_values,
    raw_image,
)
from harness.paths import ROOT
from harness.ros_process import LATCHED, NodeProcess, RosPeer
from harness.tiny_model import write_tiny_model

DEFAULTS = ['--params-file', str(ROOT / 'config' / 'classifier.yaml')]
CAMERA = ['-r', 'image:=/camera/image_raw', *PATIENT]


@pytest.fixture(scope='module')
def raw(model: Path) -> Iterator[ClassifierPeer]:
    log = model.parent / 'raw.log'
    with (
        RosPeer() as peer,
        NodeProcess(
            peer.domain_id, [*DEFAULTS, *CAMERA, '-p', f'model:={model}', '-p', 'top_k:=2'], log
        ) as process,
    ):
        yield ClassifierPeer(peer, process)


@pytest.fixture(scope='module')
def compressed(model: Path) -> Iterator[ClassifierPeer]:
    log = model.parent / 'compressed.log'
    arguments = ['-p', f'model:={model}', '-p', 'image_transport:=compressed']
    with (
        RosPeer() as peer,
        NodeProcess(
            peer.domain_id, [*CAMERA, *arguments, '-p', 'class_ids:=index'], log
        ) as process,
    ):
        yield ClassifierPeer(
            peer,
            process,
            camera_topic='/camera/image_raw/compressed',
            camera_type=CompressedImage,
        )


def test_an_image_is_answered_on_every_topic_under_its_own_header(raw: ClassifierPeer) -> None:
    raw.until_answer(lambda: raw_image(WHITE))
    raw.forget()
    frame = raw.until_answer(lambda: raw_image(WHITE))
    header = raw.frames[-1].header  # of a picture sent since `forget`, answered whole since then

    def under_its_header() -> Classification | None:
        return next((c for c in raw.classifications if c.header == header), None)

    answer = raw.until(under_its_header, 'a classification under the header of the frame')
    assert answer.header.frame_id == 'camera_optical'
    assert [result.class_id for result in answer.results] == ['class 0', 'class 1']
    assert answer.results[0].score == pytest.approx(1.0, abs=0.01)
    assert raw.until(lambda: raw.exit_layers, 'an exit layer')[0].data == 1
    assert frame['label'] == 'class 0'
    assert frame['exit_layer'] == '1'
    assert float(frame['depth']) == 0.25
    assert float(frame['confidence']) == pytest.approx(1.0, abs=0.01)
    assert 0.0 < float(frame['inference_ms'])
    assert 0.0 <= float(frame['age_ms']) < 10_000.0
    assert int(frame['drops']) >= 0
    assert len(frame['model_hash']) == 64


def test_no_thresholds_are_an_empty_list_of_numbers_to_ros_tools(raw: ClassifierPeer) -> None:
    request = GetParameters.Request(names=['thresholds'])
    answer = raw.peer.call(GetParameters, '/classifier/get_parameters', request)
    assert answer.values[0].type == ParameterType.PARAMETER_DOUBLE_ARRAY
    assert list(answer.values[0].double_array_value) == []


@pytest.mark.parametrize(('grey', 'layer'), [(WHITE, 1), (MIDDLE, 2), (BLACK, 4)])
def test_a_harder_image_leaves_later(raw: ClassifierPeer, grey: int, layer: int) -> None:
    assert raw.until_answer(lambda: raw_image(grey))['exit_layer'] == str(layer)


def test_the_rate_rises_for_easy_frames_falls_for_hard_ones_and_when_the_camera_stops(
    raw: ClassifierPeer,
) -> None:
    raw.until_rate(lambda rate: rate == 1.0, lambda: raw_image(WHITE))
    raw.until_rate(lambda rate: rate < 0.5, lambda: raw_image(BLACK))
    raw.until_rate(lambda rate: rate == 1.0, lambda: raw_image(WHITE))
    raw.until_rate(lambda rate: rate == pytest.approx(0.2), None)
    report = raw.until_report('no image on /camera/image_raw for')
    assert report.status[0].level == b'\x02'
    assert 'its 1 publisher(s) are silent' in report.status[0].message


def test_diagnostics_tell_what_the_node_did(raw: ClassifierPeer) -> None:
    raw.until_answer(lambda: raw_image(WHITE))
    report = raw.until_report('frames answered', lambda: raw.camera.publish(raw_image(WHITE)))
    values = key_values(report)
    assert report.status[0].level == b'\x00'
    assert report.status[0].name == 'classifier: perception'
    assert report.header.stamp.sec > 0
    assert int(values['answered']) <= int(values['received'])
    assert int(values['exit_layer_1']) > 0
    assert values['provider'] == 'cpu'
    assert values['model'] == 'tiny'
    assert values['thresholds'] == '0.8, 0.8'
    assert values['promise'] == 'none'
    assert float(values['receive_hz']) > 0
    assert float(values['inference_ms_p50']) <= float(values['inference_ms_p99'])


def test_labels_are_there_for_whoever_comes_late(raw: ClassifierPeer) -> None:
    with raw.peer.listening(LabelInfo, '/classifier/label_info', LATCHED) as labels:
        raw.until(lambda: labels, 'the labels')
    names = {entry.class_id: entry.class_name for entry in labels[0].class_map}
    assert names == {0: 'class 0', 1: 'class 1', 2: 'class 2'}


def test_the_annotated_image_is_drawn_for_whoever_looks(raw: ClassifierPeer) -> None:
    topic = '/classifier/annotated/compressed'
    with raw.peer.listening(CompressedImage, topic) as pictures:
        raw.until(lambda: pictures, 'a picture', lambda: raw.camera.publish(raw_image(WHITE)))
    picture = cv2.imdecode(np.frombuffer(pictures[0].data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 32
    assert picture.shape[0] > 24
    assert picture[:20].mean() > 240
    assert pictures[0].header.frame_id == 'camera_optical'


def test_thresholds_change_while_it_runs(raw: ClassifierPeer) -> None:
    assert raw.set_parameters(thresholds=[1.0, 0.0]) == ''
    assert raw.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '2'
    assert raw.set_parameters(thresholds=0.0) == ''
    assert raw.until_answer(lambda: raw_image(BLACK))['exit_layer'] == '1'
    assert raw.set_parameters(thresholds=[]) == ''
    assert raw.until_answer(lambda: raw_image(BLACK))['exit_layer'] == '4'


def test_the_mounting_changes_while_it_runs_and_a_crop_beyond_costs_frames_alone(
    raw: ClassifierPeer,
) -> None:
    assert raw.set_parameters(image_crop=[16, 0, 16, 24], image_rotation=90) == ''
    half = raw.until_answer(lambda: raw_image(WHITE))
    assert half['mounting'] == 'crop 16 0 16 24, rotation 90'
    assert raw.set_parameters(image_crop=[0, 0, 33, 24]) == ''
    report = raw.until_report('32x24 pixels', lambda: raw.camera.publish(raw_image(WHITE)))
    assert report.status[0].level == b'\x02'
    assert "'image_rotation'" in raw.set_parameters(image_rotation=45)
    assert raw.set_parameters(image_crop=[0, 0, 0, 0], image_flip='horizontal') == ''
    frame = raw.until_answer(lambda: raw_image(WHITE))
    assert frame['mounting'] == 'rotation 90, flip horizontal'
    topic = '/classifier/annotated/compressed'
    with raw.peer.listening(CompressedImage, topic) as pictures:
        raw.until(lambda: pictures, 'a picture', lambda: raw.camera.publish(raw_image(WHITE)))
    picture = cv2.imdecode(np.frombuffer(pictures[0].data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 24  # the height of the picture as it came
    assert raw.set_parameters(image_rotation=0, image_flip='none') == ''


def test_the_rate_law_changes_while_it_runs(raw: ClassifierPeer) -> None:
    assert raw.set_parameters(rate__floor=0.4) == ''
    raw.until_rate(lambda rate: rate == pytest.approx(0.4), lambda: raw_image(BLACK))
    assert raw.set_parameters(rate__floor=0.2) == ''
    raw.until_rate(lambda rate: rate == pytest.approx(0.2), lambda: raw_image(BLACK))


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        ({'thresholds': [0.5, 0.5, 0.5]}, 'thresholds must be one value or 2'),
        ({'thresholds': 1.5}, '1.5'),
        ({'thresholds': [0.5, float('nan')]}, 'nan'),
        ({'thresholds': 'high'}, "'high'"),
        ({'thresholds': None}, "'thresholds' cannot be removed"),
        ({'rate__floor': 0.0}, 'rate.floor'),
        ({'rate__attack_s': float('nan')}, 'rate.attack_s'),
        ({'provider': 'tpu'}, 'auto, tensorrt, cuda, cpu'),
        ({'model': '/other.onnx'}, "'model' is fixed while the node is configured"),
        ({'rate__floor': 0.3, 'thresholds': -1.0}, '-1.0'),
    ],
)
def test_wrong_parameters_are_refused_with_a_reason_and_change_nothing(
    raw: ClassifierPeer, values: dict[str, object], reason: str
) -> None:
    assert reason in raw.set_parameters(**values)
    assert raw.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'
    raw.until_rate(lambda rate: rate == pytest.approx(0.2), lambda: raw_image(BLACK))


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_compressed_images_need_no_other_remapping(compressed: ClassifierPeer, suffix: str) -> None:
    frame = compressed.until_answer(lambda: compressed_image(WHITE, suffix))
    assert frame['exit_layer'] == '1'
    answer = compressed.until(lambda: compressed.classifications, 'a classification')[-1]
    assert [result.class_id for result in answer.results] == ['0', '1', '2']


def test_frames_that_come_during_inference_are_dropped_and_nothing_waits_for_it(
    tmp_path: Path,
) -> None:
    # 16 megapixels of input make even the tiny model take longer than three frames in one burst.
    model = write_tiny_model(tmp_path / 'slow.onnx', size=(4096, 4096))
    arguments = [*CAMERA, '-p', f'model:={model}', '-p', 'rate.stale_after_s:=10.0']
    with (
        RosPeer() as peer,
        NodeProcess(peer.domain_id, arguments, tmp_path / 'slow.log') as process,
    ):
        slow = ClassifierPeer(peer, process)
        slow.until_answer(lambda: raw_image(WHITE))
        slow.forget()

        def newest() -> int:
            return int(key_values(slow.frames[-1])['drops']) if slow.frames else 0

        def burst() -> None:
            for _ in range(3):
                slow.camera.publish(raw_image(WHITE))

        slow.until(
            lambda: newest() > 0 and len(slow.rates) >= len(slow.frames) + 5,
            'drops, and rates between the answers',
            burst,
        )
        assert slow.set_parameters(thresholds=0.9) == ''
        values = key_values(slow.until_report(''))
        assert int(values['dropped']) > 0
        # The end, with inference busy.
        for _ in range(5):
            slow.camera.publish(raw_image(WHITE))
        assert process.stop() == 0
        assert 'Traceback' not in process.output()


def test_a_publisher_of_the_wrong_type_or_quality_is_named(model: Path, tmp_path: Path) -> None:
    override = 'qos_overrides./camera/image_raw.subscription.reliability:=reliable'
    arguments = [*CAMERA, '-p', f'model:={model}', '-p', override]
    with RosPeer() as peer, NodeProcess(peer.domain_id, arguments, tmp_path / 'qos.log') as process:
        lonely = ClassifierPeer(peer, process, camera_topic='/camera/somewhere_else')
        lonely.until_report('it has no publisher')
        process.wait_for_output('it has no publisher')
        wrong = peer.node.create_publisher(CompressedImage, '/camera/image_raw', 1)
        lonely.until_report(
            '/test_peer publishes sensor_msgs/msg/CompressedImage and not sensor_msgs/msg/Image'
        )
        peer.node.destroy_publisher(wrong)
        best_effort = ClassifierPeer(peer, process)
        lonely.until_report(
            '(Best effort publisher and reliable subscription)',
            lambda: best_effort.camera.publish(raw_image(WHITE)),
        )
        assert not best_effort.frames
        peer.node.destroy_publisher(best_effort.camera)
        lonely.until_report('it has no publisher')
        reliable = peer.node.create_publisher(Image, '/camera/image_raw', 1)
        lonely.until_report('frames answered', lambda: reliable.publish(raw_image(WHITE)))
