"""Bags of every storage, damaged; read as the replay reads them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.launching.rosbag2_cli import recorded_images
from eevit_ros.recordings.open import open_source
from fuzz import Wrong
from fuzz.mutate import mutate
from harness import bags

COUNT = 8
MANY = 600  # as many as it takes for a tree of pages in SQLite


def prepare(folder: Path) -> Callable[[Random], None]:
    """Write the bags to be damaged; return what runs a case."""
    from mcap.writer import CompressionType
    from rosbags.rosbag2 import CompressionMode

    entries = bags.images(COUNT) + bags.truths('x' * COUNT)
    ros1 = bags.images(COUNT, types=bags.ROS1)
    chunks: dict[str, Any] = {'chunk_size': 2000, 'compression': CompressionType.NONE}
    files = [
        bags.write_mcap(folder / 'chunks.mcap', entries, **chunks),
        bags.write_mcap(folder / 'plain.mcap', entries, use_chunking=False),
        bags.write_mcap(folder / 'lz4.mcap', entries, compression=CompressionType.LZ4),
        bags.write_mcap(folder / 'zstd.mcap', entries, compression=CompressionType.ZSTD),
        bags.storage_file(bags.write_bag(folder / 'sqlite', entries, 'sqlite3')),
        bags.storage_file(bags.write_bag(folder / 'packed', entries, 'mcap', CompressionMode.FILE)),
        bags.write_ros1(folder / 'ros1.bag', ros1),
    ]
    samples = [(''.join(file.suffixes), file.read_bytes(), COUNT) for file in files]
    tree = bags.storage_file(bags.write_bag(folder / 'tree', bags.images(MANY), 'sqlite3'))
    samples.append((tree.suffix, tree.read_bytes(), MANY))
    whole = bags.write_bag(folder / 'whole', entries)

    def run(rng: Random) -> None:
        suffix, data, count = rng.choice(samples)
        damaged = folder / f'damaged{suffix}'
        damaged.write_bytes(mutate(data, rng))
        try:
            _read(damaged, count)
        finally:
            damaged.unlink()

    def run_metadata(rng: Random) -> None:
        damaged = folder / 'damaged'
        shutil.copytree(whole, damaged, dirs_exist_ok=True)
        metadata = damaged / 'metadata.yaml'
        metadata.write_bytes(mutate(metadata.read_bytes(), rng))
        if rng.random() < 0.5:
            recorded_images(damaged, bags.CAMERA)
        else:
            _read(damaged, COUNT)

    return lambda rng: run_metadata(rng) if rng.random() < 0.2 else run(rng)


def _read(path: Path, written: int) -> None:
    source = open_source(path, bags.CAMERA)
    count = 0
    for frame in source:
        count += 1
        if count > 10 * written:
            raise Wrong(f'more frames than were ever written: {count}')
        try:
            frame.decode()
        except EevitError:
            pass  # counted as bad by whoever replays
    if count < written and not source.problems:
        raise Wrong(f'{written - count} of {written} frames are gone without a word')
