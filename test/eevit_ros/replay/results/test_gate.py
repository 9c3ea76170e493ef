"""Requirements on the figures: what they say, when they hold, and the JUnit file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.results.gate import (
    Requirement,
    RequirementResult,
    check_names,
    check_requirements,
    parse_requirement,
    write_junit,
)

METRICS = {'accuracy': 0.8, 'latency_p99_ms': 50.0, 'agreement': None, 'frames': 12_345_678}


@pytest.mark.parametrize(
    ('text', 'metric', 'comparison', 'limit'),
    [
        ('accuracy>=0.8', 'accuracy', '>=', 0.8),
        ('latency_p99_ms<=50', 'latency_p99_ms', '<=', 50.0),
        (' bad == 0 ', 'bad', '==', 0.0),
        ('dropped<1e3', 'dropped', '<', 1000.0),
        ('adaptive_rate_min>.2', 'adaptive_rate_min', '>', 0.2),
    ],
)
def test_a_requirement_is_read(text: str, metric: str, comparison: str, limit: float) -> None:
    assert parse_requirement(text) == Requirement(metric, comparison, limit)


@pytest.mark.parametrize(
    'text',
    ['', 'accuracy', 'accuracy>=', '>=0.8', 'accuracy=0.8', 'accuracy>=high', 'accuracy>=0.8 or so',
     'accuracy!=1', 'accuracy=>0.8', 'accuracy>=nan'],
)  # fmt: skip
def test_what_is_no_requirement_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ReplayError) as refused:
        parse_requirement(text)
    assert f'accuracy>=0.8. Got {text!r}' in str(refused.value)


@pytest.mark.parametrize(
    ('text', 'met'),
    [
        ('accuracy>=0.8', True), ('accuracy>0.8', False), ('accuracy<=0.8', True),
        ('accuracy<0.8', False), ('accuracy==0.8', True), ('accuracy>=0.8000001', False),
        ('latency_p99_ms<50.1', True), ('latency_p99_ms<=49', False), ('frames==12345678', True),
    ],
)  # fmt: skip
def test_a_requirement_holds_or_not(text: str, met: bool) -> None:
    (result,) = check_requirements([parse_requirement(text)], METRICS)
    assert result.met is met


@pytest.mark.parametrize('comparison', ['>=', '<=', '>', '<', '=='])
def test_a_figure_that_is_not_known_meets_nothing(comparison: str) -> None:
    (result,) = check_requirements([parse_requirement(f'agreement{comparison}0')], METRICS)
    assert not result.met
    assert str(result) == f'NOT MET  agreement{comparison}0: unknown'


@pytest.mark.parametrize(
    'text', ['accuracy>=0.8333333', 'frames>=12345679', 'accuracy>=0.80000001', 'bad==0']
)
def test_a_requirement_is_shown_as_it_was_given(text: str) -> None:
    assert str(parse_requirement(text)) == text


def test_a_close_miss_does_not_look_like_a_hit() -> None:
    result = RequirementResult(parse_requirement('accuracy>=0.8'), 0.79999999)
    assert str(result) == 'NOT MET  accuracy>=0.8: 0.79999999'


def test_an_unknown_metric_is_told_with_all_that_there_are() -> None:
    with pytest.raises(ReplayError) as refused:
        check_names([parse_requirement('acuracy>=0.8')], METRICS)
    assert "there is no metric 'acuracy'" in str(refused.value)
    assert 'accuracy, agreement, frames, latency_p99_ms' in str(refused.value)


def junit(
    folder: Path, results: list[RequirementResult], problems: list[str]
) -> ElementTree.Element:
    write_junit(folder / 'junit.xml', results, problems)
    return ElementTree.parse(folder / 'junit.xml').getroot()


def test_the_junit_file_has_a_case_a_requirement_and_one_for_the_input(tmp_path: Path) -> None:
    results = check_requirements(
        [parse_requirement(text) for text in ('accuracy>=0.9', 'latency_p99_ms<=50')], METRICS
    )
    suite = junit(tmp_path, results, [])
    assert suite.tag == 'testsuite'
    assert (suite.get('tests'), suite.get('failures'), suite.get('errors')) == ('3', '1', '0')
    cases = {case.get('name'): case for case in suite.findall('testcase')}
    assert list(cases) == ['accuracy>=0.9', 'latency_p99_ms<=50', 'all input was evaluated']
    failures = {name: case.find('failure') for name, case in cases.items()}
    assert [name for name, failure in failures.items() if failure is not None] == ['accuracy>=0.9']
    assert failures['accuracy>=0.9'].get('message') == 'NOT MET  accuracy>=0.9: 0.8'


def test_what_was_left_out_fails_a_case_that_says_all_of_it(tmp_path: Path) -> None:
    suite = junit(tmp_path, [], ['run_1 was skipped: <no> "index" & more', 'run_2: 3 frames'])
    failure = suite.find('testcase/failure')
    assert failure is not None
    assert failure.get('message') == 'run_1 was skipped: <no> "index" & more'
    assert failure.text == 'run_1 was skipped: <no> "index" & more\nrun_2: 3 frames'


@pytest.mark.parametrize(
    'character', ['\x00', '\x07', '\x1b', '\x7f', '\ud800', '\ufffe', 'ü', '鱼']
)
def test_whatever_a_problem_holds_the_file_is_xml(tmp_path: Path, character: str) -> None:
    suite = junit(tmp_path, [], [f"encoding 'rgb{character}8' is unknown"])
    message = suite.find('testcase/failure').get('message')
    assert message.startswith("encoding 'rgb") and message.endswith("8' is unknown")
