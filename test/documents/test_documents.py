"""Links and files in the documents exist; tables of parameters and topics are the code's."""

from __future__ import annotations

import configparser
import doctest
import re
from pathlib import Path

import numpy as np
import pytest

from eevit_ros.model.engine import ExitResult
from eevit_ros.perception.camera_health import CameraHealth
from eevit_ros.perception.perception import FrameRecord
from eevit_ros.perception.statistics import PublisherCount, Statistics
from eevit_ros.speed.rate import RateSettings
from test.documents.pages import ROOT, launch_arguments, rows

DOCUMENTS = sorted(
    [*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md'), *(ROOT / 'models').glob('*.md')]
)
TOPICS = (ROOT / 'docs' / 'topics.md').read_text()
FENCE = re.compile(r'^( *)```.*?^\1```', re.MULTILINE | re.DOTALL)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """The text without its code."""
    return re.sub(r'^    .*$', '', FENCE.sub('', path.read_text()), flags=re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r'^#+ (.+)$', FENCE.sub('', path.read_text()), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('path', DOCUMENTS, ids=name)
def test_relative_links_and_anchors_lead_somewhere(path: Path) -> None:
    for link in re.findall(r'\]\(([^)\s]+)\)', prose(path)):
        if re.match(r'\w+:', link):
            continue
        file, _, anchor = link.partition('#')
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize('path', DOCUMENTS, ids=name)
def test_files_that_are_named_exist(path: Path) -> None:
    folders = 'benchmarks|config|demo|drive|eevit_ros|launch|model_export|models|scripts|test'
    for file in re.findall(rf'(?<![\w/])(?:{folders})/[\w/]+\.[a-z]\w*', path.read_text()):
        assert (ROOT / file).exists(), file


def test_every_page_is_in_the_site_and_the_site_has_no_other() -> None:
    listed = re.findall(r': ([\w/]+\.md)$', (ROOT / 'mkdocs.yml').read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(name(path) for path in DOCUMENTS)


def test_generated_files_are_up_to_date() -> None:
    pytest.importorskip('rclpy')
    from scripts.generate import FILES

    outdated = [path for path, text in FILES.items() if (ROOT / path).read_text() != text()]
    assert not outdated, 'run: python -m scripts.generate'


@pytest.mark.parametrize(
    ('page', 'head', 'file'),
    [
        ('robot.md', 'launch argument', 'classify.launch.py'),
        ('navigation.md', 'argument', 'navigation.launch.py'),
        ('recording.md', 'argument', 'replay.launch.py'),
    ],
)
def test_launch_arguments(page: str, head: str, file: str) -> None:
    assert list(rows((ROOT / 'docs' / page).read_text(), head)) == launch_arguments(file)


def test_values_of_a_frame_are_all_listed() -> None:
    result = ExitResult(
        class_index=0, class_name='a', confidence=1.0, probabilities=np.ones(1, np.float32),
        exit_index=0, exit_layer=1, depth=0.1, preprocess_ms=1.0, inference_ms=1.0,
    )  # fmt: skip
    record = FrameRecord(result, 1.0, 1.0, 0, '', region_exit_layers='1')
    assert _names(rows(TOPICS, 'value')) == list(record.values())


def test_values_of_diagnostics_are_all_listed() -> None:
    report = Statistics(0.0, RateSettings()).report(
        1.0, camera=CameraHealth(10, 0.0), publishers=PublisherCount('/image'), drops=0, facts={}
    )
    assert set(report.values) <= set(_names(rows(TOPICS, 'values')))


def test_encodings_are_all_listed() -> None:
    encodings = pytest.importorskip('eevit_ros.images.encodings').SUPPORTED_ENCODINGS
    text = (ROOT / 'docs' / 'robot.md').read_text()
    listed = re.search(r'\*\*Encodings\*\*:(.*?);', text, re.DOTALL)
    assert listed
    assert set(re.findall(r'`(\w+)`', listed[1])) == set(encodings)


def test_the_policy_of_the_example_decides_as_it_says() -> None:
    failed, tried = doctest.testfile(str(ROOT / 'docs' / 'extending.md'), module_relative=False)
    assert tried > 0
    assert failed == 0


def test_what_replay_needs_on_a_robot_is_the_extra_of_that_name() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    needed = setup['options.extras_require']['replay'].split()
    (command,) = re.findall(
        r"pip install 'numpy<2' '([^#]*?)\n\n", (ROOT / 'docs' / 'replay.md').read_text()
    )
    assert re.findall(r'[\w.>=]+', command) == needed


def _names(table: dict[str, list[str]]) -> list[str]:
    return [value for cell in table for value in re.findall(r'\w+', cell)]
