"""What the benchmarks write: JSON that can be read back, and the same as Markdown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.report_file import Report, Table, machine, read_report
from harness.paths import ROOT

TABLE = Table('Milliseconds', ['frame', 'p50', 'p99'], [['small', 0.5, 1], ['large', 2.345, None]])
REPORT = Report('Cost', {'cpu': 'a CPU', 'cores': 2}, [TABLE], ['a note'], 'python b/cost.py')
MARKDOWN = """\
    python b/cost.py

On: cpu a CPU, cores 2.

**Milliseconds**

| frame | p50 | p99 |
| --- | --: | --: |
| small | 0.50 | 1 |
| large | 2.35 |  |

- a note
"""


def test_what_is_read_back_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'cost.json'
    assert REPORT.write(path) == f'## Cost\n\n{MARKDOWN}'
    assert read_report(path).markdown() == MARKDOWN


def test_a_document_is_filled_between_its_comments_and_nowhere_else(tmp_path: Path) -> None:
    document = tmp_path / 'document.md'
    document.write_text('before\n\n<!-- cost -->\nold\n<!-- /cost -->\n\nafter\n')
    for _ in range(2):
        REPORT.fill(document, 'cost')
        expected = f'before\n\n<!-- cost -->\n\n{MARKDOWN}\n<!-- /cost -->\n\nafter\n'
        assert document.read_text() == expected


@pytest.mark.parametrize('inside', ['benchmarks/cost', 'benchmarks/gpu/cost'])
def test_the_command_does_not_say_where_this_computer_keeps_its_data(
    monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    script = str(ROOT / f'{inside}.py')
    monkeypatch.setattr(sys, 'argv', [script, '--data', '/there/set', '-n', '3'])
    module = inside.replace('/', '.')
    assert Report('Cost', {}, []).command == f'python -m {module} --data set -n 3'


@pytest.mark.parametrize('text', ['', '<!-- cost -->\n', '<!-- /cost -->\n<!-- cost -->\n'])
def test_a_document_without_the_comments_stays_as_it_is(tmp_path: Path, text: str) -> None:
    document = tmp_path / 'document.md'
    document.write_text(text)
    with pytest.raises(ValueError, match='cost'):
        REPORT.fill(document, 'cost')
    assert document.read_text() == text


def test_the_machine_names_processor_and_versions() -> None:
    facts = machine('pytest')
    assert facts['cpu']
    assert facts['numpy'] == __import__('numpy').__version__
    assert facts['pytest'] == pytest.__version__
