"""Study `heads`: how accurate every kind of head is after every layer of the frozen backbone.

Reference: Bakhtiarnia et al., Multi-Exit Vision Transformer for Dynamic Inference, BMVC 2021: their
grid of seven heads by layer, with the practical exits circled.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch

from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.heads import build_head
from model_export.network.heads.base import sides
from model_export.network.macs import count_run
from model_export.planner import costs
from model_export.progress import progress
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe
from model_export.recipe.timm_backbone import TimmRecipe
from model_export.studies.heads.figures import front_figure, grid_figure
from model_export.studies.heads.probes import (
    BATCH,
    LEARNING_RATE,
    Budget,
    Probe,
    budget_of,
    features,
    head_logits,
    train_head,
)
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Cell, Study, Table, model_facts
from model_export.weights.stored import load_model, load_training_data

IMAGES, EPOCHS = 3000, 2  # a quarter of an hour on one core of a PC
HELD_OUT = 1000  # images of the held-out ones that score a head
TITLES = {
    'linear': 'linear',
    'mlp_ee': 'MLP-EE',
    'vit_ee': 'ViT-EE',
    'cnn_ignore_ee': 'CNN-Ignore-EE',
    'cnn_add_ee': 'CNN-Add-EE',
    'cnn_project_ee': 'CNN-Project-EE',
    'mlp_mixer_ee': 'MLP-Mixer-EE',
    'resmlp_ee': 'ResMLP-EE',
    'lph': 'LGViT LPH',
    'gah': 'LGViT GAH',
}


def study(inputs: StudyInputs) -> Study:
    """Train and score what no earlier, killed run has done; then sum up.

    Each result is written at once, to a file in the cache folder (or, without one, in the folder
    of results) whose name tells weights, budget and software version apart.
    """
    assert inputs.weights and inputs.data
    budget = budget_of(inputs, images=IMAGES, epochs=EPOCHS)
    model, _ = load_model(inputs.weights)
    recipe = model.recipe
    facts = model_facts(inputs.weights)
    path = (inputs.cache or inputs.out) / f'heads-{_key(facts, budget)}.jsonl'
    done = read_cells(path)
    layers = range(1, recipe.backbone.layers)
    left = [(kind, layer) for layer in layers for kind in TITLES if (kind, layer) not in done]
    training, held_out = load_training_data(inputs.weights, recipe, inputs.data)
    training, held_out = training.spread(budget.images), held_out.spread(HELD_OUT)
    if left:
        wanted = {layer for _, layer in left}
        seen, unseen = (features(model, half, wanted) for half in (training, held_out))
        final = float((unseen.final.argmax(-1) == unseen.labels).float().mean())
        path.parent.mkdir(parents=True, exist_ok=True)
        keep_cell(path, 'final', recipe.backbone.layers, final)
        for kind, layer in progress(left, 'heads', unit='head'):
            torch.manual_seed(recipe.seed)
            exit = exit_of(kind, layer, recipe.backbone)
            head = build_head(exit, recipe.backbone, recipe.num_classes)
            train_head(head, seen.tokens[layer], seen.labels, budget, seed=recipe.seed)
            answers = head_logits(head, unseen.tokens[layer]).argmax(-1)
            keep_cell(path, kind, layer, float((answers == unseen.labels).float().mean()))
        done = read_cells(path)
    final = done['final', recipe.backbone.layers]
    probes = _probes(model, done)
    full = sum(costs(recipe.backbone, recipe.num_classes).layers)
    worth = practical(probes)
    return Study(
        'heads',
        'Every head after every layer',
        _text(budget, len(held_out), final, probes),
        (
            _grid(probes, layers),
            _practical_table(worth, full, final),
            _cost_table(probes, full),
        ),
        {
            'grid': grid_figure(probes, worth, TITLES, final),
            'front': front_figure(probes, worth, TITLES, full, final),
        },
        facts,
    )


def exit_of(kind: str, layer: int, backbone: BackboneRecipe | TimmRecipe) -> ExitRecipe:
    """Return a head of default size after `layer`, with as many attention heads as the layer."""
    params: dict[str, Any] = {}
    if kind == 'gah':
        params = {'attention_heads': backbone.heads_at(layer)}
    return ExitRecipe(layer, kind, params)


def practical(probes: Iterable[Probe]) -> list[Probe]:
    """Return the heads that are more accurate than every one that costs no more, cheapest first."""
    best, found = 0.0, []
    for probe in sorted(probes, key=lambda probe: (probe.macs, -probe.accuracy)):
        if probe.accuracy > best:
            best = probe.accuracy
            found.append(probe)
    return found


def keep_cell(path: Path, head: str, layer: int, accuracy: float) -> None:
    """Add one result to the file of a study that is under way."""
    with path.open('a') as file:  # the line break comes first: the line before may be cut short
        file.write('\n' + json.dumps({'head': head, 'layer': layer, 'accuracy': accuracy}))


def read_cells(path: Path) -> dict[tuple[str, int], float]:
    """Read the results of earlier runs; a line that a kill cut short is skipped."""
    cells = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            cell = json.loads(line)
            cells[cell['head'], cell['layer']] = float(cell['accuracy'])
        except (ValueError, KeyError, TypeError):
            continue
    return cells


def _key(facts: dict[str, str], budget: Budget) -> str:
    settings = [facts['sha256'], budget.images, budget.epochs, BATCH, LEARNING_RATE, HELD_OUT]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]


def _probes(model: EarlyExitViT, cells: dict[tuple[str, int], float]) -> list[Probe]:
    recipe = model.recipe
    until = list(accumulate(costs(recipe.backbone, recipe.num_classes).layers))
    layers = range(1, recipe.backbone.layers)
    probes = []
    for kind in TITLES:
        exits = tuple(exit_of(kind, layer, recipe.backbone) for layer in layers)
        with torch.device('meta'):  # shapes alone: nothing is computed
            deployed = fold(EarlyExitViT(replace(recipe, exits=exits)))
            trained = EarlyExitViT(replace(recipe, exits=exits))
            for layer, head, unfolded in zip(layers, deployed.heads, trained.heads, strict=True):
                width, grid = recipe.backbone.exit_shape(layer)
                patches = math.prod(sides(grid))
                tokens = torch.zeros(1, recipe.backbone.class_tokens + patches, width)
                macs = count_run(head, tokens)
                parameters = sum(p.numel() for p in unfolded.parameters())
                accuracy = cells[kind, layer]
                probes.append(
                    Probe(kind, layer, macs, until[layer - 1] + macs, parameters, accuracy)
                )
    return probes


def _grid(probes: list[Probe], layers: Iterable[int]) -> Table:
    of = {(probe.head, probe.layer): probe.accuracy for probe in probes}
    rows: list[tuple[Cell, ...]] = [
        (title, *(of[kind, layer] for layer in layers)) for kind, title in TITLES.items()
    ]
    columns = ('head', *(f'layer {layer}, %' for layer in layers))
    return Table('accuracy', 'Accuracy on held-out images', columns, tuple(rows))


def _practical_table(worth: list[Probe], full: int, final: float) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (probe.layer, TITLES[probe.head], probe.macs / 1e6, probe.macs / full, probe.accuracy)
        for probe in worth
    ]
    columns = ('layer', 'head', 'MMACs', 'of the backbone, %', 'accuracy, %')
    note = f'The final classifier: {final:.1%}, at {full / 1e6:.0f} MMACs.'
    return Table('practical', 'The practical exits', columns, tuple(rows), note)


def _cost_table(probes: list[Probe], full: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind, title in TITLES.items():
        own = [probe for probe in probes if probe.head == kind]
        mean = sum(probe.accuracy for probe in own) / len(own)
        macs = sum(probe.head_macs for probe in own) / len(own)
        parameters = sum(probe.parameters for probe in own) / len(own)
        rows.append((title, parameters / 1e3, macs / 1e6, macs / full, mean))
    return Table(
        'cost',
        'What a head costs: means over the layers',
        ('head', 'thousand parameters', 'MMACs', 'of the backbone, %', 'accuracy, %'),
        tuple(rows),
    )


def _text(budget: Budget, held_out: int, final: float, probes: list[Probe]) -> str:
    return (
        f'{len(probes)} heads, each after one layer of the frozen backbone. Each was trained alone '
        f'on the same {budget.images} training images, seen {budget.epochs} times without '
        f'augmentation, and scored on {held_out} held-out images (one standard error is about '
        f'{50 / held_out**0.5:.1f} points or less). The budget is small so that the whole grid '
        f'takes minutes on two cores: it ranks heads but says little about how good each can get; '
        f'large heads would gain most from more training. MACs are those of the deployed form and '
        f'include the layers before the exit. An exit is practical if it is more accurate than '
        f'every exit that costs no more (circled, as in Bakhtiarnia et al., 2021). The final '
        f'classifier, trained with the backbone on all images, reaches {final:.1%}.'
    )
