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
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.ort_session import open_session
from eevit_ros.model.runners import Runner, SingleRunner, StagedRunner
from eevit_ros.policies import build_policy
from eevit_ros.policies.operating_point import measure_exits
from eevit_ros.policies.threshold_search import exits_taken
from model_export.errors import ModelExportError
from model_export.export.onnx_writer import FP16, INT8
from model_export.network.early_exit import EarlyExitViT

TOLERANCE = 1e-4  # largest difference of a probability between ONNX Runtime and torch
ROUNDING = 1e-5  # of a measure, between NumPy and the graph

FORMS_DIFFER = {FP16: (5e-3, 5e-3), INT8: (0.2, 0.02)}
"""How far a probability of the two forms may differ, at most and on average at an exit.

ONNX Runtime may fuse the branches of an `If` otherwise than stages, which rounds otherwise. In int8
that seldom tips a value from one of 256 steps to the next, which is seen in the answer:
docs/performance.md has figures.
"""


def open_forms(proto: onnx.ModelProto) -> tuple[SingleRunner, StagedRunner]:
    """Load a file to be in both forms in which the robot runs it, on the CPU."""
    data = proto.SerializeToString()
    open_graph = partial(open_session, compute=Compute(provider='cpu'))
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

    Torch is no reference here: the answers differ by design. Nor need both forms leave at one exit,
    where the confidence of one is above the threshold and that of the other is not: each leaves
    where its own answers say.

    Args:
        proto: The file to be, metadata included.
        images: uint8 (N, H, W, 3) of the model's input size.

    Returns:
        The largest difference of a probability.

    Raises:
        ModelExportError: A form leaves elsewhere, or answers differ by more than rounding.
    """
    single, staged = open_forms(proto)
    runners: tuple[Runner, ...] = (single, staged)
    meta = single.metadata
    answers = [_forced(runner, images, meta) for runner in runners]
    differences = np.abs(answers[0] - answers[1]).max(axis=-1)
    largest, mean = float(differences.max()), float(differences.mean(axis=1).max())
    allowed, allowed_mean = FORMS_DIFFER[meta.precision]
    if not (largest <= allowed and mean <= allowed_mean):  # this way NaN is refused too
        raise ModelExportError(
            f'the {meta.precision} graph and its stages differ by {largest:.2g}, by {mean:.2g} on '
            f'average at the worst exit, more than {allowed} or {allowed_mean}; nothing written'
        )
    for runner, found in zip(runners, answers, strict=True):
        _check_free(runner, images, found, meta)
    return largest


def _forced(runner: Runner, images: Image, meta: ModelMetadata) -> npt.NDArray[np.float32]:
    """Return every exit's probabilities (E + 1, N, C), each from a run that is to leave there."""
    exits = len(meta.exit_layers)
    found = []
    for index in range(exits + 1):
        runs = [runner.run(image, forcing(index, exits)) for image in images]
        left = {int(run.exit_index[0]) for run in runs}
        if left != {index}:
            raise ModelExportError(
                f'thresholds {forcing(index, exits)}: {type(runner).__name__} leaves at exits '
                f'{sorted(left)} of the {meta.precision} graph; nothing written'
            )
        found.append(np.concatenate([run.probabilities for run in runs]))
    return np.stack(found)


def _check_free(
    runner: Runner, images: Image, answers: npt.NDArray[np.float32], meta: ModelMetadata
) -> None:
    """Check that a form decides by its own `answers`, but where rounding decides."""
    policy = build_policy(meta.policy, meta.accuracy)
    measure = measure_exits(policy, np.clip(answers, 0, 1)).measure
    thresholds = np.array(meta.default_thresholds, np.float32)
    clear = np.abs(measure[:-1] - thresholds[:, None]).min(axis=0) > ROUNDING
    expected = exits_taken(measure, thresholds)
    for number in np.flatnonzero(clear):
        left = int(runner.run(images[number], meta.default_thresholds).exit_index[0])
        if left != expected[number]:
            raise ModelExportError(
                f'thresholds {meta.default_thresholds}: {type(runner).__name__} leaves at exit '
                f'{left} of the {meta.precision} graph, its answers at {expected[number]}; '
                f'nothing written'
            )
