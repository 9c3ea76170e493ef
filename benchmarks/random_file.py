"""Model files with random weights: how long a model takes does not depend on what it learned."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from benchmarks.early_exit_speed import plain_proto
from eevit_ros.model.metadata import ModelMetadata
from model_export.data import RULE
from model_export.export.onnx_writer import FP32, round_weights_to_half, store_as_half, write
from model_export.export.precision import to_precision
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.macs import Macs, count_macs
from model_export.recipe.recipe import Recipe


def random_model(recipe: Recipe) -> EarlyExitViT:
    """The recipe's model in its deployed form, with seed 0 and weights as files store them."""
    torch.manual_seed(0)
    model = fold(EarlyExitViT(recipe))
    round_weights_to_half(model)
    return model


def write_random(model: EarlyExitViT, path: Path, precision: str = FP32) -> Macs:
    """Export as `model_export export` does, without data."""
    recipe, macs = model.recipe, count_macs(model)
    size, exits = recipe.backbone.image_size, len(model.heads)
    metadata = ModelMetadata(
        name=recipe.name,
        class_names=tuple(f'class {n}' for n in range(recipe.num_classes)),
        exit_layers=model.exit_layers,
        layers=recipe.backbone.layers,
        input_height=size,
        input_width=size,
        resize=RULE,
        default_thresholds=(0.5,) * exits,
        macs=macs.leaving,
        head_macs=macs.heads,
        backbone_macs=macs.backbone,
        accuracy=(1 / recipe.num_classes,) * (exits + 1),
        accuracy_data='none: random weights',
        training_data='none: random weights',
        licence='none',
        precision=precision,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write(to_precision(model, metadata), path)
    return macs


def write_plain(model: EarlyExitViT, path: Path) -> None:
    """Export the backbone alone, without exits, stored as the others are."""
    proto: onnx.ModelProto = plain_proto(model.backbone)
    store_as_half(proto.graph)
    write(proto, path)
