"""The two ways to run one model file: as a single graph, or in stages.

    single   the graph's `If`s decide: one call per frame, only the file's own policy
    staged   the host decides after each exit: any policy, and on a GPU one TensorRT engine a stage,
             where a graph with `If` may fall into pieces. Hidden states stay on the device.

Both give the same answers, to the last bits of a probability. The staged form has only run on ONNX
Runtime's CPU provider, through the same IO binding; it is untested on a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image, grey
from eevit_ros.model.check import check_model, check_stages
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.stages import IMAGE, Tensor, cut_stages
from eevit_ros.policies import Policy, build_policy
from eevit_ros.policies.base import Probabilities

if TYPE_CHECKING:
    import onnxruntime as ort

MakeSession = Callable[[bytes | str], 'ort.InferenceSession']

TIMING_ROUNDS = 7
# Softmax in half precision may exceed 1 by rounding; more than this is no probability.
ROUNDING = 1e-3
SUM_ROUNDING = 2e-2  # of the sum over all classes


class ModelOutput(NamedTuple):
    """What a model answers to one image, unchecked.

    Attributes:
        probabilities: float32 (1, C).
        exit_index: int32 (1,), 0..E.
    """

    probabilities: npt.NDArray[np.float32]
    exit_index: npt.NDArray[np.int32]


class Runner(Protocol):
    """A loaded model, in either form."""

    metadata: ModelMetadata

    def run(
        self, pixels: Image, thresholds: tuple[float, ...], policy: Policy | None = None
    ) -> ModelOutput:
        """Run the model on one image; all errors are ONNX Runtime's.

        Args:
            pixels: uint8 (H, W, 3) of the input's size.
            thresholds: E thresholds.
            policy: Decides where the image leaves, started; None is the file's own measure. Only in
                stages.
        """


class SingleRunner:
    """Runs the file as one graph, which decides by itself."""

    def __init__(self, model: bytes | str, make_session: MakeSession) -> None:
        """Load a model file's bytes, or a file by its path.

        Raises:
            EevitError: It is not one of ours.
        """
        self._session = make_session(model)
        self.metadata = check_model(self._session)

    def run(
        self, pixels: Image, thresholds: tuple[float, ...], policy: Policy | None = None
    ) -> ModelOutput:
        """See `Runner`; `policy` is ignored."""
        # A view: on the CPU, ONNX Runtime reads the frame where it lies.
        feed = {'image': pixels[np.newaxis], 'thresholds': np.array(thresholds, np.float32)}
        return ModelOutput(*self._session.run(['probabilities', 'exit_index'], feed))


class StagedRunner:
    """Runs the file in stages, one session each; the host decides between them."""

    def __init__(self, model: bytes, make_session: MakeSession, device: str) -> None:
        """Cut a model file's bytes and load every stage.

        Args:
            model: The whole file.
            make_session: Loads a stage.
            device: Device that keeps the hidden states, in ONNX Runtime's words: 'cpu' or 'cuda'.

        Raises:
            EevitError: It is not one of ours, or cannot be cut.
        """
        cut = cut_stages(model)
        self.metadata = ModelMetadata.from_props(cut.props)
        self._stages = cut.stages
        self._device = device
        self._sessions = []
        known: dict[str, Tensor] = {}
        for stage, write in zip(cut.stages, cut.write, strict=True):
            session = make_session(write(known))
            for made in session.get_outputs():
                known[stage.outputs[made.name]] = Tensor(made.type, tuple(made.shape))
            self._sessions.append(session)
        check_stages(self._sessions, [stage.answer for stage in cut.stages], self.metadata)
        self._own = build_policy(self.metadata.policy, self.metadata.accuracy)

    def run(
        self, pixels: Image, thresholds: tuple[float, ...], policy: Policy | None = None
    ) -> ModelOutput:
        """See `Runner`."""
        policy = policy or self._own
        last = len(self._stages) - 1
        for exit_index, probabilities in enumerate(self.every_exit(pixels)):
            if exit_index == last:
                break
            leaves, answer = policy.decide(probabilities, thresholds[exit_index])
            if leaves[0]:
                return ModelOutput(answer, np.array([exit_index], np.int32))
        answer = policy.read(probabilities).probabilities
        return ModelOutput(answer, np.array([last], np.int32))

    def every_exit(self, pixels: Image) -> Iterator[Probabilities]:
        """Yield each exit's probabilities, float32 (1, C); a stage runs when its exit is asked for.

        Args:
            pixels: uint8 (H, W, 3) of the input's size.
        """
        import onnxruntime as ort

        known: dict[str, Any] = {IMAGE: ort.OrtValue.ortvalue_from_numpy(pixels[np.newaxis])}
        for index in range(len(self._stages)):
            yield self._run_stage(index, known)

    def spent_ms(self) -> list[float]:
        """Measure the time until each of the E + 1 exits has answered, milliseconds."""
        meta = self.metadata
        image = grey(meta.input_height, meta.input_width)
        rounds = []
        for _ in range(TIMING_ROUNDS):
            start_s = time.perf_counter()
            rounds.append([(time.perf_counter() - start_s) * 1e3 for _ in self.every_exit(image)])
        return [float(value) for value in np.median(rounds, axis=0)]

    def _run_stage(self, index: int, known: dict[str, Any]) -> Probabilities:
        """Run a stage and add what later stages read of it to `known`, on the device."""
        stage, session = self._stages[index], self._sessions[index]
        binding = session.io_binding()
        for name in stage.inputs:
            binding.bind_ortvalue_input(name, known[name])
        for name in stage.outputs:
            binding.bind_output(name, 'cpu' if name == stage.answer else self._device)
        session.run_with_iobinding(binding)
        values = dict(zip(stage.outputs, binding.get_outputs(), strict=True))
        known.update((outer, values[name]) for name, outer in stage.outputs.items())
        probabilities: Probabilities = values[stage.answer].numpy()
        expected = (1, len(self.metadata.class_names))
        if probabilities.shape != expected:  # no policy could read it
            raise EevitError(
                f'exit {index} must answer with probabilities {expected}. Got '
                f'{probabilities.shape}; export the model again'
            )
        return probabilities


def check_output(
    output: ModelOutput, metadata: ModelMetadata
) -> tuple[npt.NDArray[np.float32], int]:
    """Return probabilities (C,) within [0, 1] and the exit index.

    Raises:
        EevitError: Shapes or values make no sense.
    """
    probabilities, exit_index = output
    classes, exits = len(metadata.class_names), len(metadata.exit_layers)
    if probabilities.shape != (1, classes) or exit_index.shape != (1,):
        raise EevitError(
            f'the model must answer with probabilities (1, {classes}) and exit_index (1,). '
            f'Got {probabilities.shape} and {exit_index.shape}; export it again'
        )
    low, high, left_at = probabilities.min(), probabilities.max(), int(exit_index[0])
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also true of NaN
        raise EevitError(
            f'the model answered with probabilities from {low} to {high}, not within [0, 1], '
            f'at exit {left_at}; the frame or the model is broken'
        )
    total = float(probabilities.sum())
    if not abs(total - 1) <= SUM_ROUNDING:  # a damaged file may still answer something
        raise EevitError(
            f'the model answered with probabilities that add up to {total:.4g}, not to 1, '
            f'at exit {left_at}; the model is broken: copy or export it again'
        )
    if not 0 <= left_at <= exits:
        raise EevitError(
            f'exit_index must be 0..{exits}. The model answered {left_at}: export it again'
        )
    return np.clip(probabilities[0], 0, 1), left_at
