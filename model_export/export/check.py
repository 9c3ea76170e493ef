"""The proof of an export: the file answers as torch does, and its two forms answer alike."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import onnx
import torch

from eevit_ros.images.resize import Image
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import forcing
from eevit_ros.model.ort_session import open_session
from eevit_ros.model.runners import Runner, SingleRunner, StagedRunner
from model_export.errors import ModelExportError
from model_export.export.onnx_writer import FP16
from model_export.network.early_exit import EarlyExitViT

TOLERANCE = 1e-4  # largest difference of a probability between ONNX Runtime and torch
ROUNDING = 1e-5  # of a probability, between two forms of one graph
HALF_ROUNDING = 5e-3  # the same in float16: the two forms are fused differently


def open_forms(proto: onnx.ModelProto) -> tuple[SingleRunner, StagedRunner]:
    """Load a file to be in both forms in which the robot runs it, on the CPU."""
    data = proto.SerializeToString()
    open_graph = partial(open_session, compute=Compute(provider='cpu', spin=False))
    return SingleRunner(data, open_graph), StagedRunner(data, open_graph, 'cpu')


def check(proto: onnx.ModelProto, model: EarlyExitViT, images: Image) -> float:
    """Compare ONNX Runtime with torch: every exit forced on every image, and free decisions.

    In both forms in which the robot runs a file, as one graph and in stages.

    Args:
        proto: The file to be, metadata included: its own thresholds are among those tried.
        model: The deployed model, weights as stored.
        images: uint8 (N, H, W, 3) of the model's input size.

    Returns:
        The largest difference of a probability.

    Raises:
        ModelExportError: A probability differs by more than `TOLERANCE`, or another exit answers.
    """
    single, staged = open_forms(proto)
    runners: tuple[Runner, ...] = (single, staged)
    exits, metadata = len(model.heads), single.metadata
    tried = [np.array(forcing(index, exits), np.float32) for index in range(exits + 1)]
    tried += [np.full(exits, value, np.float32) for value in (0.3, 0.5, 0.7, 0.9)]
    tried.append(np.array(metadata.default_thresholds, np.float32))
    worst = 0.0
    for number, thresholds in enumerate(tried):
        for image in images:
            with torch.no_grad():
                expected, expected_exit = model.forward_eager(
                    torch.from_numpy(image[None]), torch.from_numpy(thresholds), metadata.policy
                )
            torch_left = int(expected_exit[0])
            for runner in runners:
                probabilities, exit_index = runner.run(image, tuple(thresholds.tolist()))
                left, form = int(exit_index[0]), f'ONNX Runtime ({type(runner).__name__})'
                if left != torch_left or (number <= exits and left != number):
                    raise ModelExportError(
                        f'thresholds {thresholds.tolist()}: {form} leaves at exit {left}, torch '
                        f'at {torch_left}; nothing written'
                    )
                difference = float(np.abs(probabilities - expected.numpy()).max())
                if not difference <= TOLERANCE:  # this way NaN is refused too
                    raise ModelExportError(
                        f'{form} and torch differ by {difference:.2g} at exit {left}, more than '
                        f'{TOLERANCE}; nothing written'
                    )
                worst = max(worst, difference)
    return worst


def check_forms(proto: onnx.ModelProto, images: Image) -> float:
    """Compare the single graph with the stages: every exit forced, and free decisions.

    Torch is no reference here: int8 answers differ by design. Float16 has no free decisions, which
    rounding changes where the confidence is close to a threshold.

    Args:
        proto: The file to be, metadata included.
        images: uint8 (N, H, W, 3) of the model's input size.

    Returns:
        The largest difference of a probability.

    Raises:
        ModelExportError: Exits differ, or probabilities by more than rounding.
    """
    single, staged = open_forms(proto)
    exits = len(single.metadata.exit_layers)
    worst = 0.0
    precision = single.metadata.precision
    tried = [forcing(index, exits) for index in range(exits + 1)]
    rounding = HALF_ROUNDING
    if precision != FP16:
        tried.append(single.metadata.default_thresholds)
        rounding = ROUNDING
    for number, thresholds in enumerate(tried):
        for image in images:
            answers = [_answer(runner, image, thresholds) for runner in (single, staged)]
            (one, left), (other, other_left) = answers
            if left != other_left or (number <= exits and left != number):
                raise ModelExportError(
                    f'thresholds {thresholds}: the {precision} graph leaves at exit {left}, its '
                    f'stages at {other_left}; nothing written'
                )
            worst = max(worst, float(np.abs(one - other).max()))
    if not worst <= rounding:
        raise ModelExportError(
            f'the {precision} graph and its stages differ by {worst:.2g}, more than {rounding}; '
            f'nothing written'
        )
    return worst


def _answer(
    runner: Runner, image: Image, thresholds: tuple[float, ...]
) -> tuple[npt.NDArray[np.float32], int]:
    probabilities, exit_index = runner.run(image, thresholds)
    return probabilities, int(exit_index[0])
