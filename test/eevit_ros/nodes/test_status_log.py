"""What of a node's status is logged, and how often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.status import ERROR, OK, WARN, Status

status_log = pytest.importorskip('eevit_ros.nodes.status_log')

WELL = Status(OK, '20 frames answered', {})


def bad(text: str, level: int = WARN) -> Status:
    return Status(level, text, {}, ((level, text),))


LOST = bad('lost 4')
SILENT = bad('no image', ERROR)


class Console:
    """A logger, and the clock of whoever writes to it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self._add('info', text)

    def warning(self, text: str) -> None:
        self._add('warning', text)

    def error(self, text: str) -> None:
        self._add('error', text)

    def _add(self, level: str, text: str) -> None:
        self.lines.append(f'{self.now_s:.0f} {level} {text}')


def said(*news: Status | None) -> list[str]:
    """Return what is logged of a status a second, each line after its second."""
    console = Console()
    log = status_log.StatusLog(console, '/camera', lambda: console.now_s)
    for status in news:
        if status is not None:
            log.write(status)
        console.now_s += 1.0
    return console.lines


def test_a_problem_is_told_at_once_then_once_a_minute_and_its_end_once() -> None:
    news = [*[WELL] * 3, *[SILENT] * 100, *[WELL] * 30]
    assert said(*news) == [
        '3 error /camera: no image',
        '63 error /camera: no image (60 times in 60 s)',
        '112 info /camera: all is well again',
    ]


def test_what_comes_and_goes_is_one_line_with_a_count_a_minute() -> None:
    scene = [bad(f"{n} answer(s) below min_confidence, the last: 'dog {n}' 0.{n}") for n in (1, 2)]
    lines = said(*[scene[0], WELL, scene[1], WELL] * 60)
    assert len(lines) == 4
    assert lines[1].startswith('60 warning') and lines[1].endswith('(30 times in 60 s)')


def test_a_warning_that_comes_back_too_soon_is_not_told_again() -> None:
    news = [LOST, *[WELL] * 20, LOST, *[WELL] * 20, LOST, *[WELL] * 60, LOST]
    assert [line.split()[:2] for line in said(*news)] == [
        ['0', 'warning'],
        ['10', 'info'],
        ['103', 'warning'],
    ]


def test_an_error_that_comes_back_is_told_at_once() -> None:
    news = [SILENT, *[WELL] * 11, SILENT]
    assert [line.split()[:2] for line in said(*news)] == [
        ['0', 'error'],
        ['10', 'info'],
        ['12', 'error'],
    ]


def test_a_worse_problem_does_not_wait_and_others_do_a_little() -> None:
    news = [LOST, SILENT, bad('something else'), *[WELL] * 3, bad('something else')]
    assert said(*news) == [
        '0 warning /camera: lost 4',
        '1 error /camera: no image',
        '6 warning /camera: something else',
    ]


@given(st.lists(st.sampled_from([WELL, LOST, SILENT, bad('x')]), max_size=200))
def test_no_more_than_a_line_in_five_seconds_but_for_worse_ones(news: list[Status]) -> None:
    lines = said(*news)
    times = [int(line.split()[0]) for line in lines if ' info ' not in line]
    assert all(later - sooner >= 5 for sooner, later in zip(times, times[2:], strict=False))


@given(st.lists(st.sampled_from([WELL, LOST, SILENT, bad('x')]), min_size=1, max_size=60))
def test_in_the_end_all_is_well_if_anything_was_told(news: list[Status]) -> None:
    lines = said(*news, *[WELL] * 30)
    assert not lines or lines[-1].endswith('all is well again')


def test_a_line_names_its_subject_once() -> None:
    assert said(bad('no image on /camera for 3.2 s')) == ['0 warning no image on /camera for 3.2 s']


def test_a_status_message_carries_all_of_it() -> None:
    status = Status(ERROR, 'no image', {'received': '3'})
    message = status_log.status_message('classifier: perception', status, '/camera')
    assert (message.name, message.hardware_id) == ('classifier: perception', '/camera')
    assert (message.level, message.message) == (b'\x02', 'no image')
    assert [(item.key, item.value) for item in message.values] == [('received', '3')]
