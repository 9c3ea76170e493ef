"""Training: it learns, freezes what it should, and survives a kill."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from model_export.checkpoint import load_checkpoint, load_run
from model_export.data import Dataset, evaluation_batch, fingerprint, split_held_out
from model_export.early_exit import EarlyExitViT
from model_export.errors import ModelExportError
from model_export.predict import accuracy_per_exit, logits_of
from model_export.recipe import Recipe, recipe_from_dict, recipe_to_dict
from model_export.train import Trainer


class Killed(Exception):
    pass


def trainer(recipe: Recipe, colours: Dataset, out: Path) -> Trainer:
    torch.manual_seed(recipe.seed)
    training, held_out = split_held_out(colours, recipe.held_out, recipe.seed)
    return Trainer(EarlyExitViT(recipe), training, held_out, out, data=fingerprint(colours))


def test_both_stages_learn_every_exit(recipe: Recipe, colours: Dataset, tmp_path: Path) -> None:
    trainer(recipe, colours, tmp_path).run()
    model, checkpoint = load_run(tmp_path)
    _, held_out = split_held_out(colours, recipe.held_out, recipe.seed)
    assert tuple(checkpoint['class_names']) == colours.class_names
    assert checkpoint['data'] == fingerprint(colours)
    assert min(accuracy_per_exit(model, held_out)) > 0.9  # chance is 0.25
    rows = list(csv.DictReader((tmp_path / 'log.csv').open()))
    assert [row['stage'] for row in rows] == sorted(row['stage'] for row in rows)
    assert float(rows[-1]['held_out_final']) > 0.9


@pytest.mark.parametrize('killed_at', [(1, 39), (2, 45)])
def test_a_killed_run_ends_as_if_it_had_not_been(
    recipe: Recipe,
    colours: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_at: tuple[int, int],
) -> None:
    monkeypatch.setattr('model_export.train.CHECKPOINT_EVERY_STEPS', 20)
    first, *others = recipe.exits  # with a head that has dropout
    recipe = dataclasses.replace(
        recipe, exits=(dataclasses.replace(first, head='mlp_ee', params={}), *others)
    )
    trainer(recipe, colours, tmp_path / 'whole').run()

    kill(monkeypatch, trainer(recipe, colours, tmp_path / 'killed'), killed_at)
    stage, step = killed_at
    with pytest.raises(
        ModelExportError, match=f'not finished: stage {stage} of 2, step {step // 20 * 20} of 60'
    ):
        load_run(tmp_path / 'killed')
    trainer(recipe, colours, tmp_path / 'killed').run()

    whole = load_checkpoint(tmp_path / 'whole')['model']
    resumed = load_checkpoint(tmp_path / 'killed')['model']
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, msg=name)
    steps = [logged_steps(tmp_path / run) for run in ('whole', 'killed')]
    assert steps[0] == steps[1]


def kill(monkeypatch: pytest.MonkeyPatch, run: Trainer, at: tuple[int, int]) -> None:
    """Run until something is logged at or after a step, then die without a checkpoint of it."""
    log = Trainer._log

    def log_and_die(self: Trainer, stage: int, step: int, *rest: object) -> None:
        log(self, stage, step, *rest)  # type: ignore[arg-type]
        if (stage, step) >= at:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, '_log', log_and_die)
        run.run()


def logged_steps(run: Path) -> list[tuple[str, str]]:
    with (run / 'log.csv').open() as file:
        return [(row['stage'], row['step']) for row in csv.DictReader(file)]


def test_stage_2_leaves_the_backbone_alone(
    recipe: Recipe, colours: Dataset, tmp_path: Path
) -> None:
    run = trainer(recipe, colours, tmp_path)
    tmp_path.mkdir(exist_ok=True)
    before = {k: v.clone() for k, v in run.model.state_dict().items()}
    run._run_stage(2, 10, None)
    after = run.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith('heads.') for name in changed)


def test_another_recipe_does_not_continue_a_run(
    recipe: Recipe, colours: Dataset, tmp_path: Path
) -> None:
    trainer(recipe, colours, tmp_path).run()
    other = recipe_from_dict({**recipe_to_dict(recipe), 'seed': 1})
    with pytest.raises(ModelExportError, match='another recipe'):
        trainer(other, colours, tmp_path).run()


def test_other_data_does_not_continue_a_run(
    recipe: Recipe, colours: Dataset, tmp_path: Path
) -> None:
    trainer(recipe, colours, tmp_path).run()
    fewer = colours.subset(np.arange(236))
    with pytest.raises(ModelExportError, match='trained on other data .240 images.* now 236'):
        trainer(recipe, fewer, tmp_path).run()


def test_descriptions_of_a_finished_run_can_change(
    recipe: Recipe, colours: Dataset, tmp_path: Path
) -> None:
    trainer(recipe, colours, tmp_path).run()
    log = logged_steps(tmp_path)
    trainer(dataclasses.replace(recipe, licence='MIT'), colours, tmp_path).run()
    model, _ = load_run(tmp_path)
    assert model.recipe.licence == 'MIT'
    assert logged_steps(tmp_path) == log


def test_a_run_that_would_not_take_a_step_is_refused(
    recipe: Recipe, colours: Dataset, tmp_path: Path
) -> None:
    for change in ({'batch_size': 201}, {'epochs': 0.01}):
        stage2 = dataclasses.replace(recipe.stage2, **change)  # type: ignore[arg-type]
        with pytest.raises(ModelExportError, match='200 training images .* make no training step'):
            trainer(dataclasses.replace(recipe, stage2=stage2), colours, tmp_path).run()
    assert not (tmp_path / 'log.csv').exists()  # stage 1 would have run for nothing


def test_logits_come_back_to_the_cpu_and_the_model_where_it_was(
    model: EarlyExitViT, colours: Dataset
) -> None:
    logits = logits_of(model, colours, precise=True)
    assert logits.device.type == 'cpu' and logits.dtype == torch.float32
    assert logits.shape == (5, 240, 4)
    batch = torch.from_numpy(evaluation_batch(colours.images, 24))
    torch.testing.assert_close(logits, model(batch), atol=1e-4, rtol=1e-4)


def test_a_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'checkpoint.pt').write_bytes(b'no checkpoint')
    with pytest.raises(ModelExportError, match=r'cannot read checkpoint .*checkpoint\.pt'):
        load_run(tmp_path)
    torch.save({'model': {}}, tmp_path / 'checkpoint.pt')
    with pytest.raises(ModelExportError, match=r"it lacks \['class_names', 'data'"):
        load_run(tmp_path)
    with pytest.raises(ModelExportError, match=r'nowhere holds no training run'):
        load_run(tmp_path / 'nowhere')
