"""A model that goes on elsewhere when the provider it runs on dies: TensorRT, CUDA, CPU.

A GPU can fail after hours: no memory left, a driver reset. With provider 'auto' the model is opened
again on the next one, and the frame at hand is answered there. It never goes back up, so nothing
flaps; configuring the node again does. A provider that was insisted on is kept: its failures are
reported frame by frame.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.model.check import read_model
from eevit_ros.model.compute import Compute, Say
from eevit_ros.model.host_policy import ANYTIME, policy_of
from eevit_ros.model.providers import OpenedModel, in_one_line, installed, open_model
from eevit_ros.model.runners import Answer, Runner, StagedRunner
from eevit_ros.policies import Anytime, Policy

RETRY_S = 5.0
"""Between attempts to open a model again once none has worked."""


class LiveModel:
    """A model file, opened where it computes fastest.

    Attributes:
        sha256: Of the file, hexadecimal.
        metadata: What it says of itself.
        form: 'single' or 'staged'.
        provider: Where it runs, a key of `compute.PROVIDERS`; the last, while it runs nowhere.
        note: Which faster providers are installed but do not run it, and why; '' if none.
        cache: TensorRT's engines, as found at the start; None on other providers.
    """

    def __init__(
        self,
        path: Path,
        sha256: str,
        how: Compute,
        exit_policy: str,
        budget_ms: float,
        say: Say,
    ) -> None:
        """Open and check the model, and run it once.

        Args:
            path: The `.onnx` file.
            sha256: What it must have, hexadecimal; '' takes any file.
            how: How to compute it.
            exit_policy: Who decides where a frame leaves, one of `exit_choice.EXIT_POLICIES`.
            budget_ms: Time of exit_policy 'anytime' for one frame, milliseconds.
            say: Told what takes long.

        Raises:
            EevitError: The file is wrong or another one, runs on no provider, or the budget is too
                short.
        """
        self._path, self._how, self._say = path, how, say
        self._exit_policy, self._budget_ms = exit_policy, budget_ms
        data = read_model(path)
        self.sha256 = hashlib.sha256(data).hexdigest()
        if sha256 and sha256.lower() != self.sha256:
            raise EevitError(
                f'{path}: is not the model that model_sha256 names: SHA-256 is {self.sha256}, not '
                f'{sha256.lower()}; copy the right file, or set model_sha256 to what you trust'
            )
        self.note = ''
        self._again_s = 0.0  # steady clock
        try:
            self._names = installed(how)
            opened = self._open(data)
            self._policy = policy_of(opened.runner, exit_policy, budget_ms)
        except EevitError as err:
            raise EevitError(f'{path}: {err}') from err
        self._runner: Runner | None = opened.runner
        self.cache = opened.cache
        self.form, self.metadata = opened.runner.form, opened.runner.metadata

    def start(self) -> None:
        """Tell the policy that a new frame comes."""
        if self._policy is not None:
            self._policy.start()

    def answer(self, image: Image, thresholds: tuple[float, ...], *, decided: bool) -> Answer:
        """Answer an image, uint8 (H, W, 3) of the input's size.

        Args:
            image: The image.
            thresholds: E of them.
            decided: Whether the policy decides, where there is one; else the file's own measure.

        Raises:
            EevitError: It cannot be answered, here or on any further provider.
        """
        while True:
            runner = self._runner or self._open_again()
            try:
                return runner.answer(image, thresholds, self._policy if decided else None)
            except EevitError:
                raise
            except Exception as err:  # ONNX Runtime's exceptions share no base class of their own
                reason = in_one_line(err)
            # Out of the handler, whose exception keeps the session alive: the next one needs its
            # memory.
            del runner
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        failed = f'ONNX Runtime failed on {self.provider}: {reason}'
        if self._how.provider != 'auto' and self.provider != 'cpu':
            raise EevitError(
                f'{failed}. Provider {self.provider} was insisted on: set provider to auto to go '
                'on with the next one, or configure the node again'
            )
        following = self._names[self._names.index(self.provider) + 1 :]
        if not following:
            raise EevitError(
                f'{failed}; the frame has no answer: if that goes on, configure the node again'
            )
        self._runner = self._policy = None
        self._names, self._again_s = following, 0.0
        self._add_note(f'{self.provider} failed in a run: {reason}')
        self._say(f'{failed}: opening the model on {following[0]}')

    def _open_again(self) -> Runner:
        """Open the model on what is left, from its file: bytes kept for this would take memory.

        Raises:
            EevitError: It cannot be opened, or could not a moment ago.
        """
        if time.monotonic() < self._again_s:
            raise EevitError(f'{self._path}: runs nowhere any more: {self.note}')
        self._again_s = time.monotonic() + RETRY_S
        try:
            data = read_model(self._path)
            if hashlib.sha256(data).hexdigest() != self.sha256:
                raise EevitError('the file has changed: configure the node again')
            opened = self._open(data)
            self._policy = self._policy_again(opened.runner)
        except Exception as err:  # of whatever kind: the next frame may find it gone
            raise EevitError(
                f'{self._path}: {self.note}; it cannot be opened again: {in_one_line(err)}'
            ) from err
        self._runner = opened.runner
        self.start()
        return opened.runner

    def _policy_again(self, runner: Runner) -> Policy | None:
        """Choose the policy; a budget that has become too short takes the first exit's answer."""
        if self._exit_policy != ANYTIME or not isinstance(runner, StagedRunner):
            return policy_of(runner, self._exit_policy, self._budget_ms)
        spent_ms = runner.spent_ms()
        if spent_ms[0] > self._budget_ms:
            self._add_note(
                f'budget_ms {self._budget_ms:g} is too short here: the first exit answers after '
                f'{spent_ms[0]:.3g} ms, and every frame leaves there'
            )
        budget_ms = max(self._budget_ms, spent_ms[0])
        return Anytime.on_the_robot(spent_ms, budget_ms, self.metadata.accuracy)

    def _open(self, data: bytes) -> OpenedModel:
        opened = open_model(data, self._how, self._names, self._say)
        self.provider = opened.provider
        self._add_note(opened.note)
        return opened

    def _add_note(self, text: str) -> None:
        self.note = '; '.join(filter(None, [self.note, text]))
