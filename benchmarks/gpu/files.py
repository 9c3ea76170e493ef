"""Exported files on ONNX Runtime's providers: their answers, and their times."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import numpy as np
import torch

from benchmarks.beside_eevit import Side, make_sides, measure, tables
from benchmarks.gpu.forms import check_files
from benchmarks.gpu.steps import MissingError, Outcome
from benchmarks.report_file import Table
from eevit_ros.errors import EevitError
from eevit_ros.model.compute import PROVIDERS, all_cores
from eevit_ros.model.ort_session import available_providers, load_gpu_libraries
from model_export.network.fold import fold
from model_export.recipe.recipe import load_recipe
from model_export.weights.stored import load_model


def answers_on(provider: str, weights: Path, folder: Path, device: str) -> Outcome:
    """Compare files of trained weights, float32 and float16, with torch, on noise.

    Raises:
        MissingError: This ONNX Runtime has not the provider, or it does not start.
    """
    _need(provider)
    model = fold(load_model(weights)[0])
    size = model.recipe.backbone.image_size
    noise = np.random.default_rng(0).integers(0, 256, (16, size, size, 3), np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return check_files(model, torch.from_numpy(noise), provider, folder, torch.device(device))
    except EevitError as err:
        raise MissingError(str(err)) from err


def times_on(
    provider: str,
    fp16: bool,
    *,
    recipe: Path,
    peer: Path | None,
    folder: Path,
    rounds: int,
    runs: int,
) -> Outcome:
    """Time the files of `beside_eevit` as it does.

    Args:
        provider: A key of `compute.PROVIDERS`.
        fp16: Whether TensorRT may use half precision.
        recipe: The model of ours.
        peer: A checkout of the thesis' code, exported with this Python.
        folder: For the files, kept from step to step.
        rounds: Processes of each side.
        runs: Frames of each exit in a process.

    Raises:
        MissingError: This ONNX Runtime has not the provider.
    """
    _need(provider)
    sides, notes = _sides(recipe, folder, peer)
    options = argparse.Namespace(
        provider=provider, fp16=fp16, tf32=False, threads=all_cores(), rounds=rounds, runs=runs
    )
    title = f'ONNX Runtime, {provider}' + ', fp16' * fp16
    made = tables(sides, measure(sides, options))
    return Outcome(
        [Table(f'{title}: {one.title}', one.columns, one.rows) for one in made],
        [f'{title}: {rounds} rounds of {runs} frames at each exit, a process a side.', *notes],
    )


@functools.cache
def _sides(recipe: Path, folder: Path, peer: Path | None) -> tuple[list[Side], list[str]]:
    """Export the files once, the peer's if its code runs here; return them and what is missing."""
    load = functools.partial(make_sides, load_recipe(recipe), folder)
    if not peer:
        return load(), ['No file of the peer: there is no checkout of early_exit_vit (--peer).']
    try:
        return load(peer=peer), []
    except SystemExit as err:
        why = str(err).strip().splitlines()[-1]
        return load(), [f'No file of the peer: its export ended with {why}']


def _need(provider: str) -> None:
    if provider not in available_providers():
        raise MissingError(
            f'this ONNX Runtime has no {PROVIDERS[provider]}: it takes a wheel of onnxruntime-gpu'
        )
    if provider != 'cpu':
        load_gpu_libraries()
