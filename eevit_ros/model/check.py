"""Checks between a file on disk and a model that is trusted to run."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eevit_ros.errors import EevitError
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.onnx_file import is_self_contained, leave_weights_in
from eevit_ros.model.ort_session import finds_weights_in_files

if sys.platform == 'linux':
    import fcntl

if TYPE_CHECKING:
    import onnxruntime as ort

MAX_BYTES = 2**31 - 1  # protobuf's limit, and so ONNX Runtime's


class ModelFile:
    """A whole ONNX model on disk, that has to stay as it is while sessions are opened.

    Its bytes are read once, and let go of. Mapped into memory, they would end this process if
    somebody cut the file off.

    Attributes:
        path: The file, without symbolic links.
        sha256: SHA-256 of the file (hexadecimal).
        utf8: Whether its path is UTF-8: ONNX Runtime takes no other.
        outline: The model with most of its weights left in the file, or b'' where they cannot be.
            Sessions are opened from it while the file is `held`.
    """

    def __init__(self, path: Path) -> None:
        """Look through a file.

        Raises:
            EevitError: The file is missing, no regular file, unreadable, empty, too large,
                truncated, or keeps weights in other files; or ONNX Runtime is not installed.
        """
        try:
            # Checked before opening: a pipe would block, and a device be read for ever.
            facts = path.stat()
            if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
                raise EevitError(f'{path}: not a regular file; give the .onnx file itself')
            if facts.st_size > MAX_BYTES:
                raise EevitError(
                    f'{path}: the model file has {facts.st_size} bytes, more than {MAX_BYTES}, '
                    'which ONNX Runtime cannot load; give the .onnx file itself'
                )
            self.path = path.resolve()
            self._found = _identity(self.path)
            data = self.path.read_bytes()
        except FileNotFoundError as err:
            raise EevitError(f'{path}: the model file does not exist; check the path') from err
        except IsADirectoryError as err:
            raise EevitError(f'{path}: is a directory; give the .onnx file itself') from err
        except OSError as err:
            raise EevitError(f'{path}: the model file cannot be read: {err}') from err
        if not data:
            raise EevitError(f'{path}: the model file is empty; copy or export it again')
        try:
            alone = is_self_contained(data)
        except EevitError as err:
            raise EevitError(
                f'{path}: truncated or no ONNX model: {err}; copy or export it again'
            ) from err
        if not alone:
            raise EevitError(
                f'{path}: keeps weights in other files (ONNX external data); export it as one '
                'self-contained file'
            )
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.utf8 = str(self.path).isprintable()  # bytes that are no UTF-8 are not
        self.outline = b''
        if self.utf8 and finds_weights_in_files():
            self.outline = leave_weights_in(self.path.name.encode(), data)

    def read(self) -> bytes:
        """Return the whole file.

        Raises:
            EevitError: It has changed.
        """
        try:
            return self.path.read_bytes()
        finally:
            self._check_unchanged()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file as it is while sessions are opened from `outline` or `path`.

        ONNX Runtime maps weights into memory: who cuts the file off would end this process. So
        whoever opens it for writing is kept waiting.

        Raises:
            EevitError: It has changed all the same.
        """
        try:
            with self.path.open('rb') as file:
                # Not where it is another user's, open for writing already, or on a network.
                if sys.platform == 'linux':
                    with contextlib.suppress(OSError):
                        # Told by a signal that is ignored, not by SIGIO, which ends a process.
                        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
                        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                self._check_unchanged()
                yield
        finally:
            self._check_unchanged()

    def _check_unchanged(self) -> None:
        try:
            found: tuple[int, ...] | None = _identity(self.path)
        except OSError:
            found = None
        if found != self._found:
            raise EevitError('the file changed while it was read: try again once it is complete')


def _identity(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written to, or another takes its place."""
    facts = path.stat()
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def check_model(session: ort.InferenceSession) -> ModelMetadata:
    """Check a loaded model's graph against its metadata, which are returned.

    Raises:
        EevitError: The model is not one of ours, or metadata and graph disagree.
    """
    metadata = ModelMetadata.from_props(session.get_modelmeta().custom_metadata_map)
    image = [1, metadata.input_height, metadata.input_width, 3]
    exits, classes = len(metadata.exit_layers), len(metadata.class_names)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    _check_tensor('input', inputs, 'image', 'tensor(uint8)', image)
    _check_tensor('input', inputs, 'thresholds', 'tensor(float)', [exits])
    _check_tensor('output', outputs, 'probabilities', 'tensor(float)', [1, classes])
    _check_tensor('output', outputs, 'exit_index', 'tensor(int32)', [1])
    return metadata


def check_stages(
    sessions: Sequence[ort.InferenceSession], answers: Sequence[str], metadata: ModelMetadata
) -> None:
    """Check a model's loaded stages against its metadata.

    Args:
        sessions: One session per stage.
        answers: Each stage's name for its exit's probabilities.
        metadata: The model's metadata.

    Raises:
        EevitError: They disagree.
    """
    if len(sessions) != len(metadata.answer_layers):
        raise EevitError(
            f'the graph has {len(sessions)} stages, the metadata {len(metadata.answer_layers)} '
            'exits; export the model again'
        )
    image = [1, metadata.input_height, metadata.input_width, 3]
    _check_tensor('input', sessions[0].get_inputs(), 'image', 'tensor(uint8)', image)
    shape = [1, len(metadata.class_names)]
    for session, answer in zip(sessions, answers, strict=True):
        _check_tensor('output', session.get_outputs(), answer, 'tensor(float)', shape)


def _check_tensor(
    kind: str, tensors: Sequence[Any], name: str, dtype: str, shape: list[int]
) -> None:
    by_name = {tensor.name: tensor for tensor in tensors}
    if name not in by_name:
        raise EevitError(
            f'the graph has no {kind} {name!r}, only {sorted(by_name)}; export the model again'
        )
    found = by_name[name]
    # An output after an `If` may have symbolic sizes; the engine's first run shows the real ones.
    sizes = list(found.shape)
    if kind == 'output' and len(sizes) == len(shape):
        sizes = [size if isinstance(size, int) else shape[i] for i, size in enumerate(sizes)]
    if found.type != dtype or sizes != shape:
        raise EevitError(
            f'{kind} {name!r} must be {dtype} {shape} by the metadata. '
            f'Got {found.type} {found.shape}; export the model again'
        )
