"""docs/performance.md says what the benchmarks' committed figures say."""

from __future__ import annotations

import sys

import pytest
from documents import ROOT

sys.path.insert(0, str(ROOT / 'benchmarks'))

from report_file import read_report  # noqa: E402


@pytest.mark.parametrize('name', ['node_cost', 'precision', 'resize_exits'])
def test_tables_are_those_of_the_committed_run(name: str) -> None:
    text = (ROOT / 'docs' / 'performance.md').read_text()
    between = text.partition(f'<!-- {name} -->\n')[2].partition(f'<!-- /{name} -->')[0]
    figures = ROOT / 'docs' / 'benchmarks' / f'{name}.json'
    expected = (
        f'\n{read_report(figures).markdown()}\n' if figures.exists() else 'Not measured yet.\n'
    )
    assert between == expected
