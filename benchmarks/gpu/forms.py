"""Whether half precision answers as float32 does: every exit, and where images leave."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.gpu.files import need
from benchmarks.gpu.staged import StagedForm
from benchmarks.gpu.steps import MissingError, Outcome
from benchmarks.precision import decided, each_exit
from benchmarks.random_file import write_random
from benchmarks.report_file import Cell, Table
from eevit_ros.errors import EevitError
from eevit_ros.model.compute import PROVIDERS, STAGED, Compute
from eevit_ros.model.engine import Engine, forcing
from model_export.export.check import FORMS_DIFFER
from model_export.export.onnx_writer import FP16, FP32, INT8
from model_export.export.precision import to_half
from model_export.network.early_exit import EarlyExitViT

Answers = npt.NDArray[np.float32]

BF16 = 'bf16'
HALF = {FP16: torch.float16, BF16: torch.bfloat16}
# Of a probability, at most and on average at the worst exit. bfloat16 may be as far off as int8 is;
# float16 has three bits more.
_WIDE = FORMS_DIFFER[INT8]
MAY_DIFFER = {FP32: (1e-3, 1e-4), FP16: (_WIDE[0] / 8, _WIDE[1] / 8), BF16: _WIDE}
THRESHOLD = 0.8  # the thesis', at every exit
BATCH = 250
ONE_BY_ONE = 100  # images that the staged form answers
FORCED = 10  # images that each exit of a file answers


def models_of(model: EarlyExitViT, device: torch.device) -> dict[str, EarlyExitViT]:
    """Return a deployed model on the device in each precision."""
    model = model.to(device)
    return {FP32: model, **{name: to_half(model, dtype) for name, dtype in HALF.items()}}


@torch.no_grad()
def answers_of(model: EarlyExitViT, images: Tensor, device: torch.device) -> Answers:
    """Return every exit's probabilities, float32 (E + 1, N, C), of images uint8 (N, H, W, 3)."""
    parts = [model(part.to(device)).float().softmax(-1).cpu() for part in images.split(BATCH)]
    return torch.cat(parts, dim=1).numpy()


def check_forms(
    model: EarlyExitViT, images: Tensor, truth: npt.NDArray[np.int64], device: torch.device
) -> Outcome:
    """Compare the forms in torch: all exits in batches, then one image after the other in stages.

    Args:
        model: Deployed, with trained weights.
        images: uint8 (N, H, W, 3).
        truth: Labels, int64 (N,).
        device: Where to compute.
    """
    layers = (*model.exit_layers, model.recipe.backbone.layers)
    chosen = [[THRESHOLD] * len(model.heads)] * 2
    models = models_of(model, device)
    exact = answers_of(models[FP32], images, device)
    rows: list[list[Cell]] = []
    tables, wrong = [], []
    for name, form in models.items():
        if name != FP32:
            found = answers_of(form, images, device)
            wrong += _compare(f'{name} in batches', found, exact, name, rows)
            pair = [exact, found]
            columns = ['', FP32, name, 'the same %']
            at = f'thresholds {THRESHOLD}'
            tables += [
                Table(
                    f'Decisions, {name}',
                    columns,
                    decided(at, layers, pair, truth, 'softmax', chosen),
                ),
                Table(
                    f'Accuracy of each exit, {name}, %',
                    ['layer', *columns[1:]],
                    each_exit(layers, pair, truth),
                ),
            ]
        staged = _staged(form, images[:ONE_BY_ONE].to(device))
        wrong += _compare(f'{name} in stages', staged, exact[:, : staged.shape[1]], name, rows)
    return _outcome('Against float32', rows, wrong, tables)


def _staged(model: EarlyExitViT, images: Tensor) -> Answers:
    """Return what the staged form says of each image at every exit, each forced."""
    staged, exits = StagedForm(model, images[:1]), len(model.heads)
    found = []
    for index in range(exits + 1):
        staged.thresholds = forcing(index, exits)
        for image in images:
            left = staged.run(image[None])
            assert left.exit_index == index, left
            assert left.label == int(staged.probabilities.argmax()), left
            found.append(staged.probabilities[0].cpu().numpy())
    return np.stack(found).reshape(exits + 1, len(images), -1)


def check_files(model: EarlyExitViT, provider: str, folder: Path, device: torch.device) -> Outcome:
    """Compare exported files in stages on a provider of ONNX Runtime with torch, on noise.

    Args:
        model: Deployed, with trained weights.
        provider: A key of `compute.PROVIDERS`.
        folder: For the files and TensorRT's engines.
        device: Where torch computes, in float32.

    Raises:
        MissingError: The provider does not start.
    """
    need(provider)
    size = model.recipe.backbone.image_size
    noise = np.random.default_rng(0).integers(0, 256, (FORCED, size, size, 3), np.uint8)
    images = torch.from_numpy(noise)
    folder.mkdir(parents=True, exist_ok=True)
    exact = answers_of(model.to(device), images, device)
    digest = hashlib.sha256()  # other weights, other files
    for tensor in model.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    rows: list[list[Cell]] = []
    wrong = []
    for precision in (FP32, FP16):
        path = folder / f'check_{digest.hexdigest()[:16]}_{precision}.onnx'
        if not path.exists():
            write_random(model.cpu(), path, precision)
        compute = Compute(
            provider=provider,
            execution=STAGED,
            tensorrt_fp16=precision == FP16,
            cache_dir=str(folder.absolute()),
        )
        try:
            engine, exits = Engine(path, compute=compute), len(model.heads)
        except EevitError as err:
            raise MissingError(str(err)) from err
        found = []
        for index in range(exits + 1):
            engine.thresholds = forcing(index, exits)
            found.append([engine.run(image).probabilities for image in images.numpy()])
        what = f'{precision} file on {PROVIDERS[provider]}'
        wrong += _compare(what, np.array(found), exact, precision, rows)
    return _outcome(f'Files on {PROVIDERS[provider]} against float32', rows, wrong, [])


def _compare(
    what: str, found: Answers, exact: Answers, precision: str, rows: list[list[Cell]]
) -> list[str]:
    """Add a row of how far answers (E + 1, N, C) are off; return what is wrong with them."""
    differences = np.abs(found - exact).max(axis=-1)
    largest, mean = float(differences.max()), float(differences.mean(axis=1).max())
    same = 100 * float((found.argmax(-1) == exact.argmax(-1)).mean())
    allowed, allowed_mean = MAY_DIFFER[precision]
    rows.append([what, same, *(f'{value:.1e}' for value in (largest, allowed, mean, allowed_mean))])
    if largest <= allowed and mean <= allowed_mean:  # this way NaN is refused too
        return []
    return [f'{what}: {largest:.2g} at most, {mean:.2g} on average']


def _outcome(title: str, rows: list[list[Cell]], wrong: list[str], tables: list[Table]) -> Outcome:
    columns = ['', 'the same label %', 'differs by', 'may', 'mean, worst exit', 'may']
    return Outcome([Table(title, columns, rows), *tables], [], '; '.join(wrong))
