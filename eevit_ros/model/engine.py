"""Running one frame through an early-exit model with ONNX Runtime.

    uint8 RGB frame -> images.resize -> runner (one graph, or stages) -> ExitResult

The same class serves the node, the replay of recordings, calibration checks and benchmarks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image, InputSize, grey, resize
from eevit_ros.model.check import ModelFile
from eevit_ros.model.compute import AUTO, SINGLE, STAGED, Compute, Log
from eevit_ros.model.host_policy import OWN, check_choice, file_thresholds, policy_of
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.promise import promise_in_use
from eevit_ros.model.provider_fallback import ProviderFallback
from eevit_ros.model.providers import in_one_line
from eevit_ros.model.runners import Runner, check_output
from eevit_ros.model.tensorrt_cache import EngineCache

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExitResult:
    """The answer to one frame. E early exits, L layers, C classes.

    Attributes:
        class_index: Index of the most probable class, 0..C-1.
        class_name: That class's name.
        confidence: That class's probability, 0..1.
        exit_index: Index of the exit that answered, 0..E; E is the final classifier.
        exit_layer: Number of layers that ran, 1..L.
        depth: Share of the layers that ran, exit_layer / L.
        probabilities: float32 (C,), calibrated, as the exit decision used them.
        preprocess_ms: Time spent on resizing, milliseconds.
        inference_ms: Time spent in ONNX Runtime, milliseconds.
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
        return top(self.probabilities, k)


def top(probabilities: Vector, k: int) -> list[tuple[int, float]]:
    """Return the min(k, C) most probable classes as (index, probability), best first."""
    order = np.argsort(-probabilities, kind='stable')[: max(k, 0)]
    return [(int(index), float(probabilities[index])) for index in order]


class Engine:
    """An early-exit model, loaded, checked and ready to run; one frame at a time.

    Attributes:
        metadata: The model file's metadata.
        sha256: SHA-256 of the model file (hexadecimal).
        input_size: Size and resize rule of the model's input; decoders use it to skip work.
        execution: 'single' or 'staged'; see `runners`.
        exit_policy: The policy in use: a measure that the file holds, or a policy that the host
            computes, by its name in `host_policy.EXIT_POLICIES`.
        engine_cache: TensorRT's engines; None if the model did not start on TensorRT.
    """

    metadata: ModelMetadata
    sha256: str
    input_size: InputSize
    execution: str
    exit_policy: str
    engine_cache: EngineCache | None

    def __init__(
        self,
        model: Path,
        *,
        compute: Compute = Compute(),
        sha256: str = '',
        thresholds: Sequence[float] | float | None = None,
        exit_policy: str = OWN,
        budget_ms: float = 0.0,
        log: Log = lambda text: None,
    ) -> None:
        """Load and check `model`, and run it once.

        Args:
            model: Path of the .onnx file.
            compute: Provider, CPU threads and the like.
            sha256: SHA-256 that the file must have (hexadecimal); '' accepts any file.
            thresholds: As the property `thresholds`; None uses the model's defaults.
            exit_policy: 'own' for the file's measure, or another of `host_policy.EXIT_POLICIES`,
                which runs in stages; one with another measure needs `thresholds`.
            budget_ms: Time of exit policy 'anytime' for one frame, milliseconds.
            log: Told, a line at a time, what takes long: building TensorRT engines.

        Raises:
            EevitError: The file or an argument is wrong, or they do not fit together.
        """
        check_choice(exit_policy, budget_ms, compute.execution)
        if exit_policy != OWN and compute.execution == AUTO:
            compute = replace(compute, execution=STAGED)
        self.execution = STAGED if compute.staged else SINGLE
        file = ModelFile(model)
        self.sha256 = file.sha256
        if sha256 and sha256.lower() != self.sha256:
            raise EevitError(
                f'{model}: is not the model that model_sha256 names: SHA-256 is {self.sha256}, not '
                f'{sha256.lower()}; copy the right file, or set model_sha256 to what you trust'
            )
        try:
            self._providers = ProviderFallback(model, compute, log)
            opened = self._providers.open(file)
            self._policy_options = exit_policy, budget_ms
            self._policy = policy_of(opened.runner, exit_policy, budget_ms)
            self._runner: Runner | None = opened.runner
            self.engine_cache, meta = opened.cache, opened.runner.metadata
            self.metadata = meta
            self.input_size = InputSize(meta.input_height, meta.input_width, meta.resize)
            self.exit_policy = meta.policy if exit_policy == OWN else exit_policy
            self.thresholds = self.default_thresholds if thresholds is None else thresholds
        except EevitError as err:
            raise EevitError(f'{model}: {err}') from err

    @property
    def provider(self) -> str:
        """The execution provider in use: 'tensorrt', 'cuda' or 'cpu'."""
        return self._providers.provider

    @property
    def provider_note(self) -> str:
        """Faster providers that are installed but failed, and why; '' if there are none."""
        return self._providers.note

    @property
    def thresholds(self) -> tuple[float, ...]:
        """E thresholds, one per early exit, that the measure of `exit_policy` must exceed.

        0 always leaves there, 1 never does. Set one value for all exits or E values; another
        thread may do so while a frame runs, which then keeps the old ones.
        """
        return self._thresholds

    @thresholds.setter
    def thresholds(self, values: Sequence[float] | float) -> None:
        # One assignment, so atomic.
        self._thresholds = check_thresholds(values, len(self.metadata.exit_layers))

    @property
    def default_thresholds(self) -> tuple[float, ...]:
        """The file's thresholds.

        Raises:
            EevitError: They belong to another policy than the one in use.
        """
        return file_thresholds(self.metadata, self.exit_policy)

    @property
    def promise(self) -> str:
        """The file's promise at the thresholds and policy in use, in words; 'none' without one."""
        meta, policy = self.metadata, self.exit_policy
        return promise_in_use(meta.promise, meta.default_thresholds, self._thresholds, policy)

    def warm_up(self) -> None:
        """Leave once at every exit, so that no real frame pays for a first time.

        Raises:
            EevitError: The model fails, or does not leave where thresholds of 0 and 1 force it to.
        """
        image = grey(self.input_size.height, self.input_size.width)
        exits = len(self.metadata.exit_layers)
        for exit_index in range(exits + 1):
            forced = forcing(exit_index, exits)
            _, left_at = self._infer(image, forced, own=True)
            if left_at != exit_index:
                raise EevitError(
                    f'thresholds {forced} must force exit {exit_index}. The model left at '
                    f'{left_at}; export it again'
                )

    def run(self, image: Image, *, full_depth: bool = False) -> ExitResult:
        """Classify one frame.

        Args:
            image: uint8 (H, W, 3) RGB of any size; rows may be padded.
            full_depth: Take the final classifier's answer, whatever thresholds and policy are.

        Raises:
            EevitError: The image is no such array, or the model fails or answers nonsense.
        """
        start = time.perf_counter()
        thresholds = (1.0,) * len(self._thresholds) if full_depth else self._thresholds
        if self._policy is not None:
            self._policy.start()
        pixels = resize(image, self.input_size.height, self.input_size.width, self.input_size.rule)
        resized = time.perf_counter()
        probabilities, exit_index = self._infer(pixels, thresholds, own=full_depth)
        done = time.perf_counter()

        meta, best = self.metadata, int(np.argmax(probabilities))
        layer = meta.answer_layers[exit_index]
        return ExitResult(
            class_index=best,
            class_name=meta.class_names[best],
            confidence=float(probabilities[best]),
            exit_index=exit_index,
            exit_layer=layer,
            depth=layer / meta.layers,
            probabilities=probabilities,
            preprocess_ms=(resized - start) * 1e3,
            inference_ms=(done - resized) * 1e3,
        )

    def _infer(
        self, pixels: Image, thresholds: tuple[float, ...], *, own: bool
    ) -> tuple[Vector, int]:
        """Return probabilities (C,) and the exit index, from the first provider that answers.

        Args:
            pixels: uint8 (H, W, 3) of the input's size.
            thresholds: E thresholds.
            own: Whether the file's measure decides, whatever the exit policy.

        Raises:
            EevitError: No provider answers, or the answer is nonsense.
        """
        while True:
            try:
                # The policy is looked up last: opening again may change it.
                output = (self._runner or self._open_again()).run(
                    pixels, thresholds, None if own else self._policy
                )
                return check_output(output, self.metadata)
            except EevitError:
                raise
            except Exception as err:  # ONNX Runtime's exceptions have no common base class
                reason = in_one_line(err)
            self._providers.give_up(reason)
            # Nothing here may keep the dead session: the next provider needs its memory.
            self._runner = self._policy = None

    def _open_again(self) -> Runner:
        runner = self._providers.open_again()
        self._policy = policy_of(runner, *self._policy_options, self._providers.add_note)
        self._runner = runner
        return runner


def forcing(exit_index: int, exits: int) -> tuple[float, ...]:
    """Return thresholds that make every frame leave at `exit_index`, 0..E, of E early exits."""
    return tuple(float(index != exit_index) for index in range(exits))


def check_thresholds(values: Sequence[float] | float, exits: int) -> tuple[float, ...]:
    """Return `exits` thresholds from one value for all exits, or from one value per exit.

    Raises:
        EevitError: There are neither 1 nor `exits` values, or one is outside [0, 1].
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
