"""The grid of heads by layers: which exits are practical, and that a killed study goes on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_export.data import Dataset
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.macs import count_macs
from model_export.recipe.recipe import Recipe
from model_export.studies.heads import study as heads_grid
from model_export.studies.heads.probes import Budget, features, head_logits, train_head
from model_export.studies.heads.study import (
    TITLES,
    Probe,
    exit_of,
    keep_cell,
    practical,
    read_cells,
    study,
)
from model_export.studies.registry import StudyInputs
from test.model_export.random_model import random_model

probes = st.builds(
    Probe,
    head=st.just('linear'),
    layer=st.just(1),
    head_macs=st.just(1),
    macs=st.integers(1, 20),
    parameters=st.just(1),
    accuracy=st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.4]),
)


@given(st.lists(probes, max_size=12))
def test_practical_exits_beat_all_that_cost_no_more(found: list[Probe]) -> None:
    kept = practical(found)
    for probe in found:
        beaten = any(
            other.macs <= probe.macs
            and other.accuracy >= probe.accuracy
            and (other.macs, other.accuracy) != (probe.macs, probe.accuracy)
            for other in found
        )
        assert any((k.macs, k.accuracy) == (probe.macs, probe.accuracy) for k in kept) == (
            not beaten and probe.accuracy > 0
        )
    assert all(a.macs < b.macs and a.accuracy < b.accuracy for a, b in itertools.pairwise(kept))


def test_a_line_cut_short_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / 'cells.jsonl'
    assert read_cells(path) == {}
    keep_cell(path, 'lph', 3, 0.5)
    keep_cell(path, 'gah', 4, 0.75)
    path.write_text(path.read_text()[:-12])
    assert read_cells(path) == {('lph', 3): 0.5}
    keep_cell(path, 'gah', 4, 0.75)
    assert read_cells(path) == {('lph', 3): 0.5, ('gah', 4): 0.75}


@pytest.mark.parametrize(('images', 'epochs'), [(15, 1), (16, 0)])
def test_a_budget_without_a_step_is_refused(images: int, epochs: int) -> None:
    with pytest.raises(ModelExportError, match='must be at least'):
        Budget(images, epochs)


def test_features_are_what_the_exits_see(model: EarlyExitViT, images: torch.Tensor) -> None:
    data = Dataset(images.numpy(), torch.arange(8).numpy() % 4, tuple('abcd'))
    found = features(model, data, (2, 4))
    *tokens, last = model.walk(images)
    assert sorted(found.tokens) == [2, 4]
    scale = float(tokens[1].abs().max())
    torch.testing.assert_close(found.tokens[2].float(), tokens[1], atol=0.05 * scale, rtol=0.1)
    assert (found.final.argmax(-1) == model.backbone.classify(last).argmax(-1)).sum() >= 7


def test_a_head_learns_and_the_seed_repeats_it() -> None:
    torch.manual_seed(0)
    labels = torch.arange(256) % 4
    tokens = torch.randn(256, 5, 8)
    tokens[:, 0, :4] += 6 * torch.nn.functional.one_hot(labels, 4)

    def trained() -> torch.Tensor:
        head = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(40, 4), torch.nn.Dropout(0.1)
        )
        torch.nn.init.zeros_(head[1].weight)
        torch.nn.init.zeros_(head[1].bias)
        train_head(head, tokens, labels, Budget(256, 15), seed=3)
        return head_logits(head, tokens)

    first = trained()
    assert (first.argmax(-1) == labels).float().mean() > 0.9
    torch.testing.assert_close(trained(), first, rtol=0, atol=0)


def test_the_study_goes_on_where_it_was_killed(
    colour_weights: Path,
    colour_folder: Path,
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = {kind: TITLES[kind] for kind in ('linear', 'cnn_ignore_ee', 'lph', 'gah')}
    monkeypatch.setattr(heads_grid, 'TITLES', few)
    inputs = StudyInputs(
        tmp_path / 'out',
        weights=colour_weights,
        data=colour_folder,
        cache=tmp_path / 'cache',
        images=64,
        epochs=1,
    )
    trained = []
    train = heads_grid.train_head

    def until_killed(*args: object, **kwargs: object) -> None:
        if len(trained) == 7:
            raise KeyboardInterrupt
        trained.append(args)
        train(*args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(heads_grid, 'train_head', until_killed)
        study(inputs)
    (cells,) = (tmp_path / 'cache').glob('heads-*.jsonl')
    first = read_cells(cells)
    assert len(first) == 7 + 1  # the final classifier's is there, too
    trained.clear()
    monkeypatch.setattr(
        heads_grid, 'train_head', lambda *a, **k: (trained.append(a), train(*a, **k))
    )
    found = study(inputs)
    assert len(trained) == 4 * len(few) - 7
    assert {**read_cells(cells), **first} == read_cells(cells)
    accuracy, worth, cost = found.tables
    assert len(accuracy.rows) == len(cost.rows) == len(few)
    assert worth.rows
    assert sorted(found.figures) == ['front', 'grid']
    trained.clear()
    assert study(inputs).tables == found.tables
    assert not trained

    # The costs are those of a model that is deployed with that head.
    exits = tuple(exit_of('lph', layer, recipe.backbone) for layer in (1, 2, 3, 4))
    macs = count_macs(fold(random_model(replace(recipe, exits=exits))))
    row = next(row for row in cost.rows if row[0] == TITLES['lph'])
    assert row[2] == pytest.approx(sum(macs.heads) / 4 / 1e6)
