"""Several processes train as one does on the same batches."""

from __future__ import annotations

import csv
import dataclasses
import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch

import model_export.training.fabric
from model_export.data import Dataset, fingerprint, split_held_out
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import logits_of
from model_export.recipe.recipe import ExitRecipe, Recipe
from model_export.training.trainer import Trainer
from model_export.weights.checkpoint import load_run

RUNS = ('one', 'two')


@pytest.fixture
def short(recipe: Recipe) -> Recipe:
    """Four steps of a model without batch norms, which would see half a batch each."""
    stage = dataclasses.replace(recipe.stages[0], scheme='end_to_end', epochs=0.4)
    exits = (ExitRecipe(2, 'linear'), ExitRecipe(3, 'mean'))
    return dataclasses.replace(recipe, exits=exits, stages=(stage,))


def train(recipe: Recipe, colours: Dataset, out: Path) -> None:
    """In float32: what bfloat16 rounds depends on how a batch is cut."""
    model_export.training.fabric.has_bfloat16 = lambda _: False  # type: ignore[attr-defined]
    torch.manual_seed(recipe.seed)
    training, held_out = split_held_out(colours, recipe.held_out, recipe.held_out_seed)
    Trainer(EarlyExitViT(recipe), training, held_out, out, data=fingerprint(colours)).run()


def train_as(rank: int, port: int, recipe: Recipe, colours: Dataset, out: Path) -> None:
    """As torchrun would start one of two processes."""
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
        LOCAL_WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        GLOO_SOCKET_IFNAME='lo',
    )
    train(recipe, colours, out)


def test_two_processes_give_the_loss_and_the_weights_of_one(
    short: Recipe, colours: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('model_export.training.fabric.has_bfloat16', lambda _: False)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(
        ['model_export.training.trainer', 'lightning_fabric', 'torch._dynamo']
    )
    pair = [
        context.Process(target=train_as, args=(rank, port, short, colours, tmp_path / 'two'))
        for rank in (0, 1)
    ]
    for process in pair:
        process.start()
    train(short, colours, tmp_path / 'one')
    for process in pair:
        process.join(60)
    assert [process.exitcode for process in pair] == [0, 0]

    one, two = (logits_of(load_run(tmp_path / run)[0], colours, precise=True) for run in RUNS)
    torch.testing.assert_close(two, one, atol=1e-4, rtol=1e-4)
    losses = [
        [row['loss'] for row in csv.DictReader((tmp_path / run / 'log.csv').open())] for run in RUNS
    ]
    assert [float(x) for x in losses[1]] == pytest.approx([float(x) for x in losses[0]], abs=2e-4)


def test_a_batch_that_cannot_be_shared_is_refused(
    short: Recipe, colours: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, held_out = split_held_out(colours, short.held_out, 0)
    run = Trainer(EarlyExitViT(short), training, held_out, tmp_path, data='')
    monkeypatch.setattr(type(run.fabric), 'world_size', 3)
    with pytest.raises(ModelExportError, match='batch_size must be a multiple of the 3 processes'):
        run.run()
