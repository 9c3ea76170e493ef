"""Training schemes: what each trains, and that its loss is the one of its paper."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import ExitRecipe, Recipe, StageRecipe, recipe_from_dict
from model_export.training.schemes import (
    HeadScheme,
    Scheme,
    build_scheme,
    phase_of,
    register_scheme,
    scheme_names,
)
from model_export.training.schemes.envit import drop_rates, dropped_layers
from model_export.training.schemes.sdn import sdn_weights
from test.model_export.random_model import random_model

LABELS = torch.arange(8) % 4
CLASSIFIERS = [name for name in scheme_names() if name != 'regression']  # needs other targets


def scheme_of(name: str, model: EarlyExitViT, smoothing: float = 0.0, **params: Any) -> Scheme:
    stage = StageRecipe(name, params=params, label_smoothing=smoothing)
    return build_scheme(stage, model, 'stages[0]')


def with_heads(recipe: Recipe, *heads: str) -> Recipe:
    exits = tuple(ExitRecipe(layer, head) for layer, head in enumerate(heads, start=1))
    return dataclasses.replace(recipe, exits=exits)


def other_kind(kind: str) -> Recipe:
    backbone: dict[str, Any] = {'image_size': 24, 'patch_size': 4, 'width': 24}
    backbone |= {'layers': 4, 'attention_heads': 2, 'kind': kind}
    if kind == 'swin':
        backbone |= {'depths': [2, 2], 'window': 3}
    exits = [{'layer': 1, 'head': 'lph'}, {'layer': 2, 'head': 'gah'}, {'layer': 3, 'head': 'gah'}]
    return recipe_from_dict({'name': kind, 'num_classes': 4, 'backbone': backbone, 'exits': exits})


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_a_scheme_trains_what_it_says_and_nothing_else(
    name: str, recipe: Recipe, images: Tensor
) -> None:
    model = random_model(with_heads(recipe, 'lph', 'gah', 'linear', 'cnn_add_ee'))
    scheme = scheme_of(name, model)
    model.backbone.requires_grad_('backbone' in scheme.trains)
    model.heads.requires_grad_('heads' in scheme.trains)
    for step in range(scheme.phases):
        scheme(images, LABELS, step, scheme.phases).backward()
    parts = {'backbone': model.backbone, 'heads': model.heads}
    for part, module in parts.items():
        moved = [p.grad is not None and bool(p.grad.any()) for p in module.parameters()]
        assert any(moved) == (part in scheme.trains), part
    assert all(p.grad is None or p.grad.isfinite().all() for p in scheme.parameters())
    if name != 'backbone':  # every part of the loss that this model has
        assert all(head.classifier.weight.grad.any() for head in model.heads)


@pytest.mark.parametrize('kind', ['deit', 'swin'])
@pytest.mark.parametrize('name', CLASSIFIERS)
def test_a_scheme_takes_other_backbones_and_mixed_labels(
    name: str, kind: str, images: Tensor
) -> None:
    model = EarlyExitViT(other_kind(kind))
    if (name, kind) == ('envit', 'swin'):
        with pytest.raises(ModelExportError, match="those of kind 'swin' change the shape"):
            scheme_of(name, model)
        return
    mixed = F.one_hot(LABELS, 4) * 0.7 + F.one_hot(LABELS.flip(0), 4) * 0.3
    loss = scheme_of(name, model)(images.float(), mixed, 3, 4)
    assert loss.ndim == 0 and loss.isfinite()


def test_end_to_end_weighs_exits_as_asked(model: EarlyExitViT, images: Tensor) -> None:
    losses = [float(F.cross_entropy(logits, LABELS)) for logits in model(images)]

    def mean(*weights: float) -> float:
        return sum(w * x for w, x in zip(weights, losses, strict=True)) / sum(weights)

    def loss(name: str, step: int = 1, **params: Any) -> float:
        return float(scheme_of(name, model, **params)(images, LABELS, step, 4))

    assert loss('end_to_end') == pytest.approx(mean(1, 1, 1, 1, 1), rel=1e-4)
    weights = [0, 1, 2, 0, 5]
    assert loss('end_to_end', weights=weights) == pytest.approx(mean(*weights), rel=1e-4)
    by_layer = {'by_layer': True, 'alternate': True}
    assert loss('end_to_end', 1, **by_layer) == pytest.approx(mean(1, 2, 3, 4, 5), rel=1e-4)
    assert loss('end_to_end', 2, **by_layer) == pytest.approx(losses[-1], rel=1e-4)
    assert loss('beem') == pytest.approx(mean(1, 2, 3, 4, 5), rel=1e-4)
    with pytest.raises(ModelExportError, match=r'weights must be 5, one for each exit'):
        scheme_of('end_to_end', model, weights=[1.0])


def test_sdn_weights_grow_to_the_cost_of_the_exit() -> None:
    assert sdn_weights((3, 6), 12, 0.0) == pytest.approx([0.01, 0.01, 1])
    assert sdn_weights((3, 6), 12, 0.5) == pytest.approx([0.135, 0.26, 1])
    assert sdn_weights((3, 6), 12, 1.0) == pytest.approx([0.25, 0.5, 1])


def test_classifier_wise_mixes_labels_and_teacher(model: EarlyExitViT, images: Tensor) -> None:
    *students, teacher = model(images)
    hard = sum(F.cross_entropy(s, LABELS, label_smoothing=0.1) for s in students) / 4
    target = (teacher / 3).softmax(-1)
    soft = sum((target * (target.log() - (s / 3).log_softmax(-1))).sum() / 8 for s in students) / 4
    scheme = scheme_of('classifier_wise', model, 0.1, distill_weight=0.25, distill_temperature=3.0)
    torch.testing.assert_close(
        scheme(images, LABELS, 0, 1), 0.75 * hard + 0.25 * 9 * soft, rtol=1e-4, atol=1e-4
    )


def test_a_scheme_without_a_teacher_runs_no_further_than_the_last_exit(
    recipe: Recipe, images: Tensor
) -> None:
    model = random_model(with_heads(recipe, 'linear', 'linear'))
    model.backbone.blocks[2].register_forward_hook(lambda *_: pytest.fail('layer 3 of 5 ran'))
    for name in ('classifier_wise', 'vit_ee'):
        assert scheme_of(name, model)(images, LABELS, 0, 1).isfinite()


def test_lgvit_without_features_is_the_distillation_summed(
    model: EarlyExitViT, images: Tensor
) -> None:
    params = {'distill_weight': 0.3, 'distill_temperature': 2.0}
    answers = scheme_of('classifier_wise', model, **params)(images, LABELS, 0, 1)
    plain = scheme_of('lgvit', model, heterogeneous=0.0, homogeneous=0.0)(images, LABELS, 0, 1)
    torch.testing.assert_close(plain, 4 * answers, rtol=1e-4, atol=1e-4)


def test_lgvit_features_pull_exits_of_a_kind_together(recipe: Recipe, images: Tensor) -> None:
    model = random_model(with_heads(recipe, 'mean', 'mean', 'mean', 'mean'))
    for block in model.backbone.blocks[1:]:  # every layer the identity: all exits see the same
        torch.nn.init.zeros_(block.scale1.gain)
        torch.nn.init.zeros_(block.scale2.gain)
    for head in model.heads[1:]:
        head.load_state_dict(model.heads[0].state_dict())
    plain = scheme_of('lgvit', model, heterogeneous=0.0, homogeneous=0.0)(images, LABELS, 0, 1)
    near = scheme_of('lgvit', model, heterogeneous=0.0)(images, LABELS, 0, 1)
    torch.testing.assert_close(near, plain)
    model.heads[0].norm.bias.data += 1.0
    plain = scheme_of('lgvit', model, heterogeneous=0.0, homogeneous=0.0)(images, LABELS, 0, 1)
    assert scheme_of('lgvit', model, heterogeneous=0.0)(images, LABELS, 0, 1) > plain + 1e-4
    assert scheme_of('lgvit', model, homogeneous=0.0)(images, LABELS, 0, 1) > plain + 1e-4


@given(st.integers(2, 12), st.floats(0, 0.9))
def test_envit_drops_layers_more_often_the_deeper_the_exit(exits: int, most: float) -> None:
    drops = drop_rates(exits, most)
    assert drops[0] == 0 and drops[-1] == pytest.approx(most)
    steps = [b - a for a, b in zip(drops, drops[1:], strict=False)]
    assert steps == pytest.approx([most / (exits - 1)] * (exits - 1))


def test_envit_leaves_layers_out_image_by_image(model: EarlyExitViT, images: Tensor) -> None:
    full = model(images)
    with dropped_layers(model, [0, 0, 0, 0, 1.0]):  # always layer 5, the last
        sub = model(images)
    torch.testing.assert_close(sub[:-1], full[:-1])
    *_, tokens = model.walk(images)
    backbone = model.backbone
    torch.testing.assert_close(sub[-1], backbone.classifier(backbone.norm(tokens[:, 0])))
    torch.manual_seed(0)
    with dropped_layers(model, [0, 0.5, 0, 0, 0]):
        sub = model(images)
    torch.testing.assert_close(sub[0], full[0])
    same = torch.isclose(sub[1], full[1], atol=1e-5).all(-1)
    assert same.any() and not same.all()
    torch.testing.assert_close(model(images), full)  # the layers are back


def test_envit_takes_both_halves_apart(model: EarlyExitViT, images: Tensor) -> None:
    logits = model(images)
    hard = torch.stack([F.cross_entropy(x, LABELS) for x in logits])
    soft = scheme_of('envit', model, max_drop=0.0, alpha=1.0)(images, LABELS, 0, 1)
    both = scheme_of('envit', model, max_drop=0.0, alpha=0.25)(images, LABELS, 0, 1)
    torch.testing.assert_close(both, 0.75 * hard.mean() + 0.25 * soft, rtol=1e-4, atol=1e-4)
    torch.manual_seed(3)
    loss = scheme_of('envit', model, max_drop=0.4, alpha=0.0)(images, LABELS, 0, 1)
    torch.manual_seed(3)
    with dropped_layers(model, [0, 0.1, 0.2, 0.3, 0.4]):
        hard = torch.stack([F.cross_entropy(x, LABELS) for x in model(images)])
    scale = torch.tensor([1, 0.9, 0.8, 0.7, 0.6])
    torch.testing.assert_close(loss, (hard / scale).mean(), rtol=1e-4, atol=1e-4)


def test_byot_adds_the_distance_to_the_final_feature(model: EarlyExitViT, images: Tensor) -> None:
    without = scheme_of('byot', model, hint=0.0)(images, LABELS, 0, 1)
    one, two = (scheme_of('byot', model, hint=h)(images, LABELS, 0, 1) for h in (1.0, 2.0))
    assert one > without
    torch.testing.assert_close(two - without, 2 * (one - without), rtol=1e-3, atol=1e-3)


def test_byot_maps_features_of_another_width(recipe: Recipe) -> None:
    exits = (ExitRecipe(1, 'mlp_ee', {'hidden': 8}), ExitRecipe(2, 'linear'))
    scheme = scheme_of('byot', random_model(dataclasses.replace(recipe, exits=exits)))
    own = [name for name, _ in scheme.named_parameters() if not name.startswith('model.')]
    assert own == ['align.0.weight', 'align.0.bias']


def test_cosee_begins_with_equal_weights_and_ends_at_the_exits(
    model: EarlyExitViT, images: Tensor
) -> None:
    scheme: Any = scheme_of('cosee', model, alpha=0.0)
    hard = torch.stack([F.cross_entropy(x, LABELS) for x in model(images)])
    torch.testing.assert_close(scheme(images, LABELS, 0, 4), hard.mean(), rtol=1e-4, atol=1e-4)
    signal = torch.tensor([[0.1, 0.9], [0.5, 0.8], [0.9, 0.0], [1.0, 1.0]])  # (exits, images)
    weights = scheme._weights(signal, beta=100.0)
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(2))
    assert weights[:, 0].argmax() in (0, 1)  # sure at once, or from the second exit on
    assert weights[3].max() < 1e-6  # the last early exit is surest for none


def test_layer_wise_trains_one_stretch_at_a_time(model: EarlyExitViT, images: Tensor) -> None:
    scheme = scheme_of('layer_wise', model)
    model.requires_grad_(True)
    assert scheme.phases == 5
    for phase in range(5):
        scheme.zero_grad()
        scheme(images, LABELS, 2 * phase + 1, 10).backward()
        layers = [any(p.grad is not None for p in b.parameters()) for b in model.backbone.blocks]
        assert layers == [layer == phase for layer in range(5)]
        heads = [any(p.grad is not None for p in head.parameters()) for head in model.heads]
        assert heads == [head == phase for head in range(4)]
        assert (model.backbone.cls_token.grad is not None) == (phase == 0)


@given(st.integers(1, 9), st.integers(0, 200), st.integers(0, 100))
def test_phases_cover_a_stage(phases: int, extra: int, at: int) -> None:
    steps = phases + extra
    step = at % steps
    phase = phase_of(step, steps, phases)
    assert 0 <= phase.number < phases and 0 <= phase.step < phase.steps
    assert phase.number * steps // phases + phase.step == step


class Twice(Scheme):
    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        return 2 * self.hard_loss(self.model.backbone(image), target)


def test_a_scheme_of_ones_own_goes_by_module_or_name(
    model: EarlyExitViT, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = scheme_of('backbone', model)(images, LABELS, 0, 1)
    torch.testing.assert_close(
        scheme_of(f'{__name__}.Twice', model)(images, LABELS, 0, 1), 2 * once
    )
    monkeypatch.setattr('model_export.training.schemes._SCHEMES', {'backbone': Scheme})
    register_scheme('twice')(Twice)
    assert isinstance(scheme_of('twice', model), Twice)
    with pytest.raises(ModelExportError, match="a scheme named 'backbone' exists already"):
        register_scheme('backbone')(Twice)


def test_heads_learn_the_same_from_kept_features(model: EarlyExitViT, images: Tensor) -> None:
    for name in ('classifier_wise', 'vit_ee', 'lgvit'):
        scheme: Any = scheme_of(name, model)
        assert isinstance(scheme, HeadScheme)
        seen = scheme.features(images)
        torch.testing.assert_close(scheme(seen, LABELS, 0, 1), scheme(images, LABELS, 0, 1))
