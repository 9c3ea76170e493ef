"""The offline study of a model: every world, every law, both oracles, and what is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drive.errors import DriveError
from drive.scene.world import SIGNS
from drive.study import laws, plans
from drive.study.fleet import Driver, Route, Values, drive
from drive.study.laws import Law, LawDriver
from drive.study.measures import (
    Curve,
    Weigher,
    interval,
    missed_at_same_time,
    missed_in_zone,
    saved,
    saved_at,
)
from drive.study.seen.answers import AnswerFile, Answers, read_answers
from drive.study.worlds import PARTS, REPORT, SHEET, WORLDS, make_paths
from eevit_ros.errors import EevitError
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.parameters.classifier import demo_model

CACHE = Path(__file__).parents[2] / 'build' / 'drive' / 'answers.json'
ORACLE_SETTINGS = 10


@dataclass(frozen=True)
class Setup:
    """What the study needs of a model.

    Attributes:
        part: 'development', 'report' or 'sheet'.
        answers: To the part's pictures, by condition.
        model: What the model says of itself.
        sha256: Of its file.
    """

    part: str
    answers: Mapping[str, Answers]
    model: ModelMetadata
    sha256: str

    def route(self, world: str) -> Route:
        """Return the paths of a world."""
        part = PARTS[self.part]
        return Route(make_paths(WORLDS[world], part), part, self.answers, self.model)


def open_setup(
    part: str,
    model: Path | None = None,
    *,
    cifar: Path | None = None,
    processes: int = 1,
    show: Callable[[float], None] = lambda share: None,
) -> Setup:
    """Read the answers of a model, and compute those that are missing.

    Args:
        part: 'development' or 'report'; 'sheet' takes the place of 'report' where answers would
            have to be computed and CIFAR-100 is not there.
        model: Model file; None for the one that ships.
        cifar: Folder of CIFAR-100, see `seen.pictures.read_pixels`; None if it is not there.
        processes: That compute side by side.
        show: Called with the share of the missing conditions that are done.

    Raises:
        DriveError: The model cannot be run, or a file of answers is damaged.
    """
    model = model or demo_model()
    try:
        engine = Engine(model, compute=Compute(provider='cpu', threads=1))
    except EevitError as err:
        raise DriveError(str(err)) from err
    if part == REPORT and cifar is None and not AnswerFile(CACHE, engine.sha256).has(part):
        part = SHEET
    answers = read_answers(
        model, engine.sha256, part, cache=CACHE, cifar=cifar, processes=processes, show=show
    )
    return Setup(part, answers, engine.metadata, engine.sha256)


def run_study(setup: Setup, show: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Drive all worlds by all reported laws; return every figure, for a file of JSON.

    Args:
        setup: The model's answers.
        show: Called with the share of worlds that are done.
    """
    worlds = {}
    for number, name in enumerate(WORLDS, 1):
        worlds[name] = compare_on(setup.route(name), laws.reported())
        show(number / len(WORLDS))
    return {
        'model': {'name': setup.model.name, 'sha256': setup.sha256},
        'part': setup.part,
        'paths': len(PARTS[setup.part].seeds),
        'pictures': len(PARTS[setup.part].signs),
        'signs': SIGNS,
        'worlds': worlds,
    }


def compare_on(route: Route, of_laws: Mapping[str, tuple[Law, int]]) -> dict[str, Any]:
    """Drive one world's paths by constant speeds, oracles and laws; return every figure.

    Args:
        route: The paths.
        of_laws: Each law with the number of its reported setting, the node's defaults first.
    """
    weigher = Weigher(route)

    def curve(driver: Driver) -> Curve:
        return weigher.curve(drive(route, driver))

    constant_driven = drive(route, plans.constant_speeds())
    constant = weigher.curve(constant_driven)
    needed = plans.fastest_reading(constant_driven)
    rates = constant.rates[0]
    risks = np.linspace(rates.max(1).min(), rates.max(1).max(), ORACLE_SETTINGS)
    worth = [plans.slowest_worth(needed, route.condition, risk) for risk in risks]
    each = np.array(plans.SPEEDS_MPS)[:, np.newaxis]
    everywhere = np.broadcast_to(each, (len(each), rates.shape[1]))
    oracles = {
        'light': (
            curve(plans.by_zone(route, [plans.zone_speeds(rates, risk) for risk in risks])),
            curve(plans.by_zone(route, plans.zone_speeds_for_all(rates))),
        ),
        'thing': (
            curve(plans.by_thing(route, np.array(worth), needed)),
            curve(plans.by_thing(route, everywhere, needed)),
        ),
    }
    driven = {name: curve(LawDriver(law, route.frames)) for name, (law, _) in of_laws.items()}
    at_setting = {name: driven[name].setting(number) for name, (_, number) in of_laws.items()}
    defaults = saved(next(iter(at_setting.values())), constant)
    return {
        'conditions': list(route.paths.conditions),
        'constant': {'speed_mps': list(plans.SPEEDS_MPS), **_figures(constant)},
        'oracles': {name: _figures(worst) for name, (worst, _) in oracles.items()},
        'laws': {
            name: {
                'knobs': list(law.knobs),
                'setting': setting,
                **_figures(driven[name]),
                **_compared(at_setting[name], constant, oracles),
                'more_than_defaults': _interval(saved(at_setting[name], constant) - defaults),
                'zones': _by_zone(at_setting[name], constant, route.paths.conditions),
            }
            for name, (law, setting) in of_laws.items()
        },
    }


def _compared(
    law: Curve, constant: Curve, oracles: Mapping[str, tuple[Curve, Curve]]
) -> dict[str, Any]:
    at_worst, at_all = saved(law, constant), saved(law, constant, worst=False)
    found: dict[str, Any] = {
        'saved': _interval(at_worst),
        'saved_in_all': _interval(at_all),
        'more_missed_in_same_time': _interval(missed_at_same_time(law, constant, SIGNS)),
        'worst_in_same_time': _interval(missed_at_same_time(law, constant, 1, worst=True)),
    }
    for name, (for_worst, for_all) in oracles.items():
        found[f'saved_by_{name}'] = _interval(saved_at(for_worst, law, constant))
        found[f'saved_in_all_by_{name}'] = _interval(saved_at(for_all, law, constant, worst=False))
        found[f'more_than_{name}'] = _interval(at_worst - saved_at(for_worst, law, constant))
    return found


def _by_zone(law: Curve, constant: Curve, conditions: Sequence[str]) -> dict[str, Any]:
    return {
        name: {
            'missed': round(float(law.rates[0, 0, kind]), 4),
            'seconds': round(float(law.zone_seconds[0, 0, kind]), 2),
            'more_in_same_time': _interval(missed_in_zone(law, constant, kind, zone_time=False)),
            'more_in_same_zone_time': _interval(
                missed_in_zone(law, constant, kind, zone_time=True)
            ),
        }
        for kind, name in enumerate(conditions)
    }


def _figures(curve: Curve) -> dict[str, Any]:
    return {
        'seconds': np.round(curve.seconds[0], 2).tolist(),
        'worst': np.round(curve.worst[0], 4).tolist(),
        'total': np.round(curve.total[0], 4).tolist(),
        'rates': np.round(curve.rates[0], 4).tolist(),
    }


def _interval(draws: Values) -> dict[str, float]:
    return {name: round(value, 4) for name, value in interval(draws)._asdict().items()}
