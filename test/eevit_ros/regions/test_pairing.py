"""Pictures and the detections about them, in any order of arrival."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.regions.pairing import KEPT, Key, Pairing

FRONT, REAR = 'front', 'rear'
WAIT_S = 0.5

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(['picture', 'detections']),
        st.integers(1, 6),
        st.sampled_from([FRONT, REAR]),
        st.sampled_from([0.0, 0.01, 0.3, 0.6]),
    ),
    max_size=60,
)


@given(EVENTS)
def test_only_equal_stamps_and_frames_meet_in_time_and_everything_is_accounted_for(
    events: list[tuple[str, int, str, float]],
) -> None:
    pairing: Pairing[tuple[Key, float], tuple[Key, float]] = Pairing(WAIT_S, 0.0)
    now_s, first = 0.0, 0
    met = pictures = detections = 0
    for kind, stamp, frame, later_s in events:
        now_s += later_s
        key, item = Key(stamp, frame), (Key(stamp, frame), now_s)
        if kind == 'picture':
            pictures += 1
            first = first or stamp
            other = pairing.picture(key, item, now_s)
        else:
            detections += 1
            other = pairing.detections(key, item, now_s)
        if other is not None:
            met += 1
            assert other[0] == key
            assert now_s - other[1] <= WAIT_S
    pairing.expire(now_s + 10)
    assert pairing.received == detections
    assert met + pairing.pictures_alone == pictures
    assert met + pairing.alone <= detections
    # Detections of pictures before the first one do not count.
    if not any(stamp < first for _, stamp, _, _ in events):
        assert met + pairing.alone == detections
    assert bool(pairing.why) == (pairing.alone > 0)


def test_a_detector_that_is_a_few_pictures_late_gets_the_right_one() -> None:
    pairing: Pairing[int, int] = Pairing(WAIT_S, 0.0)
    for stamp in range(1, 10):
        assert pairing.picture(Key(stamp, FRONT), stamp, 0.01 * stamp) is None
        if stamp > 4:
            assert pairing.detections(Key(stamp - 4, FRONT), 0, 0.01 * stamp) == stamp - 4


def test_no_more_than_a_few_pictures_wait() -> None:
    pairing: Pairing[int, int] = Pairing(WAIT_S, 0.0)
    for stamp in range(1, 1000):
        pairing.picture(Key(stamp, FRONT), stamp, 0.0)
        pairing.detections(Key(stamp, REAR), stamp, 0.0)
    assert pairing.pictures_alone == pairing.alone == 999 - KEPT


@pytest.mark.parametrize(
    ('key', 'word'),
    [
        (Key(0, FRONT), 'no stamp'),
        (Key(10, REAR), 'another camera'),
        (Key(10, FRONT), 'two detectors'),
        (Key(5_000_000_000, FRONT), '5.000 s ahead'),
        (Key(11, FRONT), 'copy its header'),
    ],
)
def test_why_detections_fit_no_picture(key: Key, word: str) -> None:
    pairing: Pairing[int, int] = Pairing(WAIT_S, 0.0)
    pairing.picture(Key(10, FRONT), 0, 0.0)
    pairing.picture(Key(12, FRONT), 0, 0.0)
    assert pairing.detections(Key(10, FRONT), 0, 0.1) == 0
    assert pairing.detections(key, 0, 0.2) is None
    pairing.expire(1.0)
    assert word in pairing.why


def test_detections_of_pictures_before_the_first_are_no_fault() -> None:
    pairing: Pairing[int, int] = Pairing(WAIT_S, 0.0)
    pairing.detections(Key(9, FRONT), 0, 0.0)
    pairing.picture(Key(10, FRONT), 0, 0.0)
    pairing.expire(1.0)
    assert (pairing.alone, pairing.why) == (0, '')


def test_without_any_picture_that_is_why() -> None:
    pairing: Pairing[int, int] = Pairing(WAIT_S, 0.0)
    pairing.detections(Key(10, FRONT), 0, 0.1)
    pairing.expire(1.0)
    assert pairing.why == 'no image has come'
