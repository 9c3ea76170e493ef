from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import pytest

from demo.records import FrameRecord
from demo.report.page import Run, write_html, write_json
from demo.report.summary import summarise
from demo.terminal import frame_line, summary_text
from test.demo.records_for_tests import grey_frame, record


def make_run(records: list[FrameRecord], *, played: int = 45, **changes: Any) -> Run:
    bag = [grey_frame(i, truth=f'class {i // 10}', level=200 - 3 * i) for i in range(played)]
    summary = summarise(records, played=played, layers=12, camera_hz=15.0) | {
        'model': {'name': 'a model', 'sha256': '0123456789abcdef' * 4},
        'provider': 'cpu',
        'transport': '/camera/image_raw',
        'machine': {'cpu': 'a CPU', 'cores': 2, 'load_before': 0.1, 'system': 's', 'python': '3'},
    }
    rates = [(i / 15, r.adaptive_rate) for i, r in enumerate(records)]
    return Run(bag, records, rates, summary | changes)


MIXED = [
    record(i, label='pear' if i % 4 else 'apple', exit_layer=4 + i % 9, depth=(4 + i % 9) / 12)
    for i in range(45)
]


def test_the_json_holds_each_frame_and_the_summary(tmp_path: Path) -> None:
    run = make_run([record(3), record(7, age_ms=None)])
    write_json(run, tmp_path / 'report.json')
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['summary'] == run.summary
    first, second = report['frames']
    assert first == {
        'index': 3,
        'stamp': run.records[0].stamp_ns * 1e-9,
        'label': 'apple',
        'truth': 'apple',
        'confidence': 0.9,
        'exit_layer': 4,
        'adaptive_rate': 1.0,
        'latency_ms': 10.0,
        'age_ms': 12.0,
    }
    assert second['age_ms'] is None
    assert len(report['rate_over_time']) == 2


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.images = 0
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.images += tag == 'img'
        self.found += [
            value or '' for name, value in attrs if name in ('src', 'href', 'xlink:href')
        ]


def test_the_page_needs_nothing_beside_itself(tmp_path: Path) -> None:
    write_html(make_run(MIXED), tmp_path / 'report.html', tmp_path / 'overview.png')
    page = (tmp_path / 'report.html').read_text('utf-8')
    links = Links()
    links.feed(page)
    assert links.images == 5  # one a scene
    assert all(link.startswith(('data:', '#')) for link in links.found)
    assert not links.tags & {'script', 'link', 'iframe'}
    assert not re.search(r'url\((?!#)|@import', page)


def test_the_overview_is_a_picture(tmp_path: Path) -> None:
    write_html(make_run(MIXED), tmp_path / 'report.html', tmp_path / 'overview.png')
    overview = cv2.imread(str(tmp_path / 'overview.png'))
    assert overview is not None
    assert overview.shape[1] > 1000
    assert overview.std() > 10  # something is drawn


def test_names_are_shown_as_text(tmp_path: Path) -> None:
    run = make_run(
        [record(i, label='<script>x</script>') for i in range(45)],
        model={'name': '<b>model</b>', 'sha256': 'ff' * 32},
    )
    write_html(run, tmp_path / 'report.html', tmp_path / 'overview.png')
    page = (tmp_path / 'report.html').read_text('utf-8')
    assert '<script' not in page
    assert '<b>model' not in page
    assert '&lt;script&gt;' in page


@pytest.mark.parametrize(
    'records',
    [
        pytest.param([record(0, age_ms=None)], id='one answer of unknown age'),
        pytest.param([record(i) for i in range(30, 45)], id='answers only at the end'),
        pytest.param([record(i, label='pear') for i in range(45)], id='all wrong'),
    ],
)
def test_a_poor_run_still_gives_a_page_and_a_summary(
    tmp_path: Path, records: list[FrameRecord]
) -> None:
    run = make_run(records)
    write_html(run, tmp_path / 'report.html', tmp_path / 'overview.png')
    assert f'{len(records)} / 45' in (tmp_path / 'report.html').read_text('utf-8')
    assert f'{len(records)} of 45 answered' in summary_text(run.summary)


def test_a_line_shows_answer_truth_layer_and_rate() -> None:
    wrong = record(15, label='pear', truth='apple', exit_layer=9, depth=0.75, adaptive_rate=0.5)
    line = frame_line(wrong, first_ns=record(0).stamp_ns)
    for part in ('1.0s', 'apple', 'pear', '✗', '9/12', '0.50', '█████░░░░░'):
        assert part in line
    assert '✓' in frame_line(record(0), first_ns=record(0).stamp_ns)


def test_the_summary_says_when_the_computer_was_too_busy() -> None:
    assert 'too few answers' in summary_text(make_run(MIXED[:30]).summary)
    assert 'too few answers' not in summary_text(make_run(MIXED).summary)
