from __future__ import annotations

import pytest

from eevit_ros.perception.statistics import Publishers, Statistics
from eevit_ros.perception.status import ERROR, OK, WARN, Report
from eevit_ros.speed.rate import RateSettings
from test.eevit_ros.exit_results import exit_result

RATE = RateSettings(stale_after_s=0.5, min_confidence=0.3)
CAMERA = Publishers('/camera', 1)


def report(
    statistics: Statistics, now_s: float, publishers: Publishers = CAMERA, drops: int = 0
) -> Report:
    return statistics.report(now_s, publishers=publishers, drops=drops, facts={'model': 'm'})


def receive(statistics: Statistics, now_s: float, stamp_s: float | None = None) -> None:
    stamp_ns = int((now_s if stamp_s is None else stamp_s) * 1e9)
    statistics.received(stamp_ns, now_s, repeats=0, frozen=False)


@pytest.fixture
def running() -> Statistics:
    """Two seconds of a camera of 20 Hz whose frames were all answered."""
    statistics = Statistics(0.0, RATE)
    for i in range(41):
        receive(statistics, i / 20)
        statistics.answered(exit_result(inference_ms=float(i)), 30.0 + i, i / 20)
    return statistics


def test_all_is_well(running: Statistics) -> None:
    found = report(running, 2.0, drops=3)
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


def test_a_warning_of_somebody_else_is_a_problem_too(running: Statistics) -> None:
    well = report(running, 2.0)
    assert well.and_warning('') == well
    found = well.and_warning('look out')
    assert (found.level, found.message) == (WARN, 'look out')
    assert found.values == well.values
    silent = report(running, 9.0)
    found = silent.and_warning('look out')
    assert (found.level, found.message) == (ERROR, f'{silent.message}; look out')


def test_a_faster_provider_that_does_not_run_is_a_warning_with_a_remedy(
    running: Statistics,
) -> None:
    facts = {'provider': 'cpu', 'provider_note': 'cuda failed in a run: out of memory'}
    found = running.report(2.0, publishers=CAMERA, drops=0, facts=facts)
    assert found.level == WARN
    assert 'computing on cpu, not on the best provider: cuda failed in a run' in found.message
    assert "set provider to 'cpu' if that is meant" in found.message
    facts['provider_note'] = ''
    assert running.report(2.0, publishers=CAMERA, drops=0, facts=facts).level == OK


def test_before_the_first_frame_nothing_is_known_and_nothing_wrong_yet() -> None:
    found = report(Statistics(0.0, RATE), 0.4)
    assert found.level == OK
    assert found.values['inference_ms_p50'] == found.values['camera_hz'] == 'unknown'


@pytest.mark.parametrize(
    ('count', 'why'),
    [
        (0, "nobody publishes there: check the camera and the remapping of 'image'"),
        (2, '2 publisher(s) there are silent'),
    ],
)
def test_silence_names_the_topic_its_length_and_who_publishes(
    running: Statistics, count: int, why: str
) -> None:
    found = report(running, 5.25, Publishers('/camera', count))
    assert found.level == ERROR
    assert found.message.startswith(f'no image on /camera for 3.2 s: {why}')


def test_a_publisher_that_is_not_heard_is_named_with_the_remedy_until_it_is_gone(
    running: Statistics,
) -> None:
    wrong = Publishers('/camera', 1, 'the QoS of /driver does not fit (best effort)')
    heard = report(running, 2.1, wrong)
    assert heard.level == WARN
    silent = report(running, 9.0, wrong)
    assert silent.level == ERROR
    for found in (heard, silent):
        assert 'the QoS of /driver does not fit (best effort): check' in found.message
        assert 'qos_overrides./camera.subscription.*' in found.message
    assert 'QoS' not in report(running, 9.0, CAMERA).message


def test_bad_frames_are_an_error_while_they_last_and_then_no_more(running: Statistics) -> None:
    running.bad_frame('first')
    running.bad_frame('step is 3')
    lasting = report(running, 2.0)
    assert (lasting.level, lasting.message) == (ERROR, '2 bad frame(s), the last: step is 3')
    running.bad_frame('another')
    running.answered(exit_result(), 10.0, 2.1)
    assert report(running, 2.1).level == WARN
    later = report(running, 2.2)
    assert later.level == OK
    assert (later.values['bad'], later.values['last_error']) == ('3', 'another')


def test_frames_without_answers_are_an_error(running: Statistics) -> None:
    receive(running, 5.0)
    found = report(running, 5.0)
    assert (found.level, found.message) == (
        ERROR,
        'images come in but none was answered for 3.0 s',
    )


def test_a_frozen_camera_is_an_error(running: Statistics) -> None:
    running.received(1, 2.1, repeats=10, frozen=True)
    found = report(running, 2.1)
    assert (found.level, found.message) == (
        ERROR,
        'camera frozen: the same frame came 11 times',
    )


def test_a_blind_camera_is_an_error_while_it_lasts_and_then_no_more(running: Statistics) -> None:
    running.saw(0.31, blind=True)
    found = report(running, 2.0)
    assert found.level == ERROR
    assert found.message.startswith('the camera sees nothing in 1 frame(s), the last of contrast ')
    assert 'contrast 0.3, below blind_below_contrast: lens covered' in found.message
    running.saw(0.5, blind=True)
    running.saw(40.0, blind=False)
    passed = report(running, 2.1)
    assert passed.level == WARN
    assert 'contrast 0.5' in passed.message
    later = report(running, 2.2)
    assert (later.level, later.values['blind'], later.values['contrast']) == (OK, '2', '40.00')


def test_a_hold_up_is_a_warning_with_the_answers_that_do_not_count(running: Statistics) -> None:
    running.held_up(1.23)
    running.waited()
    running.waited()
    found = report(running, 2.0)
    assert (found.level, found.message) == (
        WARN,
        'this process was held up for 1.2 s; 2 answer(s) do not count',
    )
    running.waited()  # after the report
    assert '1.2 s; 1 answer(s)' in report(running, 2.1).message
    later = report(running, 2.2)
    assert (later.level, later.values['hold_ups']) == (OK, '1')
    running.held_up(0.5)
    assert '0.5 s; 0 answer(s)' in report(running, 2.3).message


def test_lost_messages_are_a_warning_once(running: Statistics) -> None:
    running.lost(4)
    found = report(running, 2.0)
    assert found.level == WARN
    assert found.message.startswith('the middleware lost 4 image message(s)')
    assert 'config/fastdds_shared_memory.xml' in found.message
    later = report(running, 2.0)
    assert (later.level, later.values['lost_in_transport']) == (OK, '4')


def test_gaps_in_the_stamps_point_to_the_shared_memory_profile() -> None:
    statistics = Statistics(0.0, RATE)
    for i in range(100):
        if i % 10 in (0, 1, 4, 7):  # 4 of 10 arrive
            receive(statistics, i / 30)
            statistics.answered(exit_result(), 1.0, i / 30)
    found = report(statistics, 3.3)
    assert found.level == WARN
    assert 'those of a 30.0 Hz camera' in found.message
    assert 'config/fastdds_shared_memory.xml' in found.message


def test_a_clock_mismatch_is_a_warning(running: Statistics) -> None:
    running.answered(exit_result(), None, 2.0)
    found = report(running, 2.0)
    assert found.level == WARN
    assert found.message.startswith('clock mismatch')


def test_unsure_answers_are_a_warning_with_the_last_of_them(running: Statistics) -> None:
    running.answered(exit_result(confidence=0.2), 10.0, 2.0)
    running.answered(exit_result(confidence=0.123, class_name='dog'), 10.0, 2.0)
    running.answered(exit_result(confidence=0.3), 10.0, 2.0)  # at min_confidence, not below it
    found = report(running, 2.0)
    assert (found.level, found.message) == (
        WARN,
        "2 answer(s) below min_confidence, the last: 'dog' 0.12",
    )
    running.answered(exit_result(), 10.0, 2.1)
    later = report(running, 2.1)
    assert (later.level, later.values['unsure']) == (OK, '2')


def test_what_is_unsure_changes_with_the_settings(running: Statistics) -> None:
    running.rate = RateSettings(min_confidence=0.8)
    running.answered(exit_result(confidence=0.7), 10.0, 2.0)
    assert 'below min_confidence' in report(running, 2.0).message


def test_several_problems_are_all_told_at_the_worst_level(running: Statistics) -> None:
    running.lost(1)
    running.received(1, 2.1, repeats=12, frozen=True)
    found = report(running, 2.1)
    assert found.level == ERROR
    assert 'camera frozen' in found.message
    assert 'lost 1' in found.message
