"""Pack what a GPU computer without a network needs, in loads that it takes one after the other.

    python -m benchmarks.gpu.transfer.pack --data DATA --wheels WHEELS --peer CHECKOUT

Writes build/gpu/load-1, load-2, ...: each, together with the code, is below 64 MiB, in pieces below
16 MiB. Put all of them into build/gpu of the code there: train_demo.sh and check.sh join them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.gpu.transfer.carried import FOLDER, WEIGHTS
from benchmarks.gpu.transfer.pieces import LIST, cut
from harness.paths import ROOT

CODE = ('benchmarks', 'config', 'eevit_ros', 'harness', 'model_export')
"""The folders that the scripts import or read; the files beside them travel too."""
LOAD_BYTES = 64 * 2**20
SPARE_BYTES = 2**20  # for what a transfer adds to each file


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
        out: Folder for the loads, made if it is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
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


def training_files(data: Path) -> dict[str, Path]:
    """Return the files of a set's training split, or all where no name says which these are."""
    files = folder_files(data, 'data')
    training = {name: path for name, path in files.items() if 'train' in name}
    return training or files


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
    parser.add_argument('--wheels', type=Path, help='folder of wheels that are missing there')
    parser.add_argument('--peer', type=Path, help='a checkout of early_exit_vit')
    args = parser.parse_args()
    files = folder_files(WEIGHTS, 'weights')
    if args.peer:
        files |= peer_files(args.peer)
    if args.wheels:
        files |= folder_files(args.wheels, 'wheels', '*.whl')
    if args.data:
        files |= training_files(args.data)
    loads = pack(files, FOLDER)
    code = code_bytes()
    print(f'Code: {code / 2**20:.1f} MiB ({", ".join(CODE)} and the files beside them).')
    for load in loads:
        carried = sum(path.stat().st_size for path in load.iterdir())
        print(f'{load}: {carried / 2**20:.1f} MiB, with the code {(carried + code) / 2**20:.1f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
