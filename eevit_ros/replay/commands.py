"""The work of each command, from parsed options to files and an exit code."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eevit_ros.parameters.cameras import camera_settings
from eevit_ros.parameters.classifier import Settings
from eevit_ros.parameters.topics import DETECTIONS, IMAGE
from eevit_ros.recordings.bag.topics import topics_by_camera
from eevit_ros.recordings.folder import TEST_LIST, is_picture
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.exit_codes import LEFT_OUT, NOT_MET, OK
from eevit_ros.replay.options import CameraOptions, ReplayOptions
from eevit_ros.replay.parameters import classifier_settings, governor_settings
from eevit_ros.replay.report.comparison_page import write_comparison
from eevit_ros.replay.report.foxglove import write_layout
from eevit_ros.replay.report.page import write_report
from eevit_ros.replay.report.tables import saved_lines
from eevit_ros.replay.results.comparison import compare_results
from eevit_ros.replay.results.gate import (
    check_names,
    check_requirements,
    parse_requirement,
    write_junit,
)
from eevit_ros.replay.results.summary import metric_names
from eevit_ros.replay.running.batch import BAG
from eevit_ros.replay.running.latency import open_latency
from eevit_ros.replay.running.output_bag import picture_topic
from eevit_ros.replay.running.pipeline import SOURCES, replay
from eevit_ros.replay.tuning import tune_thresholds


def run(options: argparse.Namespace) -> int:
    """Replay, report, and check the requirements."""
    requirements = [parse_requirement(text) for text in options.require]
    check_names(requirements, metric_names())
    if options.parquet:
        _check_parquet()
    chosen = _options(options, options.params, _assignments(options))
    recorded_mps = options.recorded_speed
    if recorded_mps is not None and not 0 < recorded_mps < math.inf:
        raise ReplayError(f'--recorded-speed must be above 0 m/s. Got {recorded_mps}')
    if recorded_mps is not None and chosen.cameras:
        raise ReplayError('--recorded-speed takes recordings of one camera: give one --topic')
    result = replay(options.paths, chosen, options.out, recorded_mps)
    page = write_report(options.out, result, chosen)
    if options.output_bag:
        for source in result.facts['sources']:
            camera, topic = next(iter(source.get('topics', {'': source['topic']}).items()))
            folder = options.out / SOURCES / source['name'] / BAG
            write_layout(folder, picture_topic(topic), camera)
    if options.parquet:
        result.frames.to_parquet(options.out / 'frames.parquet', index=False)
    # What this run cannot know is not met.
    metrics = {**dict.fromkeys(metric_names()), **result.summary['metrics']}
    checked = check_requirements(requirements, metrics)
    if options.junit:
        options.junit.parent.mkdir(parents=True, exist_ok=True)
        write_junit(options.junit, checked, result.problems)
    _print_metrics(result.summary['metrics'])
    if recorded_mps is not None:
        print('\n'.join(f'  {line}' for line in saved_lines(result.summary['time_saved'])))
    for requirement in checked:
        print(f'  {requirement}')
    for path in options.paths:
        # A folder with pictures beside the list has no classes, and all of it is replayed.
        if (listed := path / TEST_LIST).is_file() and not any(map(is_picture, path.iterdir())):
            print(f'  note: only the images that {listed} sets aside for tests are replayed')
    _print_end(result.problems, f'open {page.absolute().as_uri()} in a browser')
    if not all(requirement.met for requirement in checked):
        return NOT_MET
    return LEFT_OUT if result.problems else OK


def compare(options: argparse.Namespace) -> int:
    """Replay twice and compare frame by frame."""
    # Both are checked before either is replayed.
    sides = {side: _options(options, *_side(getattr(options, side))) for side in ('a', 'b')}
    a, b = (replay(options.paths, sides[side], options.out / side) for side in sides)
    for result, side in zip((a, b), sides, strict=True):
        write_report(options.out / side, result, sides[side])
    comparison = compare_results(a, b)
    page = write_comparison(options.out, comparison, a, b, options=sides['a'])
    print('\n'.join(comparison.lines()))
    problems = list(dict.fromkeys([*a.problems, *b.problems]))
    _print_end(problems, f'open {page.absolute().as_uri()} in a browser')
    return LEFT_OUT if problems else OK


def tune(options: argparse.Namespace) -> int:
    """Choose thresholds on the recordings and write them as a parameter file."""
    chosen = _options(options, options.params, _assignments(options))
    if chosen.with_regions:
        raise ReplayError('tune knows whole images alone: give it -p regions:=false')
    tuning = tune_thresholds(options.paths, chosen, max_drop=options.max_drop, folder=options.out)
    print('\n'.join(tuning.lines()))
    file = tuning.file.absolute()
    _print_end(tuning.problems, f'give {file} to the node as its params_file, or to --params here')
    return LEFT_OUT if tuning.problems else OK


def _options(
    options: argparse.Namespace, params: Path | None, assignments: Sequence[str]
) -> ReplayOptions:
    if options.workers < 1:
        raise ReplayError(f'--workers must be 1 or more. Got {options.workers}')
    open_latency(options.latency)  # refuses a wrong value once, not for every recording
    topics = topics_by_camera(options.topic)
    detections = topics_by_camera(options.detections)
    named = [camera for camera in topics if camera]
    settings, given = classifier_settings(params, assignments, named)
    cameras = _cameras(settings, given, topics, detections, options.truth)
    chosen = ReplayOptions(
        settings=settings,
        governor=governor_settings(options.governor_params),
        topic=topics.get(''),
        detections=detections.get(''),
        truth=', '.join(options.truth) if cameras else _one('--truth', options.truth),
        cameras=cameras,
        latency=options.latency,
        real_time=options.real_time,
        reference=options.reference == 'full',
        output_bag=getattr(options, 'output_bag', False),
        given=given,
        workers=options.workers,
        cluster=options.cluster,
    )
    if detections and not chosen.with_regions:
        raise ReplayError('--detections needs -p regions:=true, or that in --params')
    return chosen


def _cameras(
    settings: Settings,
    given: Mapping[str, Any],
    topics: Mapping[str, str],
    detections: Mapping[str, str],
    truth: Sequence[str],
) -> dict[str, CameraOptions]:
    """Return the options of several cameras; none for the only one."""
    for option, named in (('--topic', topics), ('--detections', detections)):
        for name in named:
            if settings.cameras and name not in settings.cameras:
                raise ReplayError(
                    f'{option} {name}={named[name]} names a camera that the parameter cameras does '
                    f'not: {", ".join(settings.cameras)}'
                    if name
                    else f'{option} {named[name]} does not say of which camera: give CAMERA=TOPIC, '
                    f'with CAMERA one of {", ".join(settings.cameras)}'
                )
    if not settings.cameras:
        return {}
    common = [text for text in truth if text.partition('=')[0] not in settings.cameras]
    own = dict(text.split('=', 1) for text in truth if text not in common)
    return {
        name: CameraOptions(
            settings=of_camera,
            topic=topics.get(name, f'/{IMAGE.of(name).name}'),
            detections=detections.get(name, f'/{DETECTIONS.of(name).name}'),
            truth=own.get(name, _one('--truth', common)),
            weight=of_camera.weight,
        )
        for name, of_camera in camera_settings(given).items()
    }


def _one(option: str, given: Sequence[str]) -> str | None:
    if len(given) > 1:
        raise ReplayError(f'{option} is given {len(given)} times: {", ".join(given)}')
    return given[0] if given else None


def _assignments(options: argparse.Namespace) -> list[str]:
    return [*options.assignments, *([f'model:={options.model}'] if options.model else [])]


def _side(given: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Split the values of -a or -b into a parameter file and single parameters."""
    files = [text for text in given if ':=' not in text]
    if len(files) > 1:
        raise ReplayError(f'-a and -b take one parameter file each. Got {", ".join(files)}')
    return Path(files[0]) if files else None, [text for text in given if ':=' in text]


def _check_parquet() -> None:
    """Raise ReplayError where pandas cannot write Parquet, before hours of work."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as err:
        raise ReplayError('--parquet needs pyarrow: pip install pyarrow') from err


def _print_metrics(metrics: dict[str, Any]) -> None:
    print()
    for name, value in metrics.items():
        if value is not None:
            shown = str(value) if isinstance(value, int) else f'{value:.4f}'
            print(f'  {name:<26}{shown:>12}')
    print()


def _print_end(problems: Sequence[str], next_step: str) -> None:
    for problem in problems:
        print(f'  skipped or suspicious: {problem}')
    print(f'\nNext: {next_step}')
