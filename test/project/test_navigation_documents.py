"""What docs/navigation.md says is what the code does."""

from __future__ import annotations

from eevit_ros.parameters import classifier_specs as parameter_specs
from eevit_ros.parameters import governor_specs
from test.project.documents import ROOT, launch_arguments, rows

DOCUMENT = ROOT / 'docs' / 'navigation.md'


def test_launch_arguments() -> None:
    assert list(rows(DOCUMENT.read_text(), 'argument')) == launch_arguments('navigation.launch.py')


def test_times_and_percentages_are_those_of_the_defaults() -> None:
    governor, classifier = governor_specs.SPECS, parameter_specs.SPECS
    text = ' '.join(DOCUMENT.read_text().split())
    period_s = 1 / governor['publish_hz'].default
    for stale_after_s in (governor['stale_after_s'], classifier['rate.stale_after_s']):
        assert f'{stale_after_s.default + period_s:.1f} s: ' in text
    assert f'floor of {governor["floor"].default:.0%}'.replace('%', ' %') in text
    assert f'until {governor["fresh_messages"].default} good messages' in text
    assert f'at most {100 * governor["recover_per_s"].default:.0f} % a second' in text
    assert f'`frozen_after_frames` ({classifier["frozen_after_frames"].default})' in text
    assert f'{governor["command_timeout_s"].default} s after the last command' in text
