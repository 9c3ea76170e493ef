"""Many recordings, each into a folder of its own, then one table of all of them.

A recording that is done is not done again: its folder says under which settings it was, and how the
files looked. One that cannot be read is reported, and the others go on.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from eevit_ros.errors import EevitError
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier import Settings, open_engine
from eevit_ros.recordings.open import open_source
from eevit_ros.recordings.truth import open_truth
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.results.frame_table import LIMIT_COLUMNS, frame_writer
from eevit_ros.replay.running.output_bag import OutputBag
from eevit_ros.replay.running.recording import RecordingReplay

DONE, HALF_DONE = 'done.json', 'done.part'
FRAMES, LIMITS, BAG = 'frames.csv', 'limits.csv', 'bag'


@dataclass(frozen=True)
class Job:
    """One recording and all that decides what comes out; goes to another process as it is.

    Attributes:
        name: Name of the recording, unique in its batch.
        path: The recording.
        folder: Where the results go.
        options: Shared by all jobs.
        model_sha256: SHA-256 of the model file (hexadecimal).
    """

    name: str
    path: Path
    folder: Path
    options: ReplayOptions
    model_sha256: str

    def key(self) -> str:
        """Return a hash of everything that decides the result."""
        decisive = replace(self.options, given={}, workers=1, cluster='')
        facts = asdict(replace(self, folder=Path(), options=decisive))
        inputs = (self.path, self.options.truth, self.options.latency)
        files = [_stat(path) for path in inputs if path]
        return hashlib.sha256(repr((facts, files, _code())).encode()).hexdigest()


@dataclass(frozen=True)
class Done:
    """What became of a job.

    Attributes:
        source: name, path, topic, frames: for reports; empty if nothing could be replayed.
        problems: What was left out.
    """

    source: dict[str, Any]
    problems: list[str]


def run_batch(
    jobs: Sequence[Job], *, workers: int, cluster: str, on_done: Callable[[Job, Done], object]
) -> list[Done]:
    """Do all jobs that are not done yet.

    Args:
        jobs: In the order of the report.
        workers: Processes on this computer.
        cluster: Address of a Dask scheduler, whose workers see the same files; '' for none.
        on_done: Called after each.

    Returns:
        What became of each, in the order of `jobs`.
    """
    if workers == 1 and not cluster:
        results = []
        for job in jobs:
            results.append(do(job, progress=True))
            on_done(job, results[-1])
        return results
    by_name: dict[str, Done] = {}
    with _dask(workers, cluster) as submit:
        for job, done in submit(jobs):
            by_name[job.name] = done
            on_done(job, done)
    return [by_name[job.name] for job in jobs]


def do(job: Job, *, progress: bool = False) -> Done:
    """Replay one recording into its folder, unless that was done before."""
    marker, key = job.folder / DONE, job.key()
    try:
        known = json.loads(marker.read_text('utf-8'))
        if known['key'] == key and all((job.folder / name).is_file() for name in (FRAMES, LIMITS)):
            return Done(known['source'], known['problems'])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing there, or a half of it: do it
    try:
        done = _do(job, progress)
    except EevitError as err:
        return Done({}, [f'{job.name} was left out: {err}'])
    part = job.folder / HALF_DONE
    part.write_text(json.dumps({'key': key, **asdict(done)}, indent=1) + '\n', 'utf-8')
    part.replace(marker)
    return done


def merge(jobs: Sequence[Job], folder: Path) -> None:
    """Put the tables of all jobs that have one below each other, byte for byte."""
    for name in (FRAMES, LIMITS):
        with (folder / name).open('wb') as out:
            for number, part in enumerate(p for job in jobs if (p := job.folder / name).is_file()):
                with part.open('rb') as file:
                    header = file.readline()
                    out.write(b'' if number else header)
                    shutil.copyfileobj(file, out)


def _do(job: Job, progress: bool) -> Done:
    options, settings = job.options, job.options.settings
    source = open_source(job.path, options.topic)
    source.name = job.name
    truth = open_truth(options.truth, source)
    engine = load_engine(settings)
    if job.folder.exists():
        _clear(job.folder)  # of other settings, or half done
    job.folder.mkdir(parents=True)
    with ExitStack() as stack:
        rows = stack.enter_context(frame_writer(job.folder / FRAMES))
        limits = stack.enter_context((job.folder / LIMITS).open('w', newline='', encoding='utf-8'))
        table = csv.writer(limits, lineterminator='\n')
        table.writerow(LIMIT_COLUMNS)
        bag = None
        if options.output_bag:
            bag = OutputBag(
                job.folder / BAG,
                image_topic=source.topic,
                names=engine.metadata.class_names,
                class_ids=settings.ids_of(engine.metadata.class_names),
                top_k=settings.top_k,
            )
            stack.enter_context(bag)

        def on_tick(time_ns: int, rate: float, percent: float) -> None:
            table.writerow((job.name, time_ns, rate, percent))
            if bag is not None:
                bag.limit(time_ns, rate, percent)

        # None: on a terminal alone.
        quiet = None if progress else True
        bar = stack.enter_context(
            tqdm(total=source.frames, desc=job.name, unit=' frames', disable=quiet)
        )
        RecordingReplay(engine, options, source, truth, rows, on_tick, bag).run(bar.update)
    about = {
        'name': job.name,
        'path': str(job.path),
        'topic': source.topic,
        'frames': rows.count,
    }
    return Done(about, [*source.problems, *truth.problems()])


def load_engine(settings: Settings) -> Engine:
    """Return the engine that the settings ask for, loaded once a process and model file.

    Raises:
        EevitError: The model or a setting is wrong.
    """
    return _load_engine(settings, tuple(_stat(settings.model)))


@lru_cache(maxsize=2)
def _load_engine(settings: Settings, file: tuple[tuple[str, int, int], ...]) -> Engine:
    engine = open_engine(settings)
    engine.warm_up()
    return engine


@contextmanager
def _dask(
    workers: int, cluster: str
) -> Iterator[Callable[[Sequence[Job]], Iterator[tuple[Job, Done]]]]:
    try:
        from distributed import Client, KilledWorker, LocalCluster, as_completed
    except ImportError as err:
        raise ReplayError(
            "several workers need Dask: pip install 'eevit_ros[cluster]' (or 'distributed')"
        ) from err
    with ExitStack() as stack:
        address: Any = cluster
        if not cluster:
            address = stack.enter_context(
                LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            )
        client = stack.enter_context(Client(address))

        def submit(jobs: Sequence[Job]) -> Iterator[tuple[Job, Done]]:
            # Each a call of its own: a job that was done is known by its files, not by Dask.
            futures = {client.submit(do, job, pure=False): job for job in jobs}
            for future in as_completed(futures):
                job = futures[future]
                try:
                    done = future.result()
                except KilledWorker:
                    why = 'it ended every process that tried it; is there memory enough?'
                    done = Done({}, [f'{job.name} was left out: {why}'])
                yield job, done

        yield submit


def _clear(folder: Path) -> None:
    """Remove what an earlier run left in a folder, which must hold nothing else."""
    ours = {DONE, HALF_DONE, FRAMES, LIMITS, BAG}
    if others := sorted(p.name for p in folder.iterdir() if p.name not in ours):
        raise ReplayError(
            f'{folder} holds {others[0]}, which is of no replay, and would be overwritten: name '
            'another folder by --out'
        )
    shutil.rmtree(folder)


@lru_cache
def _code() -> str:
    """Return what tells this version of the package from any other."""
    package = Path(__file__).parents[2]
    sources = b''.join(path.read_bytes() for path in sorted(package.rglob('*.py')))
    return hashlib.sha256(sources).hexdigest()


def _stat(path: str | Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of a file, or of all those in a folder."""
    found = []
    for folder, _, names in os.walk(path):
        found += [Path(folder, name) for name in names]
    if not found and os.path.isfile(path):
        found = [Path(path)]
    return sorted((str(p), (stat := p.stat()).st_size, stat.st_mtime_ns) for p in found)
