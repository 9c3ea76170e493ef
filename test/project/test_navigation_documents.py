"""What docs/navigation.md says is what the code does."""

from __future__ import annotations

from test.project.documents import ROOT, launch_arguments, rows

DOCUMENT = ROOT / 'docs' / 'navigation.md'


def test_launch_arguments() -> None:
    assert list(rows(DOCUMENT.read_text(), 'argument')) == launch_arguments('navigation.launch.py')
