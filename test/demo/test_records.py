from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.errors import DemoError
from demo.records import FrameRecord, Join, frame_record

VALUES = {
    'label': 'apple',
    'exit_layer': '6',
    'depth': '0.500000',
    'confidence': '0.750000',
    'adaptive_rate': '0.900000',
    'preprocess_ms': '1.500',
    'inference_ms': '20.000',
    'age_ms': '25.000',
    'drops': '3',
}


def message(join: Join, kind: str, stamp: int) -> Callable[[], FrameRecord | None]:
    if kind == 'truth':
        return lambda: join.truth(stamp, f'truth {stamp}')
    if kind == 'label':
        return lambda: join.answer(stamp, f'label {stamp}')
    return lambda: join.values(stamp, VALUES)


def test_a_frame_is_complete_with_its_three_messages() -> None:
    join = Join(frame_record)
    assert join.truth(7, 'apple') is None
    assert join.answer(7, 'pear') is None
    found = join.values(7, VALUES)
    assert found == FrameRecord(0, 7, 'pear', 'apple', 0.75, 6, 0.5, 0.9, 21.5, 25.0, 3)
    assert not found.right
    assert found.layers == 12


@given(
    st.permutations([(kind, stamp) for kind in ('truth', 'label', 'values') for stamp in (5, 9)])
)
def test_messages_may_come_in_any_order_and_never_mix_frames(order: list[tuple[str, int]]) -> None:
    join = Join(frame_record)
    found = [r for kind, stamp in order if (r := message(join, kind, stamp)()) is not None]
    assert sorted(r.stamp_ns for r in found) == [5, 9]
    for record in found:
        assert record.truth == f'truth {record.stamp_ns}'
        assert record.label == f'label {record.stamp_ns}'


def test_a_frame_without_an_answer_is_played_but_not_recorded() -> None:
    join = Join(frame_record)
    for stamp in (1, 2, 3):
        join.truth(stamp, 'apple')
    join.answer(2, 'apple')
    join.values(2, VALUES)
    assert join.stamps == [1, 2, 3]
    assert [r.index for r in join.records.values()] == [1]


def test_an_answer_to_a_frame_that_was_not_played_is_no_record() -> None:
    join = Join(frame_record)
    join.truth(1, 'apple')
    join.answer(4, 'apple')
    join.values(4, VALUES)
    assert not join.records


def test_a_repeated_message_counts_once() -> None:
    join = Join(frame_record)
    for _ in range(2):
        join.truth(1, 'apple')
        join.answer(1, 'apple')
        join.values(1, VALUES)
    assert join.stamps == [1]
    assert len(join.records) == 1


def test_an_unknown_age_is_none() -> None:
    join = Join(frame_record)
    join.truth(1, 'apple')
    join.answer(1, 'apple')
    found = join.values(1, {**VALUES, 'age_ms': 'clock mismatch'})
    assert found is not None
    assert found.age_ms is None


@pytest.mark.parametrize('key', ['confidence', 'exit_layer', 'adaptive_rate', 'inference_ms'])
def test_a_missing_value_is_named(key: str) -> None:
    join = Join(frame_record)
    join.truth(1, 'apple')
    join.answer(1, 'apple')
    with pytest.raises(DemoError, match=f"lacks '{key}'"):
        join.values(1, {k: v for k, v in VALUES.items() if k != key})


def test_a_value_that_is_no_number_is_shown() -> None:
    join = Join(frame_record)
    join.truth(1, 'apple')
    join.answer(1, 'apple')
    with pytest.raises(DemoError, match='many'):
        join.values(1, {**VALUES, 'exit_layer': 'many'})
