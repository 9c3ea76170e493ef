"""From a trained regression to one checked ONNX file that decides by itself when to stop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from eevit_ros.images.resize import Image
from model_export.calibration.held_out import CHECKED_IMAGES
from model_export.data import RULE, evaluation_batch
from model_export.data.values import load_halves
from model_export.errors import ModelExportError, UsageError
from model_export.export.check import TOLERANCE
from model_export.export.onnx_writer import (
    ExportForm,
    round_weights_to_half,
    trace,
    write,
)
from model_export.network.classifier import linears
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import check_fold, fold
from model_export.network.macs import count_macs
from model_export.network.predict import logits_of
from model_export.regression.model_file import RegressionMetadata
from model_export.regression.policy import (
    Floats,
    RegressionAnswers,
    candidates,
    choose_tolerances,
    exits_taken,
    regression_point,
)
from model_export.regression.session import RegressionSession
from model_export.weights.stored import load_model, trained_on


class RegressionForm(ExportForm):
    """The model with its decisions by neighbouring values inside the graph, for one image."""

    def answer(self, logits: Tensor) -> Tensor:
        """Return the value itself, (1, 1)."""
        return logits

    def leaves(self, answer: Tensor, before: Tensor | None, threshold: Tensor) -> Tensor:
        """Return whether two neighbours are closer than the tolerance; False at the first exit."""
        if before is None:
            return torch.zeros((), dtype=torch.bool)
        return (answer - before).abs().reshape(()) < threshold


def export(run: Path, data: Path, out: Path, *, max_rise: float) -> None:
    """Choose tolerances on held-out images and write a trained regression as one ONNX file.

    Args:
        run: Folder of a training run or of saved weights.
        data: Folder of the data that it was trained on.
        out: The file to write.
        max_rise: Largest rise of the mean absolute error on the held-out images, as a share of the
            final exit's.

    Raises:
        ModelExportError: The run is not a regression or was trained on other data, `max_rise` is
            negative, or ONNX Runtime and torch differ.
    """
    if not max_rise >= 0:  # this way NaN is refused too
        raise UsageError(f'--max-rise must be at least 0. Got {max_rise}')
    trained, _ = load_model(run, task='regression')
    recipe = trained.recipe
    size = recipe.backbone.image_size
    parts = load_halves(data, recipe)
    _, known_data = trained_on(run)
    if known_data != parts.fingerprint:
        raise ModelExportError(
            f'{run} was trained on other data ({known_data}, now {parts.fingerprint}): the images '
            f'held out would be others. Restore that data, or train again'
        )
    held_out = parts.held_out
    images = evaluation_batch(held_out.images[:: max(1, len(held_out) // CHECKED_IMAGES)], size)
    model = fold(trained)
    check_fold(trained, model, torch.from_numpy(images))
    give_unit(model, held_out.mean, held_out.deviation)
    round_weights_to_half(model)
    macs = count_macs(model)

    print(f'choosing tolerances on {len(held_out)} held-out images')
    values = logits_of(model, held_out, precise=True).squeeze(-1).numpy()
    known = RegressionAnswers(values, held_out.values, macs.leaving, macs.backbone)
    tolerances = choose_tolerances(known, held_out.deviation, max_rise)
    found = regression_point(known, tolerances)
    print(
        f'tolerances {list(tolerances)}: mean absolute error {found.error:.4g} at '
        f'{found.speedup_macs:.2f}x fewer MACs (final exit {known.errors[-1]:.4g}, held-out images)'
    )
    metadata = RegressionMetadata(
        name=recipe.name,
        unit=recipe.unit,
        exit_layers=model.exit_layers,
        layers=recipe.backbone.layers,
        input_height=size,
        input_width=size,
        resize=RULE,
        default_tolerances=tolerances,
        deviation=held_out.deviation,
        macs=macs.leaving,
        head_macs=macs.heads,
        backbone_macs=macs.backbone,
        errors=known.errors,
        error_data=f'{len(held_out)} images held out of the training data',
        training_data=recipe.training_data,
        licence=recipe.licence,
    )
    print('exporting (about ten seconds)')
    proto = to_onnx(model, metadata)
    worst = check(proto, model, images)
    write(proto, out)
    print(
        f'wrote {out} ({out.stat().st_size / 1e6:.1f} MB); {len(images)} images at every exit '
        f'differ from torch by at most {worst:.1g}\n'
        f'next: python -m model_export study counting --model {out} --data {data} --out ...'
    )


@torch.no_grad()
def give_unit(model: EarlyExitViT, mean: float, deviation: float) -> None:
    """Scale the last weights so that the model answers in the unit of the targets, in place.

    Args:
        model: The model, trained or folded.
        mean: Mean of the training targets.
        deviation: Standard deviation of the training targets.
    """
    for owner in (*model.heads, model.backbone):
        for linear in linears(getattr(owner, 'trunk_classifier', nn.Identity())):
            linear.weight.mul_(deviation)
        for linear in linears(owner.get_submodule('classifier')):
            linear.weight.mul_(deviation)
            bias = torch.zeros(1) if linear.bias is None else linear.bias
            linear.bias = nn.Parameter(bias * deviation + mean, requires_grad=False)


def to_onnx(model: EarlyExitViT, metadata: RegressionMetadata) -> onnx.ModelProto:
    """Trace a folded model in the target's unit into an ONNX graph with metadata."""
    return trace(RegressionForm(model), 'tolerances', 'value', metadata.to_props())


def check(proto: onnx.ModelProto, model: EarlyExitViT, images: Image) -> float:
    """Compare ONNX Runtime with torch: the value at every exit, and every decision.

    Decisions that are closer to the tolerance than rounding are not compared.

    Args:
        proto: The file to be, metadata included.
        model: The folded model, weights as stored.
        images: uint8 (N, H, W, 3) of the model's input size.

    Returns:
        The largest difference of a value, in deviations of the training targets.

    Raises:
        ModelExportError: A value differs by more than `TOLERANCE`, or another exit answers.
    """
    session = RegressionSession(proto.SerializeToString())
    meta = session.metadata
    exits = len(meta.exit_layers)
    allowed = TOLERANCE * meta.deviation
    forcing = [[0.0] * index + [np.inf] * (exits - index) for index in range(1, exits + 1)]
    free = [[one] * exits for one in candidates(meta.deviation)[10::20]]
    worst = 0.0
    for image in images:
        with torch.no_grad():
            values = model(torch.from_numpy(image[None])).reshape(-1, 1).numpy()
        differences = np.abs(session.values(image) - values[:, 0])
        worst = max(worst, _within(differences, allowed))
        for tolerances in (*forcing, *free, meta.default_tolerances):
            if _too_close(values, tolerances, allowed):
                continue
            value, left = session.run(image, tolerances)
            expected = int(exits_taken(values, tolerances)[0])
            if left != expected:
                raise ModelExportError(
                    f'tolerances {list(tolerances)}: ONNX Runtime leaves at exit {left}, torch at '
                    f'{expected}; nothing written'
                )
            worst = max(worst, _within(np.abs(value - values[left]), allowed))
    return worst / meta.deviation


def _within(differences: Floats, allowed: float) -> float:
    largest = float(differences.max())
    if not largest <= allowed:  # this way NaN is refused too
        raise ModelExportError(
            f'a value of ONNX Runtime differs from torch by {largest:.2g}, more than '
            f'{allowed:.2g}; nothing written'
        )
    return largest


def _too_close(values: Floats, tolerances: Sequence[float], allowed: float) -> bool:
    """Return whether a distance of two exits is so close to its tolerance that rounding decides."""
    distances, limits = np.abs(np.diff(values[:-1, 0])), np.array(tolerances[1:])
    return bool(((np.abs(distances - limits) <= 2 * allowed) & (limits > 0)).any())
