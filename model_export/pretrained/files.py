"""Reading tensors from a file or a folder, in any form that cannot run code.

safetensors, torch's `weights_only` state dicts, and folders as downloaded from a model hub:
`model.safetensors`, or several with an index, or the older `pytorch_model.bin`, or a single file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from model_export.errors import ModelExportError
from model_export.pretrained.weight_format import State

NAMES = ('model.safetensors', 'pytorch_model.bin')
WRAPPERS = ('model', 'state_dict')  # what training scripts put a state dict in


def read_tensors(source: Path) -> State:
    """Read all tensors of a file or folder; floats become float32.

    Raises:
        ModelExportError: There are none, the file is damaged, or it holds pickled code.
    """
    state: State = {}
    for path in _files(source):
        state.update(_read_torch(path) if path.suffix != '.safetensors' else _read_safe(path))
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def read_json(source: Path, name: str) -> dict[str, Any]:
    """Return a JSON file beside the weights, such as `config.json`; empty if there is none.

    Raises:
        ModelExportError: It cannot be read.
    """
    path = source / name
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as err:
        raise ModelExportError(f'cannot read {path}: {err}') from err
    return data if isinstance(data, dict) else {}


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    for name in NAMES:
        shards = read_json(source, f'{name}.index.json').get('weight_map')
        if isinstance(shards, dict):
            names = sorted(set(map(str, shards.values())))
            missing = [name for name in names if not (source / name).is_file()]
            if missing:
                raise ModelExportError(f'{source} lacks files that its index names: {missing}')
            return [source / name for name in names]
        if (source / name).is_file():
            return [source / name]
    found = sorted(p for s in ('safetensors', 'pth', 'pt', 'bin') for p in source.glob(f'*.{s}'))
    if len(found) != 1:
        raise ModelExportError(
            f'{source} holds no {" or ".join(NAMES)}, no weights of ours, and '
            f'{[path.name for path in found] or "no other weights"}: name one file'
        )
    return found


def _read_safe(path: Path) -> State:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as err:
        raise ModelExportError(f'cannot read {path}: {err}') from err


def _read_torch(path: Path) -> State:
    try:
        data = torch.load(path, map_location='cpu', weights_only=True)  # noqa: TID251
    except Exception as err:  # torch raises what its unpickler happens to meet
        raise ModelExportError(
            f'cannot read {path} as tensors alone. If it is a whole pickled model, loading it '
            f'would run code: save its state_dict(), best as safetensors, where you trust it. {err}'
        ) from err
    for name in WRAPPERS:
        if isinstance(data, Mapping) and isinstance(data.get(name), Mapping):
            data = data[name]
    tensors = {str(k): v for k, v in data.items()} if isinstance(data, Mapping) else {}
    others = sorted(name for name, value in tensors.items() if not isinstance(value, Tensor))
    if not tensors or others:
        raise ModelExportError(
            f'{path} must hold a state dict, names and tensors. Got {type(data).__name__} with '
            f'{others[:5] or "nothing"}'
        )
    return tensors
