"""What of a node's status is logged, and how often."""

from __future__ import annotations

import pytest

from eevit_ros.perception.status import ERROR, OK, WARN, Status

status_log = pytest.importorskip('eevit_ros.nodes.status_log')

WELL = Status(OK, '20 frames answered', {})
LOST = Status(WARN, 'lost 4', {})
SILENT = Status(ERROR, 'no image', {})


class Console:
    """A logger that is asked so seldom that it throttles nothing."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> bool:
        return self._add('info', text)

    def warning(self, text: str, **_: float) -> bool:
        return self._add('warning', text)

    def error(self, text: str, **_: float) -> bool:
        return self._add('error', text)

    def _add(self, level: str, text: str) -> bool:
        self.lines.append(f'{level} {text}')
        return True


def said(*news: tuple[Status, str]) -> list[str]:
    console = Console()
    log = status_log.StatusLog(console, '/camera')
    for status, lasting in news:
        log.write(status, lasting)
    return console.lines


def test_problems_are_repeated_and_their_end_is_told_once() -> None:
    news = [(WELL, ''), (SILENT, ''), (LOST, ''), (LOST, ''), (WELL, ''), (WELL, '')]
    lost = 'warning /camera: lost 4'
    assert said(*news) == [
        'error /camera: no image', lost, lost, 'info /camera: all is well again'
    ]  # fmt: skip


def test_what_lasts_is_said_once_until_it_is_over_whatever_its_figures() -> None:
    news = [(WELL, 'shift 1'), (WELL, 'shift 2'), (WELL, ''), (WELL, 'shift 3'), (WELL, 'shift 3')]
    assert said(*news) == [
        'warning /camera: shift 1',
        'info /camera: all is well again',
        'warning /camera: shift 3',
    ]


def test_while_it_lasts_other_problems_are_told_and_not_all_is_well() -> None:
    news = [(WELL, 'shift'), (LOST, 'shift'), (WELL, 'shift'), (LOST, ''), (WELL, '')]
    assert said(*news) == [
        'warning /camera: shift',
        'warning /camera: lost 4',
        'warning /camera: lost 4',
        'info /camera: all is well again',
    ]


def test_a_status_message_carries_all_of_it() -> None:
    status = Status(ERROR, 'no image', {'received': '3'})
    message = status_log.status_message('classifier: perception', status, '/camera')
    assert (message.name, message.hardware_id) == ('classifier: perception', '/camera')
    assert (message.level, message.message) == (b'\x02', 'no image')
    assert [(item.key, item.value) for item in message.values] == [('received', '3')]
