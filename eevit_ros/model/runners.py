"""The two ways to run one model file: as the single graph that it is, or in stages.

    single   the graph's `If`s decide: one call a frame, no policy but the file's own
    staged   the host decides after each exit: any policy, and what a graph with `If` forbids on a
             GPU (a TensorRT engine or a CUDA graph a stage). Hidden states stay on the device.

Both answer alike, to the last bits of a probability. The staged form has run on ONNX Runtime's CPU
provider alone, through the same IO binding; on a GPU it is untried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

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

Answer = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]
MakeSession = Callable[[bytes], 'ort.InferenceSession']

SINGLE, STAGED = 'single', 'staged'
TIMING_ROUNDS = 7


class Runner(Protocol):
    """What runs a model; `form` is 'single' or 'staged'."""

    form: str
    metadata: ModelMetadata

    def answer(
        self, image: Image, thresholds: tuple[float, ...], policy: Policy | None = None
    ) -> Answer:
        """Answer an image, uint8 (H, W, 3) of the input's size; all errors are ONNX Runtime's.

        Args:
            image: The image.
            thresholds: E of them.
            policy: Who decides, started; None is the file's own measure. Only in stages.

        Returns:
            probabilities (1, C) and exit index (1,), unchecked.
        """


class SingleRunner:
    """The file as one graph, which decides by itself."""

    form = SINGLE

    def __init__(self, model: bytes, make_session: MakeSession) -> None:
        """Load a model file's bytes.

        Raises:
            EevitError: It is not one of ours.
        """
        self._session = make_session(model)
        self.metadata = check_model(self._session)

    def answer(
        self, image: Image, thresholds: tuple[float, ...], policy: Policy | None = None
    ) -> Answer:
        """See `Runner`; there is no policy to choose."""
        # A view: on the CPU, ONNX Runtime reads the frame where it lies.
        feed = {'image': image[np.newaxis], 'thresholds': np.array(thresholds, np.float32)}
        probabilities, exit_index = self._session.run(['probabilities', 'exit_index'], feed)
        return probabilities, exit_index


class StagedRunner:
    """The file in stages, one session each; the host decides between them."""

    form = STAGED

    def __init__(self, model: bytes, make_session: MakeSession, device: str) -> None:
        """Cut a model file's bytes and load every stage.

        Args:
            model: The file, whole.
            make_session: Loads a stage.
            device: Where hidden states stay, as ONNX Runtime calls it: 'cpu' or 'cuda'.

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

    def answer(
        self, image: Image, thresholds: tuple[float, ...], policy: Policy | None = None
    ) -> Answer:
        """See `Runner`."""
        policy = policy or self._own
        last = len(self._stages) - 1
        for exit_index, probabilities in enumerate(self.every_exit(image)):
            if exit_index == last:
                break
            leaves, answer = policy.decide(probabilities, thresholds[exit_index])
            if leaves[0]:
                return answer, np.array([exit_index], np.int32)
        return policy.see(probabilities).probabilities, np.array([last], np.int32)

    def every_exit(self, image: Image) -> Iterator[Probabilities]:
        """Go through the stages as far as one asks: each exit's float32 (1, C), the final one last.

        Args:
            image: uint8 (H, W, 3) of the input's size.
        """
        import onnxruntime as ort

        known: dict[str, Any] = {IMAGE: ort.OrtValue.ortvalue_from_numpy(image[np.newaxis])}
        for index in range(len(self._stages)):
            yield self._run(index, known)

    def spent_ms(self) -> list[float]:
        """Measure how long it takes until each of the E + 1 exits has answered, milliseconds."""
        meta = self.metadata
        image = grey(meta.input_height, meta.input_width)
        rounds = []
        for _ in range(TIMING_ROUNDS):
            start_s = time.perf_counter()
            rounds.append([(time.perf_counter() - start_s) * 1e3 for _ in self.every_exit(image)])
        return [float(value) for value in np.median(rounds, axis=0)]

    def _run(self, index: int, known: dict[str, Any]) -> Probabilities:
        """Run a stage; what it makes for later ones joins `known`, on the device."""
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
        if probabilities.shape != expected:  # policies would stumble over it
            raise EevitError(
                f'exit {index} must answer with probabilities {expected}. Got '
                f'{probabilities.shape}; export the model again'
            )
        return probabilities
