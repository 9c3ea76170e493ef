"""From paths to a result folder: replay, merge, summarise, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from eevit_ros.recordings.open import open_source
from eevit_ros.recordings.source import Source
from eevit_ros.recordings.truth import unknown_classes
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.options import How
from eevit_ros.replay.report.foxglove import write_layout
from eevit_ros.replay.report.page import write_json, write_report
from eevit_ros.replay.report.pictures import thumbnails, wanted
from eevit_ros.replay.results.frame_table import BAD, read_frames, read_limits
from eevit_ros.replay.results.summary import summarise
from eevit_ros.replay.running.batch import (
    BAG,
    FRAMES,
    LIMITS,
    Done,
    Job,
    find_sources,
    load_engine,
    merge,
    run_batch,
)
from eevit_ros.replay.running.latency import latency_text
from eevit_ros.reporting.host_info import describe_machine

SOURCES = 'sources'  # sub-folder of a result folder: one folder a recording


@dataclass(frozen=True)
class Plan:
    """What to replay and how; the command line's options, checked.

    Attributes:
        paths: Recordings, or folders of them.
        given: Parameters of the classifier that were given, for the report.
        how: To replay each.
        workers: Processes side by side.
        cluster: Address of a Dask scheduler; '' for this computer.
    """

    paths: tuple[Path, ...]
    given: dict[str, Any]
    how: How
    workers: int = 1
    cluster: str = ''


@dataclass(frozen=True)
class Result:
    """What a replay came to; all but the tables is in report.json."""

    frames: pd.DataFrame
    limits: pd.DataFrame
    summary: dict[str, Any]
    facts: dict[str, Any]
    problems: list[str]


def replay(plan: Plan, folder: Path) -> Result:
    """Replay into `folder`; what is there already, under the same settings, is not done again.

    Raises:
        EevitError: The model, a parameter or every recording is wrong.
    """
    engine = load_engine(plan.how.settings)
    jobs = _jobs(plan, folder, engine.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    quiet = True if len(jobs) == 1 else None  # None: on a terminal alone
    with tqdm(total=len(jobs), desc='recordings', unit='', disable=quiet) as bar:

        def on_done(job: Job, done: Done) -> None:
            bar.update()
            if not done.source and len(jobs) > 1:
                bar.write('; '.join(done.problems))

        results = run_batch(jobs, workers=plan.workers, cluster=plan.cluster, on_done=on_done)
    problems = [problem for done in results for problem in done.problems]
    done_jobs = [job for job, done in zip(jobs, results, strict=True) if done.source]
    if not done_jobs:
        raise ReplayError('\n'.join(problems))
    merge(done_jobs, folder)
    frames, limits = read_frames(folder / FRAMES), read_limits(folder / LIMITS)
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
        'clock': 'real-time' if plan.how.real_time else 'as-fast-as-possible',
        'latency': latency_text(plan.how.latency),
        'parameters': {name: str(value) for name, value in plan.given.items()},
        'min_confidence': plan.how.settings.perception.rate.min_confidence,
        'governor': asdict(plan.how.governor),
        'truth': plan.how.truth or ('names of folders' if (frames['truth'] != '').any() else ''),
        'reference': plan.how.reference,
        'machine': describe_machine(),
        'sources': [done.source for done in results if done.source],
    }
    problems += _problems_of(frames, meta.class_names)
    return Result(frames, limits, summarise(frames, limits, facts), facts, problems)


def report(result: Result, plan: Plan, folder: Path) -> Path:
    """Write the page, its data, and what goes with output bags; return the page."""
    pictures = thumbnails(open_again(result.facts, plan.how.topic), wanted(result.frames))
    write_json(folder, result.summary, result.facts, result.problems)
    if plan.how.output_bag:
        for source in result.facts['sources']:
            write_layout(folder / SOURCES / source['name'] / BAG, source['topic'])
    return write_report(
        folder,
        result.frames,
        result.limits,
        result.summary,
        result.facts,
        result.problems,
        pictures,
    )


def open_again(facts: dict[str, Any], topic: str | None) -> list[Source]:
    """Return the recordings of a result, opened once more, under the names they had."""
    sources = []
    for about in facts['sources']:
        source = open_source(Path(about['path']), topic)
        source.name = about['name']
        sources.append(source)
    return sources


def _jobs(plan: Plan, folder: Path, sha256: str) -> list[Job]:
    paths = [source.absolute() for path in plan.paths for source in find_sources(path)]
    how = plan.how.anywhere()
    jobs: dict[str, Job] = {}
    for path in paths:
        stem = path.resolve().name
        name, number = stem, 2
        while name in jobs:
            name, number = f'{stem}-{number}', number + 1
        jobs[name] = Job(
            name=name,
            path=path,
            folder=folder.absolute() / SOURCES / name,
            how=how,
            model_sha256=sha256,
        )
    return list(jobs.values())


def _problems_of(frames: pd.DataFrame, class_names: Sequence[str]) -> list[str]:
    """Say what the table shows to have been left out."""
    problems = []
    bad = frames[frames['status'] == BAD]
    for name, rows in bad.groupby('bag', observed=True):
        first = rows.iloc[0]
        problems.append(
            f'{name}: {len(rows)} frame(s) could not be read, the first is frame {first["index"]} '
            f'at stamp {first["stamp_ns"]} ns: {first["notes"]}'
        )
    return [*problems, *unknown_classes(frames['truth'].astype(str), class_names)]
