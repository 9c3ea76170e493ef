"""Hold `replay`'s time saved against the study's: recordings of its paths, driven at the floor.

    python -m drive.study.replayed [--paths 40] [WORLD ...]

The paths are those of the sheet; no model runs, and no picture is drawn. A cell has two frames, so
every second recorded one is the same, and replay misses a little less than the study.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from drive.journey import FRAME_INTERVAL_S, Frame
from drive.robot import ACCELERATION_MPS2, FLOOR, TOP_SPEED_MPS
from drive.scene.world import LENGTH_M
from drive.study.exact import ExactPath, label_of
from drive.study.fleet import AGE_S, Route
from drive.study.laws import reported
from drive.study.study import compare_on, open_setup
from drive.study.worlds import PARTS, SHEET
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.replay.results.frame_table import ANSWERED, COLUMNS, FrameRow
from eevit_ros.replay.results.time_saved import TimeSaved, time_saved
from eevit_ros.reporting.interval import Interval
from eevit_ros.speed.rate import RateSettings

RECORDED_MPS = FLOOR * TOP_SPEED_MPS
ROBOT = PerceptionSettings(
    rate=RateSettings(floor=FLOOR, max_speed_mps=TOP_SPEED_MPS, deceleration_mps2=ACCELERATION_MPS2)
)


def main() -> None:
    """Print both figures for each world."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--paths', type=int, default=40, help='default: 40')
    parser.add_argument('worlds', nargs='*', default=['balanced', 'fog'], metavar='WORLD')
    args = parser.parse_args()
    PARTS[SHEET] = replace(PARTS[SHEET], seeds=PARTS[SHEET].seeds[: args.paths])
    setup = open_setup(SHEET)
    name, law = next(iter(reported().items()))
    for world in args.worlds:
        route = setup.route(world)
        study = compare_on(route, {name: law})['laws'][name]['saved']
        both = {
            'the study': Interval(**study),
            'replay': replayed(route, setup.model).saved,
        }
        for whose, found in both.items():
            text = Interval(*(100 * share for share in found)).text('.0f')
            print(f'{world}, {name}, {args.paths} paths: {whose} says {text} %', flush=True)


def replayed(route: Route, model: ModelMetadata) -> TimeSaved:
    """Return what `replay` says of recordings of all paths, by the node's default rate law."""
    rows = [
        row
        for number in range(len(route.paths.sign_m))
        for row in recorded(ExactPath(route, number, model), f'path {number}')
    ]
    frames = pd.DataFrame(rows, columns=list(COLUMNS))
    found = time_saved(frames, ROBOT, FLOOR, RECORDED_MPS)
    assert found is not None
    return found


def recorded(path: ExactPath, bag: str) -> Iterator[FrameRow]:
    """Yield the frames of a path that is driven at the floor; a sign's place is its condition."""
    for number in range(int(LENGTH_M / RECORDED_MPS / FRAME_INTERVAL_S)):
        time_s = number * FRAME_INTERVAL_S
        view = path.view(time_s * RECORDED_MPS)
        seen = path.observe(Frame(number, time_s, time_s * RECORDED_MPS, RECORDED_MPS, view))
        result, time_ns = seen.result, round(time_s * 1e9)
        is_sign = view.sign is not None
        yield FrameRow(
            bag, number, time_ns, time_ns, ANSWERED, result.class_name,
            truth=label_of(view.picture) if is_sign else '',
            confidence=result.confidence, exit_layer=result.exit_layer, depth=result.depth,
            age_ms=1000 * AGE_S, notes='blind' if seen.blind else '',
            place=path.signs[view.sign].zone if view.sign is not None else '',
            contrast=seen.contrast,
        )  # fmt: skip


if __name__ == '__main__':
    main()
