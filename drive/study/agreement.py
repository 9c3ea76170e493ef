"""Hold the drive in no time against a drive behind the real nodes: the same seeds, the same frames.

    python -m drive.study.agreement [--summary docs/drive.json] [--json FILE]

The summary is that of `make drive ARGS=--real`. The model answers every frame anew, without a grid:
about half a minute a path on an idle core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drive.journey import Frame, Journey
from drive.policy import OURS, RATE
from drive.robot import FLOOR
from drive.scene.camera import frame_noise, photograph
from drive.scene.pictures import read_pictures
from drive.scene.world import make_world
from drive.simulated import drive_in_no_time
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier import demo_model
from eevit_ros.perception.perception import Observation, Perception, PerceptionSettings
from eevit_ros.speed.rate import RateSettings

SUMMARY = Path(__file__).parents[2] / 'docs' / 'drive.json'


def main() -> None:
    """Drive the seeds of the summary and print both means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--summary', type=Path, default=SUMMARY, help='default: docs/drive.json')
    parser.add_argument('--json', type=Path, help='file for the figures')
    args = parser.parse_args()
    summary = json.loads(args.summary.read_text())
    cv2.setNumThreads(1)
    engine = Engine(demo_model(), compute=Compute(provider='cpu', threads=1))
    age_s = summary['real_time']['age_ms']['p50'] / 1000
    found: dict[str, Any] = {'seconds': [], 'missed': []}
    for seed in range(summary['comparison']['seeds']):
        journey = _drive(engine, seed, age_s)
        found['seconds'].append(round(journey.time_s, 2))
        found['missed'].append(sum(sign['read_m'] is None for sign in journey.signs()))
        print(f'seed {seed}: {found["missed"][-1]} missed, {journey.time_s:.1f} s', flush=True)
    (real,) = (row for row in summary['comparison']['policies'] if row['policy'] == OURS)
    found['real'] = {
        'seconds': real['seconds'],
        'missed': real['missed'] / summary['comparison']['seeds'],
    }
    for name, form in (('missed', '.2f'), ('seconds', '.1f')):
        print(f'{name}: {np.mean(found[name]):{form}}, real nodes {found["real"][name]:{form}}')
    if args.json:
        args.json.write_text(json.dumps(found) + '\n')


def _drive(engine: Engine, seed: int, age_s: float) -> Journey:
    pictures = read_pictures()
    settings = PerceptionSettings(rate=RateSettings(floor=FLOOR, **RATE))  # type: ignore[arg-type]
    perception = Perception(engine, settings)
    journey = Journey(make_world(seed), lambda number: pictures[number].label)

    def observe(frame: Frame) -> Observation:
        noise = frame_noise(seed, frame.place_m, frame.number)
        image = photograph(pictures[frame.view.picture].pixels, frame.view, noise)
        return perception.observe(image)

    drive_in_no_time(journey, perception, observe, age_s)
    return journey


if __name__ == '__main__':
    main()
