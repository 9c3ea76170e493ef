"""All exits' answers to one frame from one pass at full depth.

A model file answers with one exit's probabilities. Inside, all exits' are computed on the way to
full depth: a measure of each is compared with its threshold. Here these inner values become
outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from eevit_ros.engine import Engine
from eevit_ros.exit_policy import judge
from eevit_ros.images import Image, resize
from eevit_ros.policies import build_policy
from eevit_ros.replay.errors import ReplayError

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExitAnswers:
    """What each of the E + 1 exits says of one frame.

    Attributes:
        measure: float32 (E + 1,), what the file compares with its thresholds.
        confidence: float32 (E + 1,).
        class_index: int64 (E + 1,).
    """

    measure: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    class_index: npt.NDArray[np.int64]


class AllExits:
    """Runs a model at full depth and reads every exit."""

    def __init__(self, model: Path, engine: Engine, *, threads: int = 0) -> None:
        """Open the model a second time.

        Args:
            model: The file that `engine` runs.
            engine: Resizes as it does, and tells whether the inner values are the right ones.
            threads: CPU threads; 0 lets ONNX Runtime choose.

        Raises:
            ReplayError: The exits' values cannot be found in this file.
        """
        self._metadata = engine.metadata
        self._exits = len(self._metadata.exit_layers)
        proto = onnx.load(str(model))
        names = _exit_outputs(proto.graph, self._exits)
        if len(names) != self._exits:
            raise ReplayError(
                f'{model}: found the probabilities of {len(names)} of {self._exits} exits in the '
                'graph, so they cannot be tuned in one pass; export the model again'
            )
        proto.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=['CPUExecutionProvider']
        )
        self._outputs = [*names, 'probabilities']
        self._check(engine, model)

    def probabilities(self, image: Image) -> Probabilities:
        """Every exit's float32 (E + 1, C), the final one last, of a frame uint8 (H, W, 3) RGB."""
        meta = self._metadata
        pixels = resize(image, meta.input_height, meta.input_width, meta.resize)
        feed = {'image': pixels[np.newaxis], 'thresholds': np.ones(self._exits, np.float32)}
        found = self._session.run(self._outputs, feed)
        return np.stack([np.reshape(one, -1) for one in found])

    def answers(self, image: Image) -> ExitAnswers:
        """Answer a frame, uint8 (H, W, 3) RGB, at every exit."""
        policy = build_policy(self._metadata.policy, self._metadata.accuracy)
        judged = judge(policy, np.clip(self.probabilities(image), 0, 1)[:, np.newaxis])
        return ExitAnswers(judged.measure[:, 0], judged.confidence[:, 0], judged.answer[:, 0])

    def _check(self, engine: Engine, model: Path) -> None:
        """Hold every exit against the engine, forced to leave there."""
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        found, thresholds = self.answers(noise), engine.thresholds
        try:
            for exit_index in range(self._exits + 1):
                engine.thresholds = [float(i != exit_index) for i in range(self._exits)]
                result = engine.run(noise)
                same = result.exit_index == exit_index
                if not same or abs(result.confidence - found.confidence[exit_index]) > 1e-3:
                    raise ReplayError(
                        f'{model}: exit {exit_index} answers with {result.confidence:.4f}, its '
                        f'inner value is {found.confidence[exit_index]:.4f}; export the model again'
                    )
        finally:
            engine.thresholds = thresholds


def _exit_outputs(graph: onnx.GraphProto, exits: int) -> list[str]:
    """Return the names of the exits' probabilities: what is measured and compared."""
    made_by = {name: node for node in graph.node for name in node.output}
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    found: dict[int, str] = {}
    for node in graph.node:
        if node.op_type != 'Greater':
            continue
        measured, threshold = node.input
        gather = made_by.get(threshold)
        if (
            gather is not None
            and gather.op_type == 'Gather'
            and gather.input[0] == 'thresholds'
            and gather.input[1] in constants
        ):
            source = _measured(measured, made_by)
            if source:
                found[int(constants[gather.input[1]])] = source
    return [found[index] for index in range(exits) if index in found]


def _measured(name: str, made_by: dict[str, onnx.NodeProto]) -> str:
    """Go back from a measure to the probabilities that it is of; '' if there are none.

    They come out of the first exit's softmax or of the `If` around a later one's.
    """
    waiting = [name]
    while waiting:
        name = waiting.pop()
        node = made_by.get(name)
        if node is None:
            continue
        if node.op_type in ('Softmax', 'If'):
            return name
        waiting += node.input
    return ''
