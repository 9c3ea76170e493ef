"""What is carried to a GPU and back: pieces that are checked, loads below the limits."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gpu.transfer.carried import RECIPE
from benchmarks.gpu.transfer.pack import CODE, code_bytes, pack
from benchmarks.gpu.transfer.pieces import LIST, PIECE_BYTES, DamagedError, cut, join
from harness.paths import ROOT
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import load_recipe

MIB = 2**20
LIMIT, PIECE_LIMIT = 64 * MIB, 16 * MIB


def files_in(folder: Path, contents: list[bytes]) -> dict[str, Path]:
    files = {f'a/{number}.bin': folder / str(number) for number in range(len(contents))}
    for path, content in zip(files.values(), contents, strict=True):
        path.write_bytes(content)
    return files


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 50))
def test_what_is_joined_is_what_was_cut(contents: list[bytes], piece_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces = cut(files_in(folder, contents), folder / 'pieces', piece_bytes)
        assert [path.stat().st_size for path in pieces[:-1]] == [piece_bytes] * (len(pieces) - 1)
        assert sum(path.stat().st_size for path in pieces) == sum(map(len, contents))
        joined = join([folder / 'pieces'], folder / 'out')
        assert [path.read_bytes() for path in joined] == contents
        assert [path.relative_to(folder / 'out').parts for path in joined] == [
            ('a', f'{number}.bin') for number in range(len(contents))
        ]


@pytest.mark.parametrize('damage', ['changed', 'missing', 'list', 'two lists'])
def test_pieces_that_are_not_whole_are_refused(tmp_path: Path, damage: str) -> None:
    there, more = tmp_path / 'pieces', tmp_path / 'more'
    pieces = cut(files_in(tmp_path, [b'0123456789']), there, 4)
    if damage == 'changed':
        pieces[1].write_bytes(b'4x67')
    elif damage == 'missing':
        pieces[1].unlink()
    elif damage == 'list':
        (there / LIST).unlink()
    else:
        cut(files_in(tmp_path, [b'another']), more, 4)
    with pytest.raises(DamagedError):
        join([there, more], tmp_path / 'out')
    assert not [path for path in (tmp_path / 'out').rglob('*') if path.is_file()]


@pytest.mark.parametrize('name', ['../out', '/out', 'a/../../out', ''])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, name: str) -> None:
    pieces = tmp_path / 'pieces'
    cut(files_in(tmp_path, [b'0123456789']), pieces, 4)
    listed = json.loads((pieces / LIST).read_text())
    listed['files'][0]['name'] = name
    (pieces / LIST).write_text(json.dumps(listed))
    with pytest.raises(DamagedError):
        join([pieces], tmp_path / 'folder' / 'out')
    with pytest.raises(DamagedError):
        cut({name: tmp_path / '0'}, tmp_path / 'other')


def test_each_load_and_each_piece_is_below_its_limit(tmp_path: Path) -> None:
    """The shipped weights, and as many bytes as CIFAR-100 has."""
    data = tmp_path / 'data'
    with data.open('wb') as file:
        file.truncate(91_000_000)
    weights = {path.name: path for path in (ROOT / 'models' / 'weights').iterdir()}
    loads = pack({**weights, 'data': data}, tmp_path)
    assert all((ROOT / name).is_dir() for name in CODE)
    for load in loads:
        assert code_bytes() + sum(path.stat().st_size for path in load.iterdir()) < LIMIT
    sizes = [path.stat().st_size for load in loads for path in load.iterdir()]
    assert max(sizes) <= PIECE_BYTES < PIECE_LIMIT
    whole = sum(path.stat().st_size for path in (*weights.values(), data))
    assert sum(sizes) == whole + sum((load / LIST).stat().st_size for load in loads)


def test_what_goes_home_are_few_files() -> None:
    """Eight at most: the weights' pieces with their list, and the report in two forms."""
    with torch.device('meta'):
        model = EarlyExitViT(load_recipe(RECIPE))
    weights_bytes = 2 * sum(tensor.numel() for tensor in model.state_dict().values())
    assert math.ceil(1.01 * weights_bytes / PIECE_BYTES) + 3 <= 8
