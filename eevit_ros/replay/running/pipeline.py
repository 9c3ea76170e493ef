"""From paths to a result folder: replay, merge, summarise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from eevit_ros.recordings.open import find_recordings
from eevit_ros.recordings.truth import unknown_classes
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.results.frame_table import BAD, read_frames, read_limits
from eevit_ros.replay.results.region_table import read_regions
from eevit_ros.replay.results.result import Result
from eevit_ros.replay.results.summary import summarise
from eevit_ros.replay.results.time_saved import time_saved
from eevit_ros.replay.running.batch import (
    FRAMES,
    LIMITS,
    REGIONS,
    Job,
    JobResult,
    load_engine,
    merge,
    run_batch,
)
from eevit_ros.replay.running.latency import latency_text
from eevit_ros.reporting.host_info import describe_machine

SOURCES = 'sources'  # sub-folder of a result folder: one folder a recording


def replay(
    paths: Sequence[Path],
    options: ReplayOptions,
    folder: Path,
    recorded_mps: float | None = None,
) -> Result:
    """Replay into `folder`; a recording that is finished there is not replayed again.

    Args:
        paths: Recordings, or folders of them.
        options: How to replay each; another option, file or model starts it anew.
        folder: Made if missing.
        recorded_mps: Speed at which the recordings were driven, for the time saved; None if that is
            not known.

    Raises:
        EevitError: The model, a parameter or every recording is wrong.
    """
    engine = load_engine(options.settings)
    jobs = _jobs(paths, options, folder, engine.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    quiet = True if len(jobs) == 1 else None  # None: on a terminal alone
    with tqdm(total=len(jobs), desc='recordings', unit='', disable=quiet) as bar:

        def on_done(job: Job, done: JobResult) -> None:
            bar.update()
            if not done.source and len(jobs) > 1:
                bar.write('; '.join(done.problems))

        results = run_batch(jobs, workers=options.workers, cluster=options.cluster, on_done=on_done)
    problems = [problem for done in results for problem in done.problems]
    done_jobs = [job for job, done in zip(jobs, results, strict=True) if done.source]
    if not done_jobs:
        raise ReplayError('\n'.join(problems))
    merge(done_jobs, folder)
    frames, limits = read_frames(folder / FRAMES), read_limits(folder / LIMITS)
    regions = read_regions(folder / REGIONS) if options.with_regions else None
    meta = engine.metadata
    facts = {
        'model': {
            'name': meta.name,
            'sha256': engine.sha256,
            'layers': meta.layers,
            'exit_layers': list(meta.exit_layers),
            'thresholds': list(engine.thresholds),
            'backbone_macs': meta.backbone_macs,
        },
        'provider': engine.provider,
        'clock': 'real-time' if options.real_time else 'as-fast-as-possible',
        'latency': latency_text(options.latency),
        'parameters': {name: str(value) for name, value in options.given.items()},
        'min_confidence': options.settings.perception.rate.min_confidence,
        'governor': asdict(options.governor),
        'truth': options.truth or ('names of folders' if (frames['truth'] != '').any() else ''),
        'reference': options.reference,
        'machine': describe_machine(),
        'sources': [done.source for done in results if done.source],
    }
    problems += _problems_of(frames, meta.class_names)
    if regions is not None:
        problems += unknown_classes(regions['truth'], meta.class_names)
    saved = None
    if recorded_mps is not None:
        floor = options.governor.floor
        saved = time_saved(frames, options.settings.perception, floor, recorded_mps)
    summary = summarise(frames, limits, facts, saved, regions)
    return Result(frames, limits, summary, facts, problems)


def _jobs(paths: Sequence[Path], options: ReplayOptions, folder: Path, sha256: str) -> list[Job]:
    options = options.absolute()
    jobs: dict[str, Job] = {}
    for path in (found.absolute() for given in paths for found in find_recordings(given)):
        stem = path.resolve().name
        name, number = stem, 2
        while name in jobs:
            name, number = f'{stem}-{number}', number + 1
        jobs[name] = Job(
            name=name,
            path=path,
            folder=folder.absolute() / SOURCES / name,
            options=options,
            model_sha256=sha256,
        )
    return list(jobs.values())


def _problems_of(frames: pd.DataFrame, class_names: Sequence[str]) -> list[str]:
    """Return what the table shows to be wrong, one sentence each."""
    problems = []
    bad = frames[frames['status'] == BAD]
    for name, rows in bad.groupby('bag', observed=True):
        first = rows.iloc[0]
        problems.append(
            f'{name}: {len(rows)} frame(s) could not be read, the first is frame {first["index"]} '
            f'at stamp {first["stamp_ns"]} ns: {first["notes"]}'
        )
    return [*problems, *unknown_classes(frames['truth'].astype(str), class_names)]
