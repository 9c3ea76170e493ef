"""Starting from trained weights: an ONNX file, written here as an exporter writes it, and ours."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from model_export.errors import ModelExportError
from model_export.network.backbones import ViT
from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained import start_from
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe, Recipe, recipe_from_dict
from model_export.weights.stored import save_weights

FORMAT = BackboneRecipe(
    image_size=32, patch_size=4, width=12, layers=2, attention_heads=2, layer_scale=True
)


def model_of(backbone: BackboneRecipe, classes: int = 3) -> EarlyExitViT:
    return EarlyExitViT(Recipe('x', backbone, (ExitRecipe(1, 'mean'),), classes))


def random_vit(recipe: BackboneRecipe) -> ViT:
    model = ViT(recipe, 3).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def as_onnx(model: ViT) -> onnx.ModelProto:
    """Named biases, nameless transposed weights, `MatMul` then `Add`: what exporters leave."""
    tensors = {
        'backbone.embeddings.cls_token': model.cls_token,
        'backbone.embeddings.patch_embeddings.projection.weight': model.patch_embed.weight,
        'backbone.embeddings.patch_embeddings.projection.bias': model.patch_embed.bias,
        'backbone.layernorm.weight': model.norm.weight,
        'backbone.layernorm.bias': model.norm.bias,
        'onnx::Concat_1': model.pos_embed[:, :1],
        'onnx::Reshape_2': model.pos_embed[:, 1:],
    }
    nodes = []

    def linear(name: str, weight: torch.Tensor, bias: torch.Tensor) -> None:
        tensors[f'onnx::MatMul_{len(tensors)}'] = weight.T
        matrix = list(tensors)[-1]
        tensors[f'{name}.bias'] = bias
        nodes.append(helper.make_node('MatMul', ['x', matrix], [f'{name}.product']))
        nodes.append(helper.make_node('Add', [f'{name}.bias', f'{name}.product'], [name]))

    for i, block in enumerate(model.blocks):
        prefix = f'backbone.encoder.layer.{i}.'
        for part in ('norm1', 'norm2'):
            tensors[f'{prefix}{part}.weight'] = getattr(block, part).weight
            tensors[f'{prefix}{part}.bias'] = getattr(block, part).bias
        for k in (1, 2):
            tensors[f'{prefix}layer_scale{k}.lambda1'] = getattr(block, f'scale{k}').gain
        weights, biases = block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3)
        for name, weight, bias in zip(('query', 'key', 'value'), weights, biases, strict=True):
            linear(f'{prefix}attention.attention.{name}', weight, bias)
        linear(f'{prefix}attention.output.dense', block.attn.proj.weight, block.attn.proj.bias)
        for part in ('fc1', 'fc2'):
            layer = getattr(block.mlp, part)
            linear(f'{prefix}mlp.{part}', layer.weight, layer.bias)
    arrays = [numpy_helper.from_array(t.numpy().copy(), name) for name, t in tensors.items()]
    x = helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 12])
    return helper.make_model(helper.make_graph(nodes, 'vit', [x], [x], arrays))


def test_the_loaded_backbone_computes_the_same(tmp_path: Path) -> None:
    source = random_vit(FORMAT)
    path = tmp_path / 'vit.onnx'
    onnx.save(as_onnx(source), str(path))
    model = model_of(FORMAT).eval().requires_grad_(False)
    assert start_from(model, path).endswith('classifier at random: it has none of 3 classes')
    loaded = model.backbone
    image = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    x, y = source.embed(image), loaded.embed(image)
    for before, after in zip(source.blocks, loaded.blocks, strict=True):
        x, y = before(x), after(y)
    torch.testing.assert_close(loaded.norm(y), source.norm(x))


def test_the_position_embedding_is_resized_to_the_grid(tmp_path: Path) -> None:
    source = random_vit(FORMAT)
    source.pos_embed[:, 1:] = 3.0  # a constant stays one, whatever the size
    path = tmp_path / 'vit.onnx'
    onnx.save(as_onnx(source), str(path))
    small = BackboneRecipe(
        image_size=20, patch_size=4, width=12, layers=2, attention_heads=2, layer_scale=True
    )
    model = model_of(small)
    assert 'positions resized to a grid of 5' in start_from(model, path)
    positions = model.backbone.state_dict()['pos_embed']
    assert positions.shape == (1, 26, 12)
    torch.testing.assert_close(positions[:, 1:], torch.full((1, 25, 12), 3.0))


def test_saved_weights_start_a_model_of_other_size_and_classes(tmp_path: Path) -> None:
    exits = [{'layer': 1, 'head': 'mean'}]
    sizes = {'patch_size': 4, 'width': 12, 'layers': 2, 'attention_heads': 2}
    old = recipe_from_dict(
        {'name': 'x', 'num_classes': 4, 'backbone': {**sizes, 'image_size': 32}, 'exits': exits}
    )
    model = EarlyExitViT(old)
    save_weights(model, ('a', 'b', 'c', 'd'), '', tmp_path)
    saved = model.backbone.state_dict()
    for classes in (7, 4):
        new = model_of(BackboneRecipe(**sizes, image_size=20), classes)
        start_from(new, tmp_path)
        state = new.backbone.state_dict()
        name = 'blocks.1.mlp.fc1.weight'
        torch.testing.assert_close(state[name], saved[name], atol=1e-3, rtol=1e-3)
        assert state['pos_embed'].shape == (1, 26, 12)
    classifier = saved['classifier.weight']  # the last one has as many classes
    torch.testing.assert_close(state['classifier.weight'], classifier, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ('window', 'size', 'classes', 'taken'),
    [
        (2, 32, 4, ('neck', 'classifier')),
        (2, 32, 7, ('neck',)),
        (4, 32, 4, ()),
        (2, 48, 4, ()),
    ],
)
def test_saved_weights_give_their_heads_to_the_same_exits(
    tmp_path: Path, window: int, size: int, classes: int, taken: tuple[str, ...]
) -> None:
    old = EarlyExitViT(Recipe('x', FORMAT, (ExitRecipe(1, 'gah', {'window': 2}),), 4))
    save_weights(old, ('a', 'b', 'c', 'd'), '', tmp_path)
    exits = (ExitRecipe(1, 'gah', {'window': window}),)
    new = EarlyExitViT(Recipe('x', dataclasses.replace(FORMAT, image_size=size), exits, classes))
    start_from(new, tmp_path)
    saved = old.heads[0].state_dict()
    equal = [
        name
        for name, tensor in new.heads[0].state_dict().items()
        if tensor.shape == saved[name].shape and torch.allclose(tensor, saved[name], atol=1e-3)
    ]
    for part, weight in (('neck', 'neck.qkv.weight'), ('classifier', 'classifier.weight')):
        assert (weight in equal) == (part in taken)


@pytest.mark.parametrize(
    'change',
    [{'layers': 3}, {'attention_heads': 4}, {'layer_scale': True}, {'mean': (0.5, 0.5, 0.5)}],
    ids=str,
)
def test_saved_weights_of_another_backbone_are_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    sizes = {'patch_size': 4, 'width': 12, 'layers': 2, 'attention_heads': 2, 'image_size': 32}
    exits = [{'layer': 1, 'head': 'mean'}]
    old = recipe_from_dict({'name': 'x', 'num_classes': 4, 'backbone': sizes, 'exits': exits})
    save_weights(EarlyExitViT(old), ('a', 'b', 'c', 'd'), '', tmp_path)
    ((key, value),) = change.items()
    with pytest.raises(ModelExportError, match=rf'another backbone: {key} .*\(recipe: ') as info:
        start_from(model_of(BackboneRecipe(**{**sizes, **change}), 4), tmp_path)
    assert f'(recipe: {value})' in str(info.value)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'layer_scale': False}, r'\D6 left over: backbone\.blocks\.0\.scale1\.gain'),
        ({'layers': 2}, r'14 left over: backbone\.blocks\.2\.norm1\.weight, .*, \.\.\.'),
    ],
    ids=str,
)
def test_a_dinov2_file_that_holds_more_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / 'vit.onnx'
    larger = dataclasses.replace(FORMAT, layers=3)
    onnx.save(as_onnx(random_vit(larger)), str(path))
    smaller = dataclasses.replace(larger, **change)
    with pytest.raises(ModelExportError, match=message):
        start_from(model_of(smaller), path)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'foreign.onnx'
    with pytest.raises(ModelExportError, match=r'no such file or folder: .*foreign\.onnx'):
        start_from(model_of(FORMAT), path)
    path.write_bytes(b'no model at all')
    with pytest.raises(ModelExportError, match=r'cannot read ONNX file .*foreign\.onnx'):
        start_from(model_of(FORMAT), path)
    x = helper.make_tensor_value_info('x', TensorProto.FLOAT, [1])
    onnx.save(helper.make_model(helper.make_graph([], 'empty', [x], [x])), str(path))
    with pytest.raises(ModelExportError, match='not a DINOv2 export'):
        start_from(model_of(FORMAT), path)


def test_another_width_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'vit.onnx'
    onnx.save(as_onnx(random_vit(FORMAT)), str(path))
    wide = BackboneRecipe(
        image_size=32, patch_size=4, width=16, layers=2, attention_heads=2, layer_scale=True
    )
    with pytest.raises(ModelExportError, match='of width 16'):
        start_from(model_of(wide), path)
