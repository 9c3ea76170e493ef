"""Running one frame through an early-exit model with ONNX Runtime.

    uint8 RGB frame -> images.resize -> live model (one graph, or stages) -> ExitResult

The same class serves the live node, the replay of bags, calibration checks and benchmarks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image, Target, grey, resize
from eevit_ros.model.answer_check import check_answer
from eevit_ros.model.compute import Compute, Say
from eevit_ros.model.host_policy import OWN, check_choice, file_thresholds
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.promise import promise_in_use
from eevit_ros.model.provider_fallback import LiveModel
from eevit_ros.model.runners import STAGED
from eevit_ros.model.tensorrt_cache import EngineCache

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExitResult:
    """One frame's answer. E early exits, L layers, C classes.

    Attributes:
        class_index: The most probable class, 0..C-1.
        class_name: Its name.
        confidence: Its probability, 0..1.
        exit_index: Where the frame left, 0..E; E is the final classifier.
        exit_layer: How many layers ran, 1..L.
        depth: exit_layer / L.
        probabilities: float32 (C,), calibrated, as the exit decision used them.
        preprocess_ms: Time to resize the frame, milliseconds.
        inference_ms: Time in ONNX Runtime, milliseconds.
    """

    class_index: int
    class_name: str
    confidence: float
    exit_index: int
    exit_layer: int
    depth: float
    probabilities: Vector
    preprocess_ms: float
    inference_ms: float

    def top(self, k: int) -> list[tuple[int, float]]:
        """Return the min(k, C) most probable classes as (index, probability), best first."""
        order = np.argsort(-self.probabilities, kind='stable')[: max(k, 0)]
        return [(int(index), float(self.probabilities[index])) for index in order]


class Engine:
    """An early-exit model, loaded, checked and ready to run; one frame at a time.

    Attributes:
        metadata: What the model file says of itself.
        sha256: Of the model file, hexadecimal.
        target: What frames are resized to, for decoders that can spare themselves some work.
        execution: Its form, 'single' or 'staged'; see `runners`.
        exit_policy: Who decides where a frame leaves: a measure that the file holds or a policy of
            `exit_choice.EXIT_POLICIES`, by its name.
    """

    metadata: ModelMetadata
    sha256: str
    target: Target
    execution: str
    exit_policy: str

    def __init__(
        self,
        model: Path,
        *,
        sha256: str = '',
        provider: str = 'auto',
        thresholds: Sequence[float] | float | None = None,
        threads: int = 0,
        execution: str = 'auto',
        exit_policy: str = OWN,
        budget_ms: float = 0.0,
        spin: bool = True,
        tensorrt_fp16: bool = True,
        cache_dir: Path | None = None,
        say: Say = lambda text: None,
    ) -> None:
        """Load and check `model`, and run it once.

        Args:
            model: Path of the .onnx file.
            sha256: What the file must have, hexadecimal; '' takes any file.
            provider: 'auto' for the first that works of TensorRT, CUDA, CPU, and for the next when
                that one dies in a run; or the one to insist on: 'tensorrt', 'cuda', 'cpu'.
            thresholds: As the property of that name; None takes the model's defaults.
            threads: CPU threads for one frame; 0 for all cores of this process but one.
            execution: 'single' for one graph that decides by itself, 'staged' for a graph a stretch
                between exits; 'auto' is staged under another policy than the file's, else single.
            exit_policy: 'own' for the file's measure, or another of `exit_choice.EXIT_POLICIES`;
                that of another measure needs `thresholds`.
            budget_ms: Time of exit_policy 'anytime' for one frame, milliseconds.
            spin: As `compute.Compute`.
            tensorrt_fp16: As `compute.Compute`.
            cache_dir: As `compute.Compute`.
            say: Told, a line at a time, what takes long: engines of TensorRT that are built.

        Raises:
            EevitError: The file or an argument is wrong, or they do not fit together.
        """
        check_choice(exit_policy, budget_ms, execution)
        if exit_policy != OWN and execution == 'auto':
            execution = STAGED
        how = Compute(provider, threads, spin, execution, tensorrt_fp16, cache_dir)
        self._live = LiveModel(model, sha256, how, exit_policy, budget_ms, say)
        self.sha256, self.metadata = self._live.sha256, self._live.metadata
        self.execution = self._live.form
        meta = self.metadata
        self.target = Target(meta.input_height, meta.input_width, meta.resize)
        self._exits = len(self.metadata.exit_layers)
        self.exit_policy = self.metadata.policy if exit_policy == OWN else exit_policy
        try:
            self.thresholds = self.default_thresholds if thresholds is None else thresholds
        except EevitError as err:
            raise EevitError(f'{model}: {err}') from err

    @property
    def provider(self) -> str:
        """The execution provider in use: 'tensorrt', 'cuda' or 'cpu'."""
        return self._live.provider

    @property
    def provider_note(self) -> str:
        """Which faster providers are installed but did not work or died, and why; '' if none."""
        return self._live.note

    @property
    def engine_cache(self) -> EngineCache | None:
        """Where TensorRT's engines are kept; None where the model did not start on TensorRT."""
        return self._live.cache

    @property
    def thresholds(self) -> tuple[float, ...]:
        """What the measure (of `exit_policy`) of each of the E early exits must exceed.

        0 always leaves there, 1 never does. Set one value for all exits or E values; another
        thread may do so while a frame runs, which then keeps the old ones.
        """
        return self._thresholds

    @thresholds.setter
    def thresholds(self, values: Sequence[float] | float) -> None:
        self._thresholds = check_thresholds(values, self._exits)  # one assignment: atomic

    @property
    def default_thresholds(self) -> tuple[float, ...]:
        """The file's thresholds.

        Raises:
            EevitError: They mean nothing under the policy in use.
        """
        return file_thresholds(self.metadata, self.exit_policy)

    @property
    def promise(self) -> str:
        """In words: what the file promises at thresholds and policy in use; 'none' if nothing."""
        meta, policy = self.metadata, self.exit_policy
        return promise_in_use(meta.promise, meta.default_thresholds, self._thresholds, policy)

    def warm_up(self) -> None:
        """Leave once at every exit, so that no real frame pays for a first time.

        Raises:
            EevitError: The model fails, or does not leave where thresholds of 0 and 1 force it to.
        """
        image = grey(self.target.height, self.target.width)
        for exit_index in range(self._exits + 1):
            forced = forcing(exit_index, self._exits)
            _, left_at = self._infer(image, forced, decided=False)
            if left_at != exit_index:
                raise EevitError(
                    f'thresholds {forced} must force exit {exit_index}. The model left at '
                    f'{left_at}; export it again'
                )

    def run(self, image: Image) -> ExitResult:
        """Classify one frame.

        Args:
            image: uint8 (H, W, 3) RGB of any size; rows may be padded.

        Raises:
            EevitError: The image is no such array, or the model fails or answers nonsense.
        """
        start = time.perf_counter()
        self._live.start()
        return self._answer(image, start, self._thresholds, decided=True)

    def run_to_the_end(self, image: Image) -> ExitResult:
        """Classify one frame by the final classifier, whatever thresholds and policy; as `run`."""
        start = time.perf_counter()
        return self._answer(image, start, (1.0,) * self._exits, decided=False)

    def _answer(
        self, image: Image, start: float, thresholds: tuple[float, ...], *, decided: bool
    ) -> ExitResult:
        pixels = self._preprocess(image)
        resized = time.perf_counter()
        probabilities, exit_index = self._infer(pixels, thresholds, decided=decided)
        done = time.perf_counter()

        best = int(np.argmax(probabilities))
        layer = self.metadata.answer_layers[exit_index]
        return ExitResult(
            class_index=best,
            class_name=self.metadata.class_names[best],
            confidence=float(probabilities[best]),
            exit_index=exit_index,
            exit_layer=layer,
            depth=layer / self.metadata.layers,
            probabilities=probabilities,
            preprocess_ms=(resized - start) * 1e3,
            inference_ms=(done - resized) * 1e3,
        )

    def _preprocess(self, image: Image) -> Image:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            kind = getattr(image, 'dtype', type(image).__name__)
            raise EevitError(f'image must be a uint8 array (H, W, 3). Got {kind}')
        if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise EevitError(f'image must be a uint8 array (H, W, 3). Got shape {image.shape}')
        try:
            return resize(image, self.target.height, self.target.width, self.target.rule)
        except cv2.error as err:
            raise EevitError(
                f'OpenCV cannot resize an image of shape {image.shape}: {err}'
            ) from err

    def _infer(
        self, pixels: Image, thresholds: tuple[float, ...], *, decided: bool
    ) -> tuple[Vector, int]:
        """Return probabilities (C,) and exit index of an image (H, W, 3) of the input's size."""
        return check_answer(self._live.answer(pixels, thresholds, decided=decided), self.metadata)


def forcing(exit_index: int, exits: int) -> tuple[float, ...]:
    """Return thresholds with which every frame leaves at `exit_index`, 0..E, of E early exits."""
    return tuple(float(index != exit_index) for index in range(exits))


def check_thresholds(values: Sequence[float] | float, exits: int) -> tuple[float, ...]:
    """Return `exits` thresholds, one value standing for all.

    Raises:
        EevitError: There are neither one nor `exits` of them, or one is not within [0, 1].
    """
    try:
        vector = np.atleast_1d(np.asarray(values, np.float64))
    except (TypeError, ValueError) as err:
        raise EevitError(f'thresholds must be numbers. Got {values!r}') from err
    if vector.ndim != 1 or len(vector) not in (1, exits):
        raise EevitError(
            f'thresholds must be one value or {exits}, one per early exit. Got {values!r}'
        )
    for value in vector.tolist():
        if not 0 <= value <= 1:  # also true of NaN
            raise EevitError(f'thresholds must be within [0, 1]. Got {value} in {values!r}')
    return tuple(np.resize(vector, exits).tolist())
