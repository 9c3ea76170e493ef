"""All exits' answers to one frame, from one pass at full depth in stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image, resize
from eevit_ros.model.check import ModelFile
from eevit_ros.model.compute import STAGED, Compute, all_cores
from eevit_ros.model.ort_session import open_session
from eevit_ros.model.runners import StagedRunner
from eevit_ros.policies import build_policy
from eevit_ros.policies.operating_point import measure_exits

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExitAnswers:
    """The answers of all E + 1 exits to one frame.

    Attributes:
        measure: float32 (E + 1,), the values that the file compares with its thresholds.
        confidence: float32 (E + 1,), each answer's probability.
        class_index: int64 (E + 1,), each answer's class.
    """

    measure: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    class_index: npt.NDArray[np.int64]


class AllExits:
    """A model run at full depth on the CPU, with every exit read. Safe for several threads.

    Attributes:
        metadata: The model file's metadata.
    """

    def __init__(self, model: Path, *, threads: int = 0) -> None:
        """Open a model file.

        Args:
            model: The `.onnx` file.
            threads: CPU threads; 0 uses all cores of this process.

        Raises:
            EevitError: It is not one of ours, or cannot be cut into stages.
        """
        compute = Compute(provider='cpu', threads=threads or all_cores(), execution=STAGED)
        file = ModelFile(model)
        outline = file.outline
        weights = file.path.parent if outline else None
        make_session = partial(open_session, compute=compute, weights=weights)
        try:
            with file.held():
                self._runner = StagedRunner(outline or file.read(), make_session, 'cpu')
        except EevitError as err:
            raise EevitError(f'{model}: {err}') from err
        self.metadata = self._runner.metadata

    def probabilities(self, image: Image) -> Probabilities:
        """Return float32 (E + 1, C), the final exit last, for a frame uint8 (H, W, 3) RGB."""
        meta = self.metadata
        pixels = resize(image, meta.input_height, meta.input_width, meta.resize)
        return np.concatenate(list(self._runner.every_exit(pixels)))

    def answers(self, image: Image) -> ExitAnswers:
        """Return every exit's answer to a frame, uint8 (H, W, 3) RGB."""
        policy = build_policy(self.metadata.policy, self.metadata.accuracy)
        measures = measure_exits(policy, np.clip(self.probabilities(image), 0, 1)[:, np.newaxis])
        return ExitAnswers(measures.measure[:, 0], measures.confidence[:, 0], measures.answer[:, 0])
