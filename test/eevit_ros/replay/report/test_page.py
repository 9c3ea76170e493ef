from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eevit_ros.replay.report.page import write_json, write_page
from eevit_ros.replay.report.pictures import thumbnail, wanted
from eevit_ros.replay.results.frame_table import BAD, DROPPED, FrameRow
from eevit_ros.replay.results.result import Result
from eevit_ros.replay.results.summary import summarise
from eevit_ros.reporting.page import clock_time, number
from test.eevit_ros.replay.made_frames import drive, facts, frame_row, limits_of, table, unanswered

SCRIPT = '<script>alert("x")</script>'


def page(folder: Path, rows: list[FrameRow], problems: tuple[str, ...] = (), **changes: Any) -> str:
    """The report of these frames, with a grey picture of each moment."""
    frames, conditions = table(folder, rows), facts(**changes)
    limits = limits_of(rows) if rows else pd.DataFrame(
        {'bag': [], 'time_ns': [], 'adaptive_rate': [], 'speed_limit_percent': []}
    )  # fmt: skip
    jpeg = thumbnail(np.full((30, 40, 3), 90, np.uint8))
    pictures = dict.fromkeys(wanted(frames), jpeg)
    summary = summarise(frames, limits, conditions)
    path = write_page(folder, Result(frames, limits, summary, conditions, list(problems)), pictures)
    assert path == folder / 'report.html'
    return path.read_text('utf-8')


class Reader(HTMLParser):
    """What a browser would fetch, and the texts of the elements of a class or tag."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[set[str]] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [given[name] or '' for name in ('src', 'href', 'xlink:href') if name in given]
        if tag in ('img', 'meta', 'br', 'path', 'use', 'rect', 'image'):
            return
        kinds = {tag, *(given.get('class') or '').split()}
        self._open.append(kinds)
        for kind in kinds:
            self.texts.setdefault(kind, []).append('')

    def handle_endtag(self, tag: str) -> None:
        while self._open and tag not in self._open.pop():
            pass

    def handle_data(self, data: str) -> None:
        for kind in set().union(*self._open):
            self.texts[kind][-1] += f'{data} '


def cards(content: str) -> list[str]:
    return [' '.join(card.split()) for card in Reader(content).texts['card']]


def test_the_page_needs_nothing_beside_itself(tmp_path: Path) -> None:
    content = page(tmp_path, drive(600))
    reader = Reader(content)
    assert all(link.startswith(('data:', '#')) for link in reader.links)
    assert not {'script', 'link', 'iframe'} & set(reader.tags)
    assert not re.search(r'url\((?!#)|@import', content)
    assert reader.tags.count('svg') == 5
    assert reader.tags.count('img') == 32  # eight of each kind


@pytest.mark.usefixtures('undrawn')
@pytest.mark.parametrize(
    ('rows', 'first'),
    [
        pytest.param(drive(100), 'of 98 answers right', id='truth'),
        pytest.param(
            drive(100, truth=False, reference=True), 'of answers as at full depth', id='reference'
        ),
        pytest.param(drive(100, truth=False), 'layers run on average', id='neither'),
    ],
)
def test_the_first_card_is_the_best_that_is_known(
    tmp_path: Path, rows: list[FrameRow], first: str
) -> None:
    assert cards(page(tmp_path, rows))[0].endswith(first)


@pytest.mark.usefixtures('undrawn')
def test_cards_say_what_was_measured(tmp_path: Path) -> None:
    rows = [
        *(frame_row(n, truth='cat', exit_layer=4, latency_ms=10.0, age_ms=30.0) for n in range(3)),
        frame_row(3, truth='dog', exit_layer=12, latency_ms=10.0, age_ms=30.0, adaptive_rate=0.2),
        unanswered(frame_row(4), DROPPED),
        unanswered(frame_row(5), BAD, 'broken'),
    ]
    shown = cards(page(tmp_path, rows))
    assert shown[0] == '75.0 % of 4 answers right'
    text = ' | '.join(shown)
    for part in ('6.0 of 12', '10 / 10 ms', '30 ms', '0.20', '1 of 6 frames dropped; 1 bad'):
        assert part in text


@pytest.mark.usefixtures('undrawn')
@pytest.mark.parametrize(
    ('clock', 'sentence'),
    [
        ('as-fast-as-possible', 'a computer that always keeps up'),
        ('real-time', 'what a live node would have dropped'),
    ],
)
def test_the_page_says_which_clock_ran(tmp_path: Path, clock: str, sentence: str) -> None:
    content = page(tmp_path, drive(20), clock=clock, latency='fixed 30 ms')
    assert sentence in content
    assert 'fixed 30 ms' in content


@pytest.mark.usefixtures('undrawn')
def test_problems_stand_above_everything_else(tmp_path: Path) -> None:
    problems = tuple(f'problem {n} of <b>bag</b>' for n in range(60))
    content = page(tmp_path, drive(20), problems)
    (box,) = Reader(content).texts['problems']
    assert 'problem 0 of <b>bag</b>' in box
    assert 'problem 60' not in box
    assert '10 more are in report.json' in box
    assert content.index('problem 0') < content.index('class="cards"')
    assert 'problems' not in Reader(page(tmp_path, drive(20))).texts


@pytest.mark.usefixtures('undrawn')
def test_moments_carry_answer_truth_and_place(tmp_path: Path) -> None:
    rows = [frame_row(n, truth='cat') for n in range(60)]
    rows[30] = frame_row(
        30,
        label='wolf',
        truth='dog',
        reference='fox',
        confidence=0.123,
        exit_layer=12,
        latency_ms=77.7,
        adaptive_rate=0.31,
    )
    captions = Reader(page(tmp_path, rows)).texts['figcaption']
    (caption, *_) = captions
    for part in ('wolf', 'is dog', 'at full depth fox', 'layer 12', '12.3 %', '77.7 ms', '0.31'):
        assert part in caption
    assert 'run_1' in caption
    assert 'at 0:02.0, frame 30' in caption


@pytest.mark.usefixtures('undrawn')
def test_a_moment_without_its_picture_says_so(tmp_path: Path) -> None:
    rows = drive(50)
    frames, limits = table(tmp_path, rows), limits_of(rows)
    summary = summarise(frames, limits, facts())
    content = write_page(tmp_path, Result(frames, limits, summary, facts(), []), {}).read_text(
        'utf-8'
    )
    assert 'no picture' in content
    assert '<img' not in content


@pytest.mark.usefixtures('undrawn')
def test_classes_stand_worst_first_and_at_most_thirty(tmp_path: Path) -> None:
    rows = [
        frame_row(n, label='taken' if n % 40 < 20 else f'c{n % 40}', truth=f'c{n % 40}')
        for n in range(400)
    ]
    content = page(tmp_path, rows)
    box = next(text for text in Reader(content).texts['section'] if 'worst first' in text)
    assert '10 more are in report.json' in box
    assert 'c3' in box
    assert 'c39' not in box
    assert box.index('taken') < box.index('100.0 %')


@pytest.mark.usefixtures('undrawn')
def test_recordings_have_a_table_when_there_are_several(tmp_path: Path) -> None:
    assert '<h2>Recordings</h2>' not in page(tmp_path, drive(20))
    content = page(tmp_path, drive(20) + drive(20, bag='run_2'))
    assert '<h2>Recordings</h2>' in content
    assert '2 recordings' in content


@pytest.mark.usefixtures('undrawn')
def test_what_was_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    rows = [frame_row(n) for n in range(40)]
    for n in (3, 4, 5, 9):
        rows[n] = unanswered(rows[n], DROPPED)
    for n in (20, 21):
        rows[n] = unanswered(rows[n], BAD, 'image of 0x0 pixels')
    rows[30] = frame_row(30, notes='unsure blind')
    content = page(tmp_path, rows)
    box = next(text for text in Reader(content).texts['section'] if 'doubtful' in text)
    assert 'image of 0x0 pixels' in box
    assert '3 in a row at most' in box
    assert '0:01.3 (frame 20)' in box
    assert '1 blind, 1 unsure' in box
    assert 'doubtful' not in page(tmp_path, [frame_row(0)])


def test_everything_from_outside_is_shown_as_text(tmp_path: Path) -> None:
    rows = [
        frame_row(0, bag=SCRIPT, label=SCRIPT, truth=f'{SCRIPT}2', reference=SCRIPT),
        frame_row(40, bag=f'b{SCRIPT}', label='x', truth=SCRIPT),
        unanswered(frame_row(41, bag=SCRIPT), BAD, SCRIPT),
    ]
    content = page(
        tmp_path,
        rows,
        (SCRIPT,),
        model=facts()['model'] | {'name': SCRIPT},
        provider=SCRIPT,
        parameters={SCRIPT: SCRIPT},
        truth=SCRIPT,
        latency=f'from {SCRIPT}',
        sources=[{'name': SCRIPT, 'path': SCRIPT, 'topic': SCRIPT, 'frames': 3}],
        machine=dict.fromkeys(('cpu', 'cores', 'system', 'python'), SCRIPT),
    )
    assert '<script' not in content
    assert '&lt;script&gt;' in content


@pytest.mark.parametrize(
    'rows',
    [
        pytest.param([], id='no frame'),
        pytest.param([frame_row(0)], id='one frame'),
        pytest.param([unanswered(row, DROPPED) for row in drive(20)], id='no answer'),
        pytest.param([frame_row(n, age_ms=None, latency_ms=None) for n in range(30)], id='no ages'),
        pytest.param([frame_row(n, confidence=None) for n in range(3)], id='no confidence'),
    ],
)
def test_a_poor_replay_still_gives_a_page(tmp_path: Path, rows: list[FrameRow]) -> None:
    content = page(tmp_path, rows)
    assert 'Conditions' in content
    assert 'nan' not in ' '.join(Reader(content).texts['main'])


def test_the_json_is_valid_without_nan(tmp_path: Path) -> None:
    summary = {'metrics': {'accuracy': float('nan'), 'frames': np.int64(3), 'x': np.float32('inf')}}
    empty = pd.DataFrame()
    path = write_json(tmp_path, Result(empty, empty, summary, facts(), ['a problem']))

    def refuse(name: str) -> None:
        raise AssertionError(name)

    report = json.loads(path.read_text('utf-8'), parse_constant=refuse)
    assert report['summary'] == {'metrics': {'accuracy': None, 'frames': 3, 'x': None}}
    assert report['facts'] == facts()
    assert report['problems'] == ['a problem']


@pytest.mark.parametrize(
    ('seconds', 'shown'),
    [(0.0, '0:00.0'), (59.96, '1:00.0'), (61.23, '1:01.2'), (3661.0, '1:01:01.0')],
)
def test_times_are_shown_as_a_clock_does(seconds: float, shown: str) -> None:
    assert clock_time(seconds) == shown


def test_a_number_that_is_none_is_a_dash() -> None:
    assert [number(None), number(float('nan')), number(1.25, '.1f', ' ms')] == ['–', '–', '1.2 ms']
