"""Training: it learns, freezes what it should, and survives a kill."""

from __future__ import annotations

import csv
import dataclasses
import functools
import math
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from model_export.data import Dataset, evaluation_batch, fingerprint, split_held_out
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import logits_of, score_per_exit
from model_export.recipe.recipe import Recipe, StageRecipe, recipe_from_dict, recipe_to_dict
from model_export.training.features import compute_features
from model_export.training.run_folder import RunFolder
from model_export.training.schemes import HeadScheme, Scheme, build_scheme
from model_export.training.trainer import Trainer
from model_export.weights.checkpoint import load_checkpoint, load_run


class Killed(Exception):
    pass


def trainer(recipe: Recipe, colours: Dataset, out: Path) -> Trainer:
    torch.manual_seed(recipe.seed)
    training, held_out = split_held_out(colours, recipe.held_out, recipe.held_out_seed)
    return Trainer(EarlyExitViT(recipe), training, held_out, out, data=fingerprint(colours))


@pytest.fixture(scope='module')
def finished(recipe: Recipe, colours: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both stages."""
    out = tmp_path_factory.mktemp('finished')
    trainer(recipe, colours, out).run()
    return out


@pytest.fixture
def again(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run, to go on with."""
    return shutil.copytree(finished, tmp_path / 'again')


def test_both_stages_learn_every_exit(recipe: Recipe, colours: Dataset, finished: Path) -> None:
    model, checkpoint = load_run(finished)
    _, held_out = split_held_out(colours, recipe.held_out, recipe.held_out_seed)
    assert tuple(checkpoint['class_names']) == colours.class_names
    assert checkpoint['data'] == fingerprint(colours)
    assert min(score_per_exit(model, held_out)) > 0.9  # chance is 0.25
    rows = list(csv.DictReader((finished / 'log.csv').open()))
    assert [row['stage'] for row in rows] == sorted(row['stage'] for row in rows)
    assert float(rows[-1]['held_out_final']) > 0.9


@pytest.fixture(scope='module')
def varied(recipe: Recipe) -> Recipe:
    """With all that a checkpoint must hold: an average, a scheme's own weights, dropout, a cache.

    A head with dropout whose feature is narrower than the backbone's gets a map from `byot`.
    """
    first, second, *_ = recipe.exits
    narrow = dataclasses.replace(first, head='mlp_ee', params={'hidden': 8})
    joint, heads = recipe.stages
    joint = dataclasses.replace(joint, scheme='byot', ema=0.9, epochs=3)
    heads = dataclasses.replace(heads, cache_features=True, epochs=3)
    backbone = dataclasses.replace(recipe.backbone, layers=3)
    return dataclasses.replace(
        recipe, backbone=backbone, exits=(narrow, second), stages=(joint, heads)
    )


@pytest.fixture(scope='module')
def whole(varied: Recipe, colours: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `varied` that nothing stopped."""
    out = tmp_path_factory.mktemp('varied') / 'whole'
    trainer(varied, colours, out).run()
    return out


@pytest.fixture(autouse=True)
def _checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('model_export.training.trainer.CHECKPOINT_EVERY_STEPS', 10)


@pytest.mark.parametrize(('killed_at', 'workers'), [((1, 25), 0), ((1, 25), 2), ((2, 25), 0)])
def test_a_killed_run_ends_as_if_it_had_not_been(
    varied: Recipe,
    colours: Dataset,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_at: tuple[int, int],
    workers: int,
) -> None:
    killed = tmp_path / 'killed'
    monkeypatch.setattr('model_export.data.crop_loader.worker_count', lambda images: workers)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(RunFolder, 'log', log_then(killed_at, raise_killed))
        trainer(varied, colours, killed).run()
    stage = killed_at[0]
    with pytest.raises(ModelExportError, match=f'not finished: stage {stage} of 2, step 20 of 30'):
        load_run(killed)
    trainer(varied, colours, killed).run()
    check_same(killed, whole)


def test_an_interrupted_run_keeps_its_last_step_and_goes_on(
    varied: Recipe,
    colours: Dataset,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = tmp_path / 'stopped'
    late = trainer(varied, colours, stopped)
    late.ends = 0.0
    with pytest.raises(KeyboardInterrupt):
        late.run()
    assert load_checkpoint(stopped)['step'] == 1
    handler = signal.getsignal(signal.SIGINT)
    ctrl_c = functools.partial(signal.raise_signal, signal.SIGINT)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunFolder, 'log', log_then((1, 25), ctrl_c))
        trainer(varied, colours, stopped).run()
    assert load_checkpoint(stopped)['step'] == 26
    assert signal.getsignal(signal.SIGINT) is handler
    trainer(varied, colours, stopped).run()
    check_same(stopped, whole)


def log_then(at: tuple[int, int], then: Callable[[], None]) -> Callable[..., None]:
    """Log as ever, and when a step is logged for the first time do something else, too."""
    log = RunFolder.log

    def replacement(self: RunFolder, stage: int, step: int, *rest: object) -> None:
        log(self, stage, step, *rest)  # type: ignore[arg-type]
        if (stage, step) == at:
            then()

    return replacement


def raise_killed() -> None:
    raise Killed


def check_same(run: Path, whole: Path) -> None:
    expected, found = load_checkpoint(whole)['model'], load_checkpoint(run)['model']
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, msg=name)
    assert logged_steps(run) == logged_steps(whole)


def test_the_moving_average_is_what_is_watched_and_kept(
    recipe: Recipe, colours: Dataset, tmp_path: Path
) -> None:
    stage = dataclasses.replace(recipe.stages[0], scheme='end_to_end', epochs=1, ema=0.99)
    recipe = dataclasses.replace(recipe, stages=(stage,))
    trainer(recipe, colours, tmp_path).run()
    checkpoint = load_checkpoint(tmp_path)
    for name, average in checkpoint['ema'].items():
        assert torch.equal(checkpoint['model'][name], average), name
    model, _ = load_run(tmp_path)
    _, held_out = split_held_out(colours, recipe.held_out, recipe.held_out_seed)
    row = list(csv.DictReader((tmp_path / 'log.csv').open()))[-1]
    watched = [float(row[name]) for name in row if name.startswith('held_out')]
    assert watched == pytest.approx(score_per_exit(model, held_out), abs=1e-4)
    last = {k: v for k, v in checkpoint['model'].items() if k.startswith('heads.3.classifier')}
    plain = dataclasses.replace(recipe, stages=(dataclasses.replace(stage, ema=0.0),))
    trainer(plain, colours, tmp_path / 'plain').run()
    other = load_checkpoint(tmp_path / 'plain')['model']
    assert not any(torch.equal(other[name], value) for name, value in last.items())


def test_a_loss_that_is_no_number_is_named_and_the_checkpoint_stays(
    recipe: Recipe, colours: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('model_export.training.trainer.CHECKPOINT_EVERY_STEPS', 2)  # and 4, not 6
    hard_loss = Scheme.hard_loss

    def sometimes_nan(self: Scheme, *args: torch.Tensor) -> torch.Tensor:
        steps.append(1)
        return hard_loss(self, *args) * (math.nan if len(steps) == 6 else 1.0)

    steps: list[int] = []
    monkeypatch.setattr(Scheme, 'hard_loss', sometimes_nan)
    run = trainer(recipe, colours, tmp_path)
    with pytest.raises(
        ModelExportError, match=r"became nan .*step 5 of stage 1, scheme 'backbone': .*\(0.003\)"
    ):
        run.run()
    assert load_checkpoint(tmp_path)['step'] == 4
    assert all(parameter.isfinite().all() for parameter in run.model.parameters())


def test_kept_features_are_what_the_backbone_sees(
    recipe: Recipe, colours: Dataset, model: EarlyExitViT
) -> None:
    stage = StageRecipe('lgvit', cache_features=True)
    scheme = build_scheme(stage, model, 'stages[0]')
    assert isinstance(scheme, HeadScheme)
    features = compute_features(model, scheme.features, colours, 'images').map(lambda x: x[:8])
    fresh = scheme.features(torch.from_numpy(evaluation_batch(colours.images[:8], 24)))
    assert features.logits is not None and features.last is not None
    for kept, exact in zip(
        (*features.tokens, features.logits, features.last),
        (*fresh.tokens, fresh.logits, fresh.last),
        strict=True,
    ):
        assert exact is not None
        assert kept.dtype == (torch.float32 if kept is features.logits else torch.bfloat16)
        torch.testing.assert_close(kept.float(), exact, atol=0.1, rtol=0.1)


def test_features_that_do_not_fit_the_memory_are_refused_before_training(
    varied: Recipe, colours: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('os.sysconf', lambda _: 1024)  # a machine of one MiB
    with pytest.raises(ModelExportError, match=r'would take 0.0 GiB of memory for 240 images'):
        trainer(varied, colours, tmp_path).run()
    assert not (tmp_path / 'log.csv').exists()


def test_a_run_of_the_older_form_goes_on(
    recipe: Recipe, colours: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = [dataclasses.replace(stage, epochs=2) for stage in recipe.stages]
    stages[1] = dataclasses.replace(
        stages[1], params={'distill_weight': 0.5, 'distill_temperature': 2.0}
    )
    recipe = dataclasses.replace(recipe, stages=tuple(stages))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(RunFolder, 'log', log_then((1, 20), raise_killed))
        trainer(recipe, colours, tmp_path).run()
    checkpoint = load_checkpoint(tmp_path)
    old = checkpoint['recipe']
    keys = ('epochs', 'batch_size', 'learning_rate', 'warmup_steps')
    old['stage1'], old['stage2'] = ({k: entry[k] for k in keys} for entry in old.pop('stages'))
    old['stage2'] |= {'distill_weight': 0.5, 'distill_temperature': 2.0}
    for key in ('scheme', 'ema'):
        del checkpoint[key]  # type: ignore[misc]
    torch.save(checkpoint, tmp_path / 'checkpoint.pt')
    trainer(recipe, colours, tmp_path).run()
    model, _ = load_run(tmp_path)
    assert model.recipe == recipe


def logged_steps(run: Path) -> list[tuple[str, str]]:
    with (run / 'log.csv').open() as file:
        return [(row['stage'], row['step']) for row in csv.DictReader(file)]


def test_heads_alone_leave_the_backbone_alone(
    recipe: Recipe, colours: Dataset, tmp_path: Path
) -> None:
    only = dataclasses.replace(recipe.stages[1], epochs=1)
    run = trainer(dataclasses.replace(recipe, stages=(only,)), colours, tmp_path)
    before = {k: v.clone() for k, v in run.model.state_dict().items()}
    run.run()
    after = run.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith('heads.') for name in changed)


def test_another_recipe_does_not_continue_a_run(
    recipe: Recipe, colours: Dataset, again: Path
) -> None:
    other = recipe_from_dict({**recipe_to_dict(recipe), 'seed': 1})
    with pytest.raises(ModelExportError, match='another recipe'):
        trainer(other, colours, again).run()


def test_other_data_does_not_continue_a_run(recipe: Recipe, colours: Dataset, again: Path) -> None:
    fewer = colours.subset(np.arange(236))
    with pytest.raises(ModelExportError, match='trained on other data .240 images.* now 236'):
        trainer(recipe, fewer, again).run()


def test_descriptions_of_a_finished_run_can_change(
    recipe: Recipe, colours: Dataset, again: Path
) -> None:
    log = logged_steps(again)
    trainer(dataclasses.replace(recipe, licence='MIT'), colours, again).run()
    model, _ = load_run(again)
    assert model.recipe.licence == 'MIT'
    assert logged_steps(again) == log


def test_a_run_that_would_not_take_a_step_is_refused(
    recipe: Recipe, colours: Dataset, tmp_path: Path
) -> None:
    for change in ({'batch_size': 201}, {'epochs': 0.01}):
        first, second = recipe.stages
        stages = (first, dataclasses.replace(second, **change))  # type: ignore[arg-type]
        with pytest.raises(ModelExportError, match='200 training images .* make no training step'):
            trainer(dataclasses.replace(recipe, stages=stages), colours, tmp_path).run()
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
