"""The documents' measured tables are those of the benchmarks' committed figures."""

from __future__ import annotations

import re

import pytest

from benchmarks.report_file import read_report
from test.documents.pages import ROOT

DOCUMENTS = ['performance.md', 'soak.md']
FIGURES = ROOT / 'docs' / 'benchmarks'


def tables(document: str) -> dict[str, str]:
    """What stands between each pair of comments, by its name."""
    text = (ROOT / 'docs' / document).read_text()
    return dict(re.findall(r'<!-- (\w+) -->\n(.*?)<!-- /\1 -->', text, re.DOTALL))


@pytest.mark.parametrize('document', DOCUMENTS)
def test_tables_are_those_of_the_committed_run(document: str) -> None:
    for name, table in tables(document).items():
        figures = FIGURES / f'{name}.json'
        if figures.exists():
            assert table.strip() == read_report(figures).markdown().strip(), name
        else:
            assert table.strip().startswith('Not measured yet'), name


def test_no_figures_lie_about_unread() -> None:
    named = {name for document in DOCUMENTS for name in tables(document)}
    assert {file.name for file in FIGURES.iterdir()} <= {f'{name}.json' for name in named}
