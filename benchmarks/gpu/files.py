"""Exported files in ONNX Runtime, timed as `benchmarks.beside_eevit` does; on a Jetson with energy.

Needs no torch where the files are there already.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.eevit.rounds import PEER, PLAIN, RoundError, Side, measure, tables
from benchmarks.gpu.steps import MissingError, Outcome
from benchmarks.report_file import Table
from eevit_ros.model.compute import PROVIDERS, all_cores
from eevit_ros.model.ort_session import available_providers, load_gpu_libraries

METER = 'tegrastats'
METERED_RUNS = 100  # frames at least, as it prints a line every 100 ms
SIDES = {'single': 'ours', 'staged': 'ours', PEER: PEER, PLAIN: PLAIN}  # and their files


def time_sides(sides: Sequence[Side], provider: str, fp16: bool, rounds: int, runs: int) -> Outcome:
    """Time files at every exit.

    Args:
        sides: What is timed.
        provider: A key of `compute.PROVIDERS`.
        fp16: Whether TensorRT may use half precision.
        rounds: Processes of each side.
        runs: Frames of each exit in a process.

    Raises:
        RoundError: No side gave figures.
    """
    meter = f'{METER} --interval 100' if shutil.which(METER) else ''
    used = max(runs, METERED_RUNS) if meter else runs
    found, lost = measure(
        sides,
        provider=provider,
        rounds=rounds,
        runs=used,
        threads=all_cores(),
        fp16=fp16,
        power=meter,
    )
    if not found:
        raise RoundError(' '.join(lost.values()))
    title = f'ONNX Runtime, {provider}' + ', fp16' * fp16
    return Outcome(
        [Table(f'{title}: {one.title}', one.columns, one.rows) for one in tables(sides, found)],
        [
            f'{title}: {rounds} rounds of {used} frames at each exit, a process a side.',
            *(f'{title}: no figures of {name}: {_last_line(why)}' for name, why in lost.items()),
        ],
    )


def sides_in(folder: Path) -> tuple[list[Side], list[str]]:
    """Return the sides whose files a folder holds, and what is missing.

    Raises:
        MissingError: There is none.
    """
    files = {name: folder / f'{file}.onnx' for name, file in SIDES.items()}
    sides = [Side(name, name, path) for name, path in files.items() if path.exists()]
    if not sides:
        names = ', '.join(sorted({path.name for path in files.values()}))
        raise MissingError(f'there is none of {names} in {folder.name}')
    lost = [name for name, path in files.items() if not path.exists()]
    return sides, [f'No {name}: there is no {files[name].name}.' for name in lost]


@functools.cache
def export_sides(recipe: Path, folder: Path, peer: Path | None) -> tuple[list[Side], list[str]]:
    """Export the files once, the peer's if its code runs here; return them and what is missing.

    Args:
        recipe: The model of ours.
        folder: For the files, kept from step to step.
        peer: A checkout of the thesis' code, exported with this Python.
    """
    from benchmarks.beside_eevit import make_sides
    from model_export.recipe.recipe import load_recipe

    load = functools.partial(make_sides, load_recipe(recipe), folder)
    if not peer:
        return load(), ['No file of the peer: there is no checkout of early_exit_vit (--peer).']
    try:
        return load(peer=peer), []
    except RoundError as err:
        return load(), [f'No file of the peer: its export ended with {_last_line(str(err))}']


def need(provider: str) -> None:
    """Refuse a provider that is not here; load what it needs.

    Raises:
        MissingError: This ONNX Runtime has not the provider.
    """
    if provider not in available_providers():
        raise MissingError(
            f'this ONNX Runtime has no {PROVIDERS[provider]}: it takes a wheel of onnxruntime-gpu'
        )
    if provider != 'cpu':
        load_gpu_libraries()


def _last_line(words: str) -> str:
    return words.strip().splitlines()[-1]
