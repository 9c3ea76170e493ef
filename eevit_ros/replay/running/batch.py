"""Many recordings, each into a folder of its own, then one table of them all.

A finished recording is not replayed again: its folder holds a hash of all settings and input files.
One that cannot be read is reported, and the others go on.
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

from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier import Settings, open_engine
from eevit_ros.recordings.cameras import by_camera
from eevit_ros.replay.errors import ReplayError, skipped
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.results.frame_table import LIMIT_COLUMNS, frame_writer
from eevit_ros.replay.results.region_table import region_writer
from eevit_ros.replay.running.output_bag import OutputBag
from eevit_ros.replay.running.recording import RecordingReplay
from eevit_ros.replay.running.regions import regions_of

FINISHED, UNFINISHED = 'done.json', 'done.part'
FRAMES, LIMITS, REGIONS, BAG = 'frames.csv', 'limits.csv', 'regions.csv', 'bag'


@dataclass(frozen=True)
class Job:
    """One recording and everything that decides its result; may be sent to another process.

    Attributes:
        name: Name of the recording, unique in its batch.
        path: The recording.
        folder: Folder of the results.
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
        truths = (one.truth for one in self.options.by_camera.values())
        inputs = (self.path, *truths, self.options.latency)
        files = [_stat(path) for path in inputs if path]
        return hashlib.sha256(repr((facts, files, _code())).encode()).hexdigest()


@dataclass(frozen=True)
class JobResult:
    """What a job returns.

    Attributes:
        source: Name, path, topic and number of frames; empty if the recording cannot be read.
        problems: What was skipped or looks suspicious, one sentence each.
    """

    source: dict[str, Any]
    problems: list[str]


def run_batch(
    jobs: Sequence[Job], *, workers: int, cluster: str, on_done: Callable[[Job, JobResult], object]
) -> list[JobResult]:
    """Run all jobs that are not finished yet; with several workers by Dask.

    Args:
        jobs: Jobs in the order of the report.
        workers: Processes on this computer.
        cluster: Address of a Dask scheduler whose workers see the same files; '' for none.
        on_done: Called after each job.

    Returns:
        The results in the order of `jobs`.
    """
    if workers == 1 and not cluster:
        results = []
        for job in jobs:
            results.append(run_job(job, progress=True))
            on_done(job, results[-1])
        return results
    by_name: dict[str, JobResult] = {}
    with _dask(workers, cluster) as submit:
        for job, done in submit(jobs):
            by_name[job.name] = done
            on_done(job, done)
    return [by_name[job.name] for job in jobs]


def run_job(job: Job, *, progress: bool = False) -> JobResult:
    """Replay one recording into its folder, unless that is finished already."""
    marker, key = job.folder / FINISHED, job.key()
    try:
        known = json.loads(marker.read_text('utf-8'))
        if known['key'] == key and all((job.folder / name).is_file() for name in _tables(job)):
            return JobResult(known['source'], known['problems'])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # missing or incomplete: replay
    try:
        done = _replay(job, progress)
    except OSError:
        raise  # a full disk, or the like: no other recording could be written either
    except Exception as err:  # whatever one recording holds, the others are replayed
        return JobResult({}, [skipped(job.name, err)])
    part = job.folder / UNFINISHED
    part.write_text(json.dumps({'key': key, **asdict(done)}, indent=1) + '\n', 'utf-8')
    part.replace(marker)
    return done


def merge(jobs: Sequence[Job], folder: Path) -> None:
    """Concatenate the tables of all jobs that have one, byte for byte."""
    for name in dict.fromkeys(name for job in jobs for name in _tables(job)):
        with (folder / name).open('wb') as out:
            for number, part in enumerate(p for job in jobs if (p := job.folder / name).is_file()):
                with part.open('rb') as file:
                    header = file.readline()
                    out.write(b'' if number else header)
                    shutil.copyfileobj(file, out)


def _replay(job: Job, progress: bool) -> JobResult:
    options, settings = job.options, job.options.settings
    source, truth = options.open(job.path)
    source.name = job.name
    topics = {camera: one.topic for camera, one in by_camera(source).items()}
    engine = load_engine(settings)
    if job.folder.exists():
        _clear(job.folder)  # of other settings, or unfinished
    job.folder.mkdir(parents=True)
    with ExitStack() as stack:
        rows = stack.enter_context(frame_writer(job.folder / FRAMES, cameras=bool(options.cameras)))
        limits = stack.enter_context((job.folder / LIMITS).open('w', newline='', encoding='utf-8'))
        table = csv.writer(limits, lineterminator='\n')
        table.writerow(LIMIT_COLUMNS)
        bag = None
        if options.output_bag:
            bag = OutputBag(
                job.folder / BAG,
                image_topics=topics,
                names=engine.metadata.class_names,
                class_ids=settings.ids_of(engine.metadata.class_names),
                top_k=settings.top_k,
                images={name: one.settings.images for name, one in options.by_camera.items()},
                with_regions=options.with_regions,
            )
            stack.enter_context(bag)

        regions = {}
        if options.with_regions:
            of_regions = stack.enter_context(region_writer(job.folder / REGIONS))
            regions = regions_of(engine, options, source, of_regions)

        def on_tick(time_ns: int, rate: float, percent: float) -> None:
            table.writerow((job.name, time_ns, rate, percent))
            if bag is not None:
                bag.limit(time_ns, rate, percent)

        # None: on a terminal alone.
        quiet = None if progress else True
        bar = stack.enter_context(
            tqdm(total=source.frames, desc=job.name, unit=' frames', disable=quiet)
        )
        replay = RecordingReplay(engine, options, source, truth, rows, on_tick, bag, regions)
        replay.run(bar.update)
    about = {
        'name': job.name,
        'path': str(job.path),
        'topic': source.topic,
        **({'topics': topics} if options.cameras else {}),
        'frames': rows.count,
    }
    return JobResult(about, [*source.problems, *truth.problems()])


def load_engine(settings: Settings) -> Engine:
    """Return the engine that the settings ask for; it is loaded once a process and model file.

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
) -> Iterator[Callable[[Sequence[Job]], Iterator[tuple[Job, JobResult]]]]:
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

        def submit(jobs: Sequence[Job]) -> Iterator[tuple[Job, JobResult]]:
            # Not pure: whether a job is finished is known by its files, not by Dask's cache.
            futures = {client.submit(run_job, job, pure=False): job for job in jobs}
            for future in as_completed(futures):
                job = futures[future]
                try:
                    done = future.result()
                except KilledWorker:
                    why = 'every process that tried it died; is there enough memory?'
                    done = JobResult({}, [f'{job.name} was skipped: {why}'])
                yield job, done

        yield submit


def _tables(job: Job) -> tuple[str, ...]:
    """Return the tables that a finished job has."""
    return (FRAMES, LIMITS, *([REGIONS] if job.options.with_regions else []))


def _clear(folder: Path) -> None:
    """Remove the files of an earlier run; refuse a folder that holds anything else."""
    ours = {FINISHED, UNFINISHED, FRAMES, LIMITS, REGIONS, BAG}
    if others := sorted(p.name for p in folder.iterdir() if p.name not in ours):
        raise ReplayError(
            f'{folder} holds {others[0]}, which no replay wrote: it would be deleted. Name another '
            'folder with --out'
        )
    shutil.rmtree(folder)


@lru_cache
def _code() -> str:
    """Return a hash of the source code of this package."""
    package = Path(__file__).parents[2]
    sources = b''.join(path.read_bytes() for path in sorted(package.rglob('*.py')))
    return hashlib.sha256(sources).hexdigest()


def _stat(path: str | Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of a file, or of all files in a folder."""
    found = []
    for folder, _, names in os.walk(path):
        found += [Path(folder, name) for name in names]
    if not found and os.path.isfile(path):
        found = [Path(path)]
    # A link may lead nowhere.
    known = ((path, path.stat()) for path in found if path.exists())
    return sorted((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in known)
