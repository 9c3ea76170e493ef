"""Files cut into pieces of less than 16 MiB, and joined again, every SHA-256 checked.

    python -m benchmarks.gpu.transfer.pieces FOLDER [FOLDER ...] OUT

The pieces are one row of bytes, cut at equal lengths: what is larger than a piece can travel, and
so can what must go in several transfers. `pieces.json` says what the row holds. Needs Python alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

PIECE_BYTES = 15_000_000
LIST = 'pieces.json'
_READ_BYTES = 1 << 20


class DamagedError(Exception):
    """A piece is missing or is not what was cut."""


def cut(files: Mapping[str, Path], out: Path, piece_bytes: int = PIECE_BYTES) -> list[Path]:
    """Write the pieces of some files and their list into a folder; return the pieces.

    Args:
        files: Each file by the relative name, with slashes, that it gets when it is joined.
        out: Folder to write to, made if it is missing.
        piece_bytes: Length of every piece but the last.
    """
    out.mkdir(parents=True, exist_ok=True)
    listed: dict[str, list[dict[str, Any]]] = {'files': [], 'pieces': []}
    pieces: list[Path] = []
    piece = bytearray()

    def write() -> None:
        pieces.append(out / f'piece-{len(pieces) + 1:02}')
        pieces[-1].write_bytes(piece)
        listed['pieces'].append(_facts(pieces[-1].name, [bytes(piece)]))
        piece.clear()

    for name, path in files.items():
        _check_name(name)
        listed['files'].append(_facts(name, _blocks([path])))
        for block in _blocks([path]):
            piece += block
            while len(piece) >= piece_bytes:
                rest = piece[piece_bytes:]
                del piece[piece_bytes:]
                write()
                piece += rest
    if piece:
        write()
    (out / LIST).write_text(json.dumps(listed, indent=1) + '\n')
    return pieces


def join(folders: Sequence[Path], out: Path) -> list[Path]:
    """Write the files whose pieces lie in some folders; return them.

    Raises:
        DamagedError: A piece or the list is missing or has another SHA-256. Nothing is left that
            was not checked.
    """
    lists = [folder / LIST for folder in folders if (folder / LIST).is_file()]
    if not lists or len({path.read_text() for path in lists}) != 1:
        found = f'{len(lists)} that differ' if lists else 'none'
        raise DamagedError(f'one {LIST} is needed in {_words(folders)}. Got {found}')
    listed = json.loads(lists[0].read_text())
    pieces = []
    for facts in listed['pieces']:
        there = [folder / facts['name'] for folder in folders if (folder / facts['name']).is_file()]
        if not there:
            raise DamagedError(f'{facts["name"]} is missing in {_words(folders)}: fetch it again')
        _check(there[0], [there[0]], facts)
        pieces.append(there[0])
    row = _Row(pieces)
    joined = []
    for facts in listed['files']:
        _check_name(facts['name'])
        path = out / facts['name']
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f'{path.name}.partial')
        with partial.open('wb') as file:
            for block in row.take(facts['bytes']):
                file.write(block)
        _check(path, [partial], facts)
        partial.replace(path)
        joined.append(path)
    return joined


class _Row:
    """The bytes of all pieces, read once from the first to the last."""

    def __init__(self, pieces: Sequence[Path]) -> None:
        self._blocks = _blocks(pieces)
        self._rest = b''

    def take(self, count: int) -> Iterator[bytes]:
        """Yield the next `count` bytes, or those that there are."""
        while count:
            block = self._rest or next(self._blocks, b'')
            if not block:
                return
            self._rest = block[count:]
            yield block[:count]
            count -= min(count, len(block))


def _blocks(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open('rb') as file:
            while block := file.read(_READ_BYTES):
                yield block


def _facts(name: str, blocks: Iterator[bytes] | Sequence[bytes]) -> dict[str, Any]:
    digest, count = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        count += len(block)
    return {'name': name, 'bytes': count, 'sha256': digest.hexdigest()}


def _check(what: Path, parts: Sequence[Path], expected: Mapping[str, Any]) -> None:
    found = _facts(expected['name'], _blocks(parts))
    if found != expected:
        raise DamagedError(
            f'{what} is damaged: {found["bytes"]} bytes with SHA-256 {found["sha256"][:16]}, '
            f'expected {expected["bytes"]} with {expected["sha256"][:16]}: fetch it again'
        )


def _check_name(name: str) -> None:
    """Refuse a name that would be written outside the folder."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or '..' in path.parts or '\\' in name:
        raise DamagedError(f'a file in pieces has a relative name. Got {name!r}')


def _words(folders: Sequence[Path]) -> str:
    return ', '.join(map(str, folders))


def main() -> int:
    """Join what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('folders', type=Path, nargs='+', help='folders with the pieces')
    parser.add_argument('out', type=Path, help='folder to write the files to')
    args = parser.parse_args()
    try:
        for path in join(args.folders, args.out):
            print(path)
    except (DamagedError, OSError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
