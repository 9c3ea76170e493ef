"""The same number of exits in other places."""

from __future__ import annotations

from pathlib import Path

import torch

from model_export.planner import Costs
from model_export.recipe.recipe import ExitRecipe
from model_export.studies.placement.study import study as placement_study
from model_export.studies.placement.study import trade_off
from model_export.studies.registry import StudyInputs

LABELS = torch.arange(200) % 4
PRICE = Costs(layers=(10,) * 8, heads=(1,) * 7)


def logits(*right: float) -> torch.Tensor:
    """Answers of exits that are surely right on these shares of the images, else unsure."""
    shares = torch.tensor(right)[:, None]
    sure = (torch.arange(200) // 4 % 10 / 10 < shares).float()[..., None]  # (E + 1, N, 1)
    truth = torch.nn.functional.one_hot(LABELS, 4).float()
    return sure * 8 * truth + (1 - sure) * truth.roll(1, dims=-1)


def test_shallow_exits_reach_what_deep_ones_cannot() -> None:
    shallow = trade_off('shallow', (ExitRecipe(2, 'lph'),), logits(0.7, 0.9), LABELS, PRICE)
    deep = trade_off('deep', (ExitRecipe(7, 'lph'),), logits(0.9, 0.9), LABELS, PRICE)
    careful, fast = shallow.at
    assert careful is not None and fast is not None
    # Those of which the first exit is sure leave there: 0.7 * 21 + 0.3 * 81 of 80 MACs.
    assert fast.speedup_macs > 2
    assert abs(fast.accuracy - 0.9) < 0.03
    assert deep.at == (None, None)
    assert max(point.speedup_macs for point in deep.points) < 80 / 71 + 1e-9


def test_the_study_compares_all_placements(
    colour_weights: Path, colour_folder: Path, tmp_path: Path
) -> None:
    inputs = StudyInputs(tmp_path, weights=colour_weights, data=colour_folder, images=64, epochs=1)
    found = placement_study(inputs)
    speedups, heads = found.tables
    assert [row[:2] for row in speedups.rows] == [
        ('uniform', '2'),
        ('shallow', '1'),
        ('middle', '2'),
        ('deep', '4'),
    ]
    assert [row[0] for row in heads.rows] == [1, 2, 4]  # each head once
    assert list(found.figures) == ['curves']
