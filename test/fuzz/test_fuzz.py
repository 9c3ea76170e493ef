"""A few thousand cases of every target, and whether the runner sees what it is there for."""

from __future__ import annotations

import pytest

from fuzz.__main__ import describe
from fuzz.runner import run_cases
from harness.paths import ROOT

CASES = {
    'images': 2000,
    'pictures': 1500,
    'videos': 100,
    'parameters': 100,
    'bags': 150,
    'models': 100,
}


@pytest.mark.parametrize('target', CASES)
def test_no_case_is_a_finding(target: str) -> None:
    tally = run_cases(target, seed=7, first=0, cases=CASES[target], seconds=120)
    assert not tally.findings, '\n'.join(finding.what for finding in tally.findings)
    assert tally.cases == CASES[target]
    assert tally.outcomes['accepted'] and tally.outcomes.total() > tally.outcomes['accepted']


def test_a_few_files_as_ros_reads_them() -> None:
    pytest.importorskip('rclpy')
    tally = run_cases('ros_parameters', seed=7, first=0, cases=40, seconds=120)
    assert not tally.findings, '\n'.join(finding.what for finding in tally.findings)


def test_what_must_not_be_is_found_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    # Long enough for good cases on a busy machine.
    tally = run_cases('test.fuzz.bad', seed=1, first=0, cases=8, seconds=5)
    found = {finding.index: finding.what for finding in tally.findings}
    assert found.keys() == {1, 2, 3, 4, 5}
    assert 'Wrong: an answer' in found[1]
    assert 'ended with -11' in found[2] and 'Segmentation fault' in found[2]
    assert 'not done after 5 s' in found[3]
    assert 'MemoryError' in found[4]
    assert 'only for want of memory' in found[5]
    assert tally.outcomes == {'accepted': 2, 'EevitError from ValueError': 1}
    text = describe('bad', 1, tally)
    assert '8 cases' in text and '5 findings' in text and '2 accepted' in text
