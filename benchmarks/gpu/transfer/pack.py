"""Pack what a GPU computer without a network needs, in loads that it takes one after the other.

    python -m benchmarks.gpu.transfer.pack --data DATA --wheels WHEELS --peer CHECKOUT

Writes build/gpu/load-1, load-2, ...: each, together with the code, is below 64 MiB, in pieces below
16 MiB. Put all of them into build/gpu of the code there: train_demo.sh and check.sh join them. A
set of large photos is shrunk to the size that the recipe trains at.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.gpu.transfer.carried import FOLDER, RECIPE
from benchmarks.gpu.transfer.pieces import LIST, cut
from harness.paths import ROOT
from model_export.data import load_split
from model_export.recipe.recipe import load_recipe

CODE = ('benchmarks', 'config', 'eevit_ros', 'harness', 'model_export')
"""The folders that the scripts import or read; the files beside them travel too."""
LOAD_BYTES = 64 * 2**20
SPARE_BYTES = 2**20  # for what a transfer adds to each file
AS_IT_IS_BYTES = 120_000_000  # of training data; more is shrunk
JPEG_QUALITY = 95
ROWS = 10_000  # of a shard


def code_bytes() -> int:
    """Return how many bytes of code go with each load."""
    beside = [path for path in ROOT.iterdir() if path.is_file()]
    inside = [path for name in CODE for path in (ROOT / name).rglob('*')]
    return sum(
        path.stat().st_size
        for path in (*beside, *inside)
        if path.is_file() and '__pycache__' not in path.parts
    )


def pack(files: Mapping[str, Path], out: Path) -> list[Path]:
    """Cut files into loads; earlier ones are removed.

    Args:
        files: Each file by the name that it gets there.
        out: Folder for the loads.
    """
    for earlier in out.glob('load-*'):
        shutil.rmtree(earlier)
    room = LOAD_BYTES - SPARE_BYTES - code_bytes()
    loads: list[Path] = []
    with tempfile.TemporaryDirectory(dir=out) as folder:
        used = room
        for piece in cut(files, Path(folder)):
            if used + piece.stat().st_size > room:
                loads.append(out / f'load-{len(loads) + 1}')
                loads[-1].mkdir()
                shutil.copy(Path(folder) / LIST, loads[-1])
                used = (loads[-1] / LIST).stat().st_size
            used += piece.stat().st_size
            piece.replace(loads[-1] / piece.name)
    return loads


def training_files(
    data: Path, image_size: int, scratch: Path, most_bytes: int = AS_IT_IS_BYTES
) -> dict[str, Path]:
    """Return the files of a set's training split, shrunk into `scratch` if they are many bytes."""
    files = [path for path in sorted(data.rglob('*')) if path.is_file()]
    training = [
        path for path in files if any('train' in part for part in path.relative_to(data).parts)
    ]
    files = training or files
    if sum(path.stat().st_size for path in files) > most_bytes:
        data, files = scratch, _shrink(data, image_size, scratch)
    return {f'data/{path.relative_to(data).as_posix()}': path for path in files}


def _shrink(data: Path, image_size: int, out: Path) -> list[Path]:
    """Write the training split as JPEG squares in parquet shards, which `load_split` reads."""
    dataset = load_split(data, 'train', image_size)
    features = {
        'image': {'_type': 'Image'},
        'label': {'_type': 'ClassLabel', 'names': list(dataset.class_names)},
    }
    facts = {'huggingface': json.dumps({'info': {'features': features}})}
    shards = -(-len(dataset) // ROWS)
    paths = []
    for number in range(shards):
        rows = range(number * ROWS, min((number + 1) * ROWS, len(dataset)))
        images = [cv2.cvtColor(dataset.images[row], cv2.COLOR_RGB2BGR) for row in rows]
        encoded = [
            cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
            for image in images
        ]
        cells = [{'bytes': cell, 'path': None} for cell in encoded]
        of_image = pa.struct({'bytes': pa.binary(), 'path': pa.string()})
        table = pa.table(
            {'image': pa.array(cells, of_image), 'label': dataset.labels[list(rows)]},
            metadata=facts,
        )
        paths.append(out / f'train-{number:05}-of-{shards:05}.parquet')
        pq.write_table(table, paths[-1])
    return paths


def folder_files(folder: Path, name: str, pattern: str = '*') -> dict[str, Path]:
    """Return the files below a folder that match, by the names that they get there."""
    paths = [path for path in sorted(folder.rglob(pattern)) if path.is_file()]
    return {f'{name}/{path.relative_to(folder).as_posix()}': path for path in paths}


def peer_files(checkout: Path) -> dict[str, Path]:
    """Return what runs the peer: its code and its configuration."""
    found: dict[str, Path] = {}
    for name, pattern in (('eevit', '*.py'), ('utils', '*.py'), ('config', '*.yaml')):
        found |= folder_files(checkout / name, f'peer/{name}', pattern)
    return found


def main() -> int:
    """Pack, and say what goes when."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--data', type=Path, help='data set to train on')
    parser.add_argument('--weights', type=Path, default=ROOT / 'models' / 'weights')
    parser.add_argument('--wheels', type=Path, help='folder of wheels that are missing there')
    parser.add_argument('--peer', type=Path, help='a checkout of early_exit_vit')
    parser.add_argument('--out', type=Path, default=FOLDER, help='default: build/gpu')
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.out) as scratch:
        files = folder_files(args.weights, 'weights')
        if args.peer:
            files |= peer_files(args.peer)
        if args.wheels:
            files |= folder_files(args.wheels, 'wheels', '*.whl')
        if args.data:
            size = load_recipe(RECIPE).backbone.image_size
            files |= training_files(args.data, size, Path(scratch))
        loads = pack(files, args.out)
    code = code_bytes()
    print(f'Code: {code / 2**20:.1f} MiB ({", ".join(CODE)} and the files beside them).')
    for load in loads:
        carried = sum(path.stat().st_size for path in load.iterdir())
        print(f'{load}: {carried / 2**20:.1f} MiB, with the code {(carried + code) / 2**20:.1f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
