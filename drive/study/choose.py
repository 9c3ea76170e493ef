"""Compare settings of the laws on the development paths.

    python -m drive.study.choose [--laws depth,risk]

A setting's score is the time that it saves at equal worst-zone risk against a constant speed: mean
over the worlds, and over those knobs whose risk some constant speed between 0.6 and 1.6 m/s has.
What an answer is worth (`risk`) is learned on the sheet's other pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from drive.study.fleet import Driver, Route, drive
from drive.study.laws import Law, LawDriver, Smoothing, candidates
from drive.study.measures import Curve, Weigher, saved
from drive.study.plans import SPEEDS_MPS, constant_speeds
from drive.study.seen.risk import risk_table
from drive.study.study import open_setup
from drive.study.worlds import DEVELOPMENT, PARTS, SHEET, WORLDS

SMOOTHINGS = [
    Smoothing(attack_s, release_per_s, easy_frames)
    for attack_s, release_per_s, easy_frames in (
        (0.15, 0.5, 3), (0.5, 1.0, 1), (0.5, 2.0, 1)
    )
]  # fmt: skip
SLOW, FAST = SPEEDS_MPS.index(0.6), SPEEDS_MPS.index(1.6)


def main() -> None:
    """Print a line for each law and smoothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--laws', help='names, with commas between; default: all')
    wanted = parser.parse_args().laws
    setup, other = open_setup(DEVELOPMENT), open_setup(SHEET)
    laws = candidates(risk_table(PARTS[SHEET], other.answers, other.model))
    routes = {name: setup.route(name) for name in WORLDS}
    constants = {name: _curve(route, constant_speeds()) for name, route in routes.items()}
    for name in wanted.split(',') if wanted else laws:
        for line in _lines(routes, constants, laws[name]):
            print(f'{name:25} {line}', flush=True)


def _lines(routes: Mapping[str, Route], constants: Mapping[str, Curve], law: Law) -> Iterator[str]:
    for smoothing in SMOOTHINGS:
        worst, total, knobs = [], [], []
        for name, route in routes.items():
            in_metres = law.smoothing.in_metres
            follows = replace(law, smoothing=replace(smoothing, in_metres=in_metres))
            curve = _curve(route, LawDriver(follows, route.frames))
            constant = constants[name]
            settings = range(len(law.knobs))
            gain = np.array([saved(curve.setting(k), constant)[0] for k in settings])
            in_all = [saved(curve.setting(k), constant, worst=False)[0] for k in settings]
            low, high = constant.worst[0, SLOW], constant.worst[0, FAST]
            inside = (low <= curve.worst[0]) & (curve.worst[0] <= high)
            worst.append(gain[inside].mean() if inside.any() else gain.mean())
            total.append(np.mean(in_all))
            knobs.append(gain)
        by_knob = ' '.join(
            f'{k:.2f}:{g:.2f}' for k, g in zip(law.knobs, np.mean(knobs, 0), strict=True)
        )
        rate = f'{smoothing.attack_s:4.2f} s {smoothing.release_per_s:3.1f}/s'
        in_each = ' '.join(f'{share:.2f}' for share in worst)
        score = f'worst {np.mean(worst):.3f} ({in_each}) all {np.mean(total):.3f}'
        yield f'{rate} {smoothing.easy_frames}  {score}  {by_knob}'


def _curve(route: Route, driver: Driver) -> Curve:
    return Weigher(route, resamples=1).curve(drive(route, driver))


if __name__ == '__main__':
    main()
