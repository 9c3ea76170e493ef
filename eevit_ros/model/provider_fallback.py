"""Moving a model to the next provider when the one it runs on dies: TensorRT, CUDA, CPU.

A GPU can fail after hours, with no memory left for example. With provider 'auto' the model is then
opened again on the next provider, and the frame at hand is answered there. It never moves back up,
so nothing flaps; configuring the node again does. A provider that was asked for by name is kept:
its failures are reported frame by frame. ONNX Runtime's own fallback is no substitute: it knows one
class of errors, and with CUDA out of memory raises another.
"""

from __future__ import annotations

from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.model.check import ModelFile
from eevit_ros.model.compute import AUTO, Compute, Log
from eevit_ros.model.providers import OpenedModel, in_one_line, open_model, providers_to_try
from eevit_ros.model.runners import Runner


class ProviderFallback:
    """Opens a model file on the best provider that is left.

    Attributes:
        provider: The present provider, a key of `compute.PROVIDERS`; the last one that worked while
            there is none.
        note: Faster providers that are installed but failed, and why; '' if there are none.
    """

    def __init__(self, path: Path, compute: Compute, log: Log) -> None:
        """Find out which providers there are; open nothing yet.

        Raises:
            EevitError: ONNX Runtime is not installed, or lacks the provider that was asked for.
        """
        self._path, self._compute, self._log = path, compute, log
        self._names = providers_to_try(compute)
        self._sha256 = ''
        self.provider = self.note = ''

    def open(self, file: ModelFile) -> OpenedModel:
        """Open the model and run it once.

        Raises:
            EevitError: It runs on no provider, is not one of ours, or changes meanwhile.
        """
        self._sha256 = file.sha256
        opened = open_model(file, self._compute, self._names, self._log)
        self.provider = opened.provider
        self.add_note(opened.note)
        return opened

    def give_up(self, reason: str) -> None:
        """Cross out the present provider, after which the model must be opened again.

        Raises:
            EevitError: There is no other, or this one was asked for by name: keep it.
        """
        failed = f'ONNX Runtime failed on {self.provider}: {reason}'
        if self._compute.provider != AUTO and self.provider != 'cpu':
            raise EevitError(
                f'{failed}. provider is {self.provider}, so no other is tried: set it to auto, or '
                'configure the node again'
            )
        following = self._names[self._names.index(self.provider) + 1 :]
        if not following:
            raise EevitError(
                f'{failed}; this frame has no answer. If that persists, configure the node again'
            )
        self._names = following
        self.add_note(f'{self.provider} failed in a run: {reason}')
        self._log(f'{failed}: opening the model on {following[0]}')

    def open_again(self) -> Runner:
        """Open the model from its file on what is left.

        Raises:
            EevitError: It cannot be opened.
        """
        try:
            file = ModelFile(self._path)
            if file.sha256 != self._sha256:
                raise EevitError('the file has changed: configure the node again')
            return self.open(file).runner
        except Exception as err:  # of whatever kind: the next frame may find it gone
            raise EevitError(
                f'{self._path}: {self.note}; it cannot be opened again: {in_one_line(err)}'
            ) from err

    def add_note(self, text: str) -> None:
        """Append to `note`."""
        self.note = '; '.join(filter(None, [self.note, text]))
