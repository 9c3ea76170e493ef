"""The storage files in the folder of a bag, held against the list in its metadata.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PureWindowsPath

import yaml

from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.source import natural_key

METADATA = 'metadata.yaml'
ROS1 = '.bag'
PACKED = '.zstd'
MCAP_MAGIC = b'\x89MCAP0\r\n'  # first and last bytes of a whole .mcap file

_UNFINISHED = '.active'  # of a ROS 1 recorder that was killed
_STORAGE = ('.mcap', '.db3')
_PACKED = (PACKED, '.zst')  # by rosbag2, and by the program zstd
_OTHER_PACKINGS = ('.gz', '.bz2', '.xz', '.lz4', '.zip', '.7z')
_NAMED = 10  # files in a sentence


@dataclass
class Listing:
    """The parts of a bag. Each is a file, plain or packed, or both.

    Attributes:
        listed: Parts that the list names, in its order.
        others: The other parts, by number.
        problems: What is wrong with the list.
    """

    listed: list[list[Path]] = field(default_factory=list)
    others: list[list[Path]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def in_order(self, start_ns: Mapping[Path, int | None]) -> list[Path]:
        """Return files in the order in which they were written.

        Recorders number them. A list can say 1, 10, 2, and a clock that was set can make a later
        file look earlier: two of list, numbers and times must agree.

        Args:
            start_ns: First log time of each file, None where it has no message; in the order of
                the parts.
        """
        paths = list(start_ns)
        by_name = sorted(paths, key=natural_key)
        dated = {path: start for path, start in start_ns.items() if start is not None}
        by_time = sorted(dated, key=lambda path: dated[path])
        agree = [path for path in by_name if path in dated] == by_time
        if self.others:
            if agree or _are_numbered(paths):
                return by_name
            return [*by_time, *(path for path in by_name if path not in dated)]
        if paths == by_name or list(dated) == by_time or not agree:
            return paths
        self.problems.append(
            f'{METADATA} lists {_names(paths)}: by their numbers and times the order is '
            f'{_names(by_name)}: they are read so'
        )
        return by_name


def is_bag(path: Path) -> bool:
    """Return whether a path looks like a bag, by the file's name or the folder's content."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(_storage_files(path))
    return _suffix(path) in (*_STORAGE, ROS1, _UNFINISHED)


def is_packed(path: Path) -> bool:
    """Return whether a file is packed as a whole, by its name."""
    return path.suffix.lower() in _PACKED


def list_parts(folder: Path) -> Listing:
    """Return the parts of a bag, from its folder and its list.

    Raises:
        RecordingError: There is no file.
    """
    present = {name: list(paths) for name, paths in groupby(_storage_files(folder), key=plain_name)}
    metadata = folder / METADATA
    try:
        content = yaml.safe_load(metadata.read_bytes())  # UTF-16, too
        listed = content['rosbag2_bagfile_information']['relative_file_paths']
        if not isinstance(listed, list):
            raise TypeError(f'relative_file_paths is no list: {listed!r:.40}')
        names = [PureWindowsPath(name).as_posix() for name in listed]
    except Exception as err:  # no such file, no YAML, another structure: all the same here
        reason = (
            'is missing'
            if isinstance(err, FileNotFoundError)
            else f'cannot be used ({type(err).__name__}: {err})'
        )
        if not present:
            raise RecordingError(
                f'{metadata} {reason}, and there is no .mcap or .db3 file'
            ) from err
        order = ', '.join(paths[0].name for paths in present.values())
        problem = f'{metadata} {reason}: read {order}; whether that is all is unknown'
        return Listing(others=list(present.values()), problems=[problem])
    return _held_against(folder, names, present)


def _held_against(folder: Path, names: Sequence[str], present: dict[str, list[Path]]) -> Listing:
    found = Listing()
    missing = []
    by_lower_case = {name.lower(): name for name in present}
    for name in dict.fromkeys(names):
        # Older recorders wrote a folder in front of the name, which may have been renamed since.
        here = folder / Path(name).name
        plain = plain_name(here)
        paths = present.pop(plain, None) or present.pop(by_lower_case.get(plain.lower(), ''), None)
        if paths is None:
            paths = [path for path in (here, folder / name) if path.is_file()][:1]
        if not paths:
            missing.append(here)
        elif paths[0] not in (part[0] for part in found.listed):
            found.listed.append(paths)
            if here.name not in {path.name for path in paths}:
                found.problems.append(
                    f'{METADATA} lists {here.name}, but {paths[0]} is there: read that'
                )
    found.others = list(present.values())
    renamed = ', unless it was renamed' if present else ''
    found.problems += [
        f'{path} is missing, though {METADATA} lists it: its messages are skipped{renamed}'
        f'{_packed_otherwise(path)}'
        for path in missing
    ]
    if present:
        others = _names([paths[0] for paths in found.others])
        found.problems.append(
            f'{folder / METADATA} does not list {others}: read, except for copies'
        )
    return found


def _storage_files(folder: Path) -> list[Path]:
    """Return them by number, a plain file before the same file packed."""
    paths = [
        path
        for path in folder.iterdir()
        # macOS leaves a ._NAME beside each file on other file systems.
        if not path.name.startswith('.') and _suffix(path) in _STORAGE and path.is_file()
    ]
    return sorted(paths, key=lambda path: (natural_key(Path(plain_name(path))), is_packed(path)))


def _packed_otherwise(path: Path) -> str:
    packed = {f'{path.name}{suffix}'.lower() for suffix in _OTHER_PACKINGS}
    name = next((x.name for x in path.parent.iterdir() if x.name.lower() in packed), '')
    return f'; unpack {name}' if name else ''


def plain_name(path: Path) -> str:
    """Return a file's name without the suffix of a packed file."""
    return path.stem if is_packed(path) else path.name


def _suffix(path: Path) -> str:
    return Path(plain_name(path)).suffix.lower()


def _are_numbered(paths: Sequence[Path]) -> bool:
    """Return whether one recorder named the files: NAME_0, NAME_1, ..."""
    stems = [re.fullmatch(r'(.*?)[0-9]+', Path(plain_name(path)).stem) for path in paths]
    return all(stems) and len({stem[1] for stem in stems if stem}) == 1


def _names(paths: Sequence[Path]) -> str:
    more = f' and {len(paths) - _NAMED} more' if len(paths) > _NAMED else ''
    return ', '.join(path.name for path in paths[:_NAMED]) + more
