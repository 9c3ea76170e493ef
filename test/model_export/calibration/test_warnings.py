"""What figures of a bad training warn of, and that those of a good one do not."""

from __future__ import annotations

import pytest

from model_export.calibration.temperatures import TEMPERATURES
from model_export.calibration.warnings import (
    warn_of_depth,
    warn_of_lost_accuracy,
    warn_of_one_exit,
    warn_of_temperatures,
)

LAYERS = (3, 6, 12)


@pytest.mark.parametrize(
    ('accuracy', 'images', 'warned'),
    [
        ((0.975, 0.96, 0.825), 100, True),
        ((0.95, 0.96, 0.92), 2000, True),
        ((0.95, 0.96, 0.95), 100, False),  # as chance has it
        ((0.65, 0.91, 0.88), 100, False),
        ((0.44, 0.63, 0.55), 100, True),
        ((0.901, 0.902, 0.9), 100_000, False),  # too small to matter
        ((0.8, 0.9, 0.95), 100, False),
        ((1.0, 1.0, 1.0), 100, False),
    ],
)
def test_a_final_exit_that_is_not_the_best_is_told(
    accuracy: tuple[float, ...],
    images: int,
    warned: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    warn_of_depth(accuracy, LAYERS, images)
    said = capsys.readouterr().out
    assert said.startswith('warning: ') == warned == ('min_steps' in said)


@pytest.mark.parametrize(
    ('share', 'warned'),
    [((1.0, 0, 0), True), ((0.04, 0.96, 0), True), ((0.6, 0.4, 0), False), ((0, 0, 1.0), False)],
)
def test_images_that_all_leave_at_one_early_exit_are_told(
    share: tuple[float, ...], warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_one_exit(share, LAYERS)
    assert capsys.readouterr().out.startswith('warning: ') == warned


def test_a_temperature_at_its_limit_is_told_with_its_layer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    warn_of_temperatures([1.0, 0.9, 1.2], LAYERS)
    assert not capsys.readouterr().out
    warn_of_temperatures([TEMPERATURES[0], 1.0, TEMPERATURES[1]], LAYERS)
    said = capsys.readouterr().out
    assert '3 (0.25)' in said and '12 (10)' in said and 'held_out' in said


@pytest.mark.parametrize(
    ('early', 'full', 'images', 'warned'),
    [
        (0.577, 0.712, 104, True),
        (0.64, 0.712, 104, False),  # as chance has it
        (0.76, 0.806, 10_000, True),
        (0.796, 0.806, 10_000, False),
        (0.9, 0.8, 100, False),
        (1.0, 1.0, 10, False),
    ],
)
def test_early_exits_that_cost_much_are_told(
    early: float, full: float, images: int, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_lost_accuracy(early, full, images)
    said = capsys.readouterr().out
    assert said.startswith('warning: ') == warned == ('thresholds' in said)
