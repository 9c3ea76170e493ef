from __future__ import annotations

from typing import Any

import pytest

from eevit_ros.perception.camera_health import CameraHealth
from eevit_ros.perception.perception import FrameRecord, Observation
from eevit_ros.perception.statistics import PublisherCount, Statistics
from eevit_ros.perception.status import ERROR, OK, WARN, Status
from eevit_ros.speed.rate import RateSettings
from test.eevit_ros.exit_results import exit_result

RATE = RateSettings(stale_after_s=0.5, min_confidence=0.3)
CAMERA = PublisherCount('/camera', 1)


class Watched:
    """Statistics and the camera that they are of."""

    def __init__(self) -> None:
        self.statistics = Statistics(0.0, RATE)
        self.camera = CameraHealth(10, 0.0)

    def receive(self, now_s: float) -> None:
        self.camera.update(int(now_s * 1e9), b'', now_s)

    def freeze(self, now_s: float, repeats: int) -> None:
        for _ in range(repeats + 1):
            self.camera.update(int(now_s * 1e9), b'still', now_s)

    def answer(
        self,
        now_s: float,
        age_ms: float | None = 10.0,
        contrast: float = 40.0,
        blind: bool = False,
        waited: bool = False,
        useless_stamps: bool = False,
        **result: Any,
    ) -> None:
        observation = Observation(exit_result(**result), contrast, blind)
        record = FrameRecord(
            observation.result, 1.0, age_ms, 0, model_hash='', useless_stamps=useless_stamps
        )
        self.statistics.answered(observation, record, now_s, waited=waited)

    def report(
        self,
        now_s: float,
        publishers: PublisherCount = CAMERA,
        drops: int = 0,
        facts: dict[str, str] | None = None,
    ) -> Status:
        return self.statistics.report(
            now_s,
            camera=self.camera,
            publishers=publishers,
            drops=drops,
            facts={'model': 'm'} if facts is None else facts,
        )


@pytest.fixture
def running() -> Watched:
    """Two seconds of a camera of 20 Hz whose frames were all answered."""
    watched = Watched()
    for i in range(41):
        watched.receive(i / 20)
        watched.answer(i / 20, 30.0 + i, inference_ms=float(i))
    return watched


def test_all_is_well(running: Watched) -> None:
    found = running.report(2.0, drops=3)
    assert (found.level, found.message) == (OK, '41 frames answered')
    values = found.values
    assert values['received'] == values['answered'] == values['exit_layer_6'] == '41'
    assert values['dropped'] == '3'
    assert values['bad'] == values['lost_in_transport'] == '0'
    assert float(values['receive_hz']) == pytest.approx(20.0)
    assert float(values['camera_hz']) == pytest.approx(20.0)
    assert float(values['inference_ms_p50']) == 20.0
    assert 39.0 < float(values['inference_ms_p99']) <= 40.0
    assert float(values['age_ms_p50']) == 50.0
    assert values['image_topic'] == '/camera'
    assert values['model'] == 'm'


def test_a_warning_of_somebody_else_is_a_problem_too(running: Watched) -> None:
    well = running.report(2.0)
    assert well.with_problem('') == well
    found = well.with_problem('look out')
    assert (found.level, found.message) == (WARN, 'look out')
    assert found.values == well.values
    silent = running.report(9.0)
    found = silent.with_problem('look out')
    assert (found.level, found.message) == (ERROR, f'{silent.message}; look out')


def test_a_faster_provider_that_does_not_run_is_a_warning_with_a_remedy(
    running: Watched,
) -> None:
    facts = {'provider': 'cpu', 'provider_note': 'cuda failed in a run: out of memory'}
    found = running.report(2.0, facts=facts)
    assert found.level == WARN
    assert 'computing on cpu, not on the best provider: cuda failed in a run' in found.message
    assert "set provider to 'cpu' to silence this" in found.message
    facts['provider_note'] = ''
    assert running.report(2.0, facts=facts).level == OK


def test_before_the_first_frame_nothing_is_known_and_nothing_wrong_yet() -> None:
    found = Watched().report(0.4)
    assert found.level == OK
    assert found.values['inference_ms_p50'] == found.values['camera_hz'] == 'unknown'


@pytest.mark.parametrize('count', [0, 1])
def test_the_first_image_is_missed_after_time_for_discovery(count: int) -> None:
    watched, publishers = Watched(), PublisherCount('/camera', count)
    assert watched.report(4.9, publishers).level == OK
    assert watched.report(5.1, publishers).level == ERROR
    unheard = PublisherCount('/camera', 1, 'the QoS of /driver does not fit')
    assert Watched().report(1.0, unheard).level == ERROR


def test_silence_names_images_elsewhere_with_the_arguments_for_them(running: Watched) -> None:
    publishers = PublisherCount('/camera', 0, others='/x has images: give image:=/x')
    assert 'give image:=/x' in running.report(9.0, publishers).message
    wrong = PublisherCount('/camera', 1, '/driver publishes that', 'give image_transport:=raw')
    assert 'give image_transport:=raw' in running.report(9.0, wrong).message


@pytest.mark.parametrize(
    ('count', 'why'),
    [
        (0, "it has no publisher: check the camera and the remapping of 'image'"),
        (2, 'its 2 publisher(s) are silent'),
    ],
)
def test_silence_names_the_topic_its_length_and_who_publishes(
    running: Watched, count: int, why: str
) -> None:
    found = running.report(5.25, PublisherCount('/camera', count))
    assert found.level == ERROR
    assert found.message.startswith(f'no image on /camera for 3.2 s: {why}')


def test_a_publisher_that_is_not_heard_is_named_with_the_remedy_until_it_is_gone(
    running: Watched,
) -> None:
    wrong = PublisherCount('/camera', 1, 'the QoS of /driver does not fit (best effort)')
    heard = running.report(2.1, wrong)
    assert heard.level == WARN
    silent = running.report(9.0, wrong)
    assert silent.level == ERROR
    for found in (heard, silent):
        assert 'the QoS of /driver does not fit (best effort): check' in found.message
        assert 'qos_overrides./camera.subscription.*' in found.message
    assert 'QoS' not in running.report(9.0, CAMERA).message


def test_bad_frames_are_an_error_while_they_last_and_then_no_more(running: Watched) -> None:
    running.statistics.bad_frame('first')
    running.statistics.bad_frame('step is 3')
    lasting = running.report(2.0)
    assert (lasting.level, lasting.message) == (ERROR, '2 bad frame(s), the last: step is 3')
    running.statistics.bad_frame('another')
    running.answer(2.1)
    assert running.report(2.1).level == WARN
    later = running.report(2.2)
    assert later.level == OK
    assert (later.values['bad'], later.values['last_error']) == ('3', 'another')


def test_frames_without_answers_are_an_error(running: Watched) -> None:
    running.receive(5.0)
    found = running.report(5.0)
    assert (found.level, found.message) == (
        ERROR,
        'images arrive but none was answered for 3.0 s',
    )


def test_a_frozen_camera_is_an_error(running: Watched) -> None:
    running.freeze(2.1, repeats=10)
    found = running.report(2.1)
    assert (found.level, found.message) == (
        ERROR,
        'camera frozen: the same frame came 11 times',
    )


def test_a_blind_camera_is_an_error_while_it_lasts_and_then_no_more(running: Watched) -> None:
    running.answer(2.0, contrast=0.31, blind=True)
    found = running.report(2.0)
    assert found.level == ERROR
    assert found.message.startswith(
        'the camera sees nothing in 1 frame(s), the last with contrast '
    )
    assert 'contrast 0.3, below blind_below_contrast: lens covered' in found.message
    running.answer(2.0, contrast=0.5, blind=True)
    running.answer(2.0)
    passed = running.report(2.1)
    assert passed.level == WARN
    assert 'contrast 0.5' in passed.message
    later = running.report(2.2)
    assert (later.level, later.values['blind'], later.values['contrast']) == (OK, '2', '40.00')


def test_a_stall_is_a_warning_with_the_answers_that_are_ignored(running: Watched) -> None:
    running.statistics.stalled(1.23)
    running.answer(2.0, waited=True)
    running.answer(2.0, waited=True)
    found = running.report(2.0)
    assert (found.level, found.message) == (
        WARN,
        'this process stalled for 1.2 s; 2 answer(s) are ignored for the rate',
    )
    running.answer(2.0, waited=True)  # after the report
    assert '1.2 s; 1 answer(s)' in running.report(2.1).message
    later = running.report(2.2)
    assert (later.level, later.values['hold_ups']) == (OK, '1')
    running.statistics.stalled(0.5)
    assert '0.5 s; 0 answer(s)' in running.report(2.3).message


def test_lost_messages_are_a_warning_once(running: Watched) -> None:
    running.camera.lost += 4
    found = running.report(2.0)
    assert found.level == WARN
    assert found.message.startswith('the middleware lost 4 image message(s)')
    assert 'config/fastdds_shared_memory.xml' in found.message
    later = running.report(2.0)
    assert (later.level, later.values['lost_in_transport']) == (OK, '4')


def test_packets_without_a_picture_are_told_with_the_reason(running: Watched) -> None:
    running.camera.withheld, running.camera.withheld_why = 3, 'no key frame has come yet'
    found = running.report(2.0)
    assert (found.level, found.values['withheld']) == (ERROR, '3')
    assert '3 video packet(s) gave no picture: no key frame' in found.message
    running.camera.withheld, running.camera.withheld_why = 5, ''
    found = running.report(2.0)
    assert found.level == WARN
    assert '2 video packet(s)' in found.message
    assert running.report(2.0).level == OK


def test_gaps_in_the_stamps_point_to_the_shared_memory_profile() -> None:
    watched = Watched()
    for i in range(100):
        if i % 10 in (0, 1, 4, 7):  # 4 of 10 arrive
            watched.receive(i / 30)
            watched.answer(i / 30)
    found = watched.report(3.3)
    assert found.level == WARN
    assert 'the camera runs at 30.0 Hz' in found.message
    assert 'config/fastdds_shared_memory.xml' in found.message


def test_a_clock_mismatch_is_a_warning(running: Watched) -> None:
    running.answer(2.0, age_ms=None)
    found = running.report(2.0)
    assert found.level == WARN
    assert found.message.startswith('clock mismatch')
    assert 'floor' not in found.message


def test_useless_stamps_are_a_warning_of_their_own(running: Watched) -> None:
    running.camera.update(0, b'a', 2.1)
    running.answer(2.1, age_ms=None, useless_stamps=True)
    found = running.report(2.1)
    assert found.level == WARN
    assert found.message.startswith('useless stamps')
    assert 'clock mismatch' not in found.message


@pytest.mark.parametrize('mapping', ['latency', 'stopping_distance'])
@pytest.mark.parametrize('useless', [False, True])
def test_a_mapping_that_needs_an_age_says_so_where_there_is_none(
    running: Watched, mapping: str, useless: bool
) -> None:
    running.statistics.rate = RateSettings(mappings=('depth', mapping), stale_after_s=0.5)
    running.camera.update(0 if useless else 3 * 10**9, b'a', 2.1)
    running.answer(2.1, age_ms=None, useless_stamps=useless)
    assert f'rate.mappings {mapping} keeps the rate at the floor' in running.report(2.1).message


def test_unsure_answers_are_a_warning_with_the_last_of_them(running: Watched) -> None:
    running.answer(2.0, confidence=0.2)
    running.answer(2.0, confidence=0.123, class_name='dog')
    running.answer(2.0, confidence=0.3)  # at min_confidence, not below it
    found = running.report(2.0)
    assert (found.level, found.message) == (
        WARN,
        "2 answer(s) below min_confidence, the last: 'dog' 0.12",
    )
    running.answer(2.1)
    later = running.report(2.1)
    assert (later.level, later.values['unsure']) == (OK, '2')


def test_what_is_unsure_changes_with_the_settings(running: Watched) -> None:
    running.statistics.rate = RateSettings(min_confidence=0.8)
    running.answer(2.0, confidence=0.7)
    assert 'below min_confidence' in running.report(2.0).message


def test_several_problems_are_all_told_at_the_worst_level(running: Watched) -> None:
    running.camera.lost += 1
    running.freeze(2.1, repeats=12)
    found = running.report(2.1)
    assert found.level == ERROR
    assert 'camera frozen' in found.message
    assert 'lost 1' in found.message
