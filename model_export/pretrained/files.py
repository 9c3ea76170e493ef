"""Reading tensors from a file or a folder, in any form that cannot run code.

safetensors, files that `torch.save` wrote (`weights_only`), and folders as downloaded from a model
hub: `model.safetensors`, or several with an index, or the older `pytorch_model.bin`, or one file.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from model_export.errors import ModelExportError

NAMES = ('model.safetensors', 'pytorch_model.bin')
SUFFIXES = ('.safetensors', '.pth', '.pt', '.ckpt', '.bin')
INDEX = '.index.json'
SHARD = re.compile(r'(.+)-\d+-of-(\d+)(\.\w+)')

# How a file begins that is something else, and what to do.
_OTHERS = (
    (b'version https://git-lfs', 'a pointer of Git LFS, not the file itself: git lfs pull'),
    (b'<', 'a web page, not the file itself: download it again'),
    (b'\x89HDF', "TensorFlow's or Keras': take the PyTorch or safetensors file of the model"),
)
CURE = (
    'If you trust it, save its tensors alone where its code is installed: torch.save('
    "torch.load(FILE, weights_only=False).state_dict(), 'weights.pt'), or as safetensors"
)
# What training scripts leave beside the weights, in files of a form that does not list its classes.
_USUAL_OBJECTS = [
    'argparse.Namespace',
    'pathlib.PosixPath',
    'numpy.core.multiarray.scalar',
    'numpy._core.multiarray.scalar',
    'numpy.dtype',
]


def read_content(source: Path) -> Any:
    """Read what a file or folder holds: as a rule names and tensors, or mappings of them.

    Raises:
        ModelExportError: There is nothing, the file is damaged, or it is one pickled object.
    """
    parts = [
        _read_safe(path) if _is_safetensors(path) else _read_torch(path) for path in _files(source)
    ]
    if len(parts) == 1:
        return parts[0]
    return {name: tensor for part in parts for name, tensor in dict(part).items()}


def read_json(source: Path, name: str) -> dict[str, Any]:
    """Return a JSON file beside or in `source`, such as `config.json`; empty if there is none.

    Raises:
        ModelExportError: It cannot be read.
    """
    path = (source.parent if _is_of_hub(source) else source) / name
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as err:
        raise ModelExportError(f'cannot read {path}: {err}') from err
    return data if isinstance(data, dict) else {}


def _is_of_hub(source: Path) -> bool:
    """Return whether a file is named as those in a folder of a model hub, which says more."""
    return source.name in NAMES or SHARD.fullmatch(source.name) is not None


def _files(source: Path) -> list[Path]:
    if source.name.endswith(INDEX):
        return _shards(source.parent, source.name.removesuffix(INDEX))
    if not source.is_dir():
        whole = next((n for n in NAMES if source.name in _index(source.parent, n)), None)
        return _shards(source.parent, whole) if whole else _numbered(source)
    for name in NAMES:
        if _index(source, name):
            return _shards(source, name)
        if (source / name).is_file():
            return [source / name]
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
    numbered = _numbered(found[0]) if found else []
    if not found or set(found) - set(numbered):
        raise ModelExportError(
            f'{source} holds no {" or ".join(NAMES)}, no weights of ours, and '
            f'{[path.name for path in found] or "no other weights"}: name one file'
        )
    return numbered


def _numbered(path: Path) -> list[Path]:
    """Return all files of the set that `path` is a part of by its name; as a rule itself."""
    match = SHARD.fullmatch(path.name)
    if not match:
        return [path]
    count = match[2]
    names = [f'{match[1]}-{n:0{len(count)}}-of-{count}{match[3]}' for n in range(1, int(count) + 1)]
    if missing := [name for name in names if not (path.parent / name).is_file()]:
        raise ModelExportError(f'{path} is one of {count} files, and {missing} are missing')
    return [path.parent / name for name in names]


def _index(folder: Path, name: str) -> list[str]:
    """Return the files over which the index of `name` says that it is spread."""
    shards = read_json(folder, name + INDEX).get('weight_map')
    return sorted(set(map(str, shards.values()))) if isinstance(shards, dict) else []


def _shards(folder: Path, name: str) -> list[Path]:
    names = _index(folder, name)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not names:
        raise ModelExportError(
            f'{folder} lacks files that its index {name}{INDEX} names: {missing or "it names none"}'
        )
    return [folder / name for name in names]


def _is_safetensors(path: Path) -> bool:
    """Tell by the content: the size of a JSON header, and its brace."""
    if path.suffix.lower() == '.safetensors':
        return True
    try:
        with path.open('rb') as file:
            return file.read(9)[8:] == b'{'
    except OSError:
        return False


def _read_safe(path: Path) -> Mapping[str, Any]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as err:
        raise ModelExportError(f'cannot read {path}: {_what_else(path) or err}') from err


def _read_torch(path: Path) -> Any:
    try:
        objects = _objects_in(path)
        try:
            return _load(path, StandIn, objects)
        except Exception as err:
            if 'SETITEM' not in str(err):
                raise
            return _load(path, _MappingStandIn, objects)  # settings that are a kind of dict
    except Exception as err:  # torch raises what its unpickler happens to meet
        raise ModelExportError(
            f'cannot read {path} as tensors alone: {_what_else(path) or _why_not(err)}'
        ) from err


def _load(path: Path, stand_in: type, objects: list[str]) -> Any:
    """Read a file; objects become stand-ins, so that nothing of theirs runs."""
    # NumPy's are built of tuples, which no mapping takes.
    kinds = [StandIn if name.startswith('numpy.') else stand_in for name in objects]
    stand_ins: list[Any] = [
        (type(name, (kind,), {}), name) for kind, name in zip(kinds, objects, strict=True)
    ]
    with torch.serialization.safe_globals(stand_ins):
        return torch.load(path, map_location='cpu', weights_only=True)  # noqa: TID251


class StandIn:
    """Stands in for an object of a class that the file names; takes and ignores its state."""

    def __new__(cls, *_: Any, **__: Any) -> StandIn:  # noqa: D102
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Ignore what the object is made of."""

    def __setstate__(self, state: Any) -> None:
        """Ignore the state."""


class _MappingStandIn(StandIn):
    """Becomes a plain dictionary, the only thing to which the unpickler adds entries."""

    def __new__(cls, *_: Any, **__: Any) -> Any:  # noqa: D102
        return OrderedDict()


def pickled_objects(content: Any) -> list[str]:
    """Return the classes of objects that stand where tensors could: alone, or under a key."""
    values = [content, *content.values()] if isinstance(content, Mapping) else [content]
    return [type(value).__name__ for value in values if isinstance(value, StandIn)]


def _objects_in(path: Path) -> list[str]:
    """Return the classes and functions that a file names and that are not tensors' own."""
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except ValueError:  # the form before torch 1.6
        return _USUAL_OBJECTS


def _why_not(err: Exception) -> str:
    if 'TorchScript' in str(err):
        return "it is TorchScript: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pt')"
    if type(err).__name__ == 'UnpicklingError':
        named = re.search(r'GLOBAL (\S+)', str(err))
        return (
            f'it holds objects{f" of {named[1]}" if named else ", or is no file of torch"}. {CURE}'
        )
    return str(err).partition('\n')[0].partition('. ')[0] or type(err).__name__


def _what_else(path: Path) -> str:
    """Return what a file is that holds no tensors, if its beginning tells."""
    try:
        with path.open('rb') as file:
            begin = file.read(64)
    except OSError:
        return ''
    if not begin:
        return 'it is empty'
    return next((f'it is {what}' for magic, what in _OTHERS if begin.startswith(magic)), '')
