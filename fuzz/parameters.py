"""Parameter files as the replay reads them, without ROS: damaged, made up, and malicious."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from random import Random
from typing import Any

from eevit_ros.parameters.classifier import SPECS, Settings
from eevit_ros.replay.parameters import classifier_settings, governor_settings
from eevit_ros.speed.limit import LimitSettings
from fuzz import Wrong
from fuzz.mutate import mutate

CONFIG = Path(__file__).resolve().parents[1] / 'config'

# What YAML makes something else of than one thinks, and what costs more than it looks.
VALUES = (
    *('1', '-1', '0', '0.5', '1.5', '1e400', '-1e400', '.nan', '.inf', '1e-3', '0x_', '0b', '1_0'),
    *('true', 'no', '~', '""', 'depth', '[]', '{}', '[depth, depth]', '[0.5, 0.9]', '[.nan]'),
    *(
        '2020-13-45',
        '2001-12-14t21:59:43.10-05:00',
        '1:99',
        '!!binary x',
        '!!python/name:os.system',
    ),
    *('!!int x', '!!float x', '!!timestamp x', '!!bool x', '!!set {a}', '!!omap [a]', '? [a]\n'),
    *('&a [*a]', '&a {b: *a}', '*unknown', '"\\ud800"', '"\\U00110000"', '\0', '\t', '9' * 5000),
    *('[' * 3000, '{a: ' * 3000, '- ' * 3000, '{[a]: 1}', '{{a: 1}: 1}', '<<: 1', '{<<: [1]}'),
)
BOMB = ''.join(
    ['a0: &a0 {x: 1}\n', *(f'a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}}}\n' for i in range(1, 40))]
)


def prepare(folder: Path) -> Callable[[Random], None]:
    """Read the shipped files; return what runs a case."""
    files = [path.read_bytes() for path in sorted(CONFIG.glob('*.yaml'))]
    path = folder / 'parameters.yaml'

    def run(rng: Random) -> None:
        path.write_bytes(made_file(files, rng))
        if rng.random() < 0.4:
            check_limit(governor_settings(path))
        else:
            check(classifier_settings(path, _assignments(rng))[0])

    return run


def made_file(files: list[bytes], rng: Random) -> bytes:
    """Return a shipped file that is damaged, or one made up of names and odd values."""
    if rng.random() < 0.4:
        return mutate(rng.choice(files), rng)
    node = rng.choice(('classifier', '/**', 'speed_governor', '/robot/classifier', '"*"'))
    lines = [f'{node}:\n  ros__parameters:']
    for name in rng.sample([*SPECS, 'floor', 'stale_after_s', 'nobody'], rng.randint(1, 3)):
        lines.append(f'    {name}: {rng.choice(VALUES)}')
    if rng.random() < 0.05:
        lines = [BOMB, *lines, '    rate: *a39']
    return '\n'.join(lines).encode('utf-8', 'replace')


def _assignments(rng: Random) -> list[str]:
    if rng.random() < 0.7:
        return []
    return [
        f'{rng.choice([*SPECS, "", "nobody"])}{rng.choice((":=", ":=", "="))}{rng.choice(VALUES)}'
    ]


def check(settings: Settings) -> None:
    """Hold accepted settings against the ranges that the parameters are described with."""
    values = dict(_flat(settings))
    for name, spec in SPECS.items():
        value = values[name]
        if spec.low is not None and spec.high is not None and not spec.low <= value <= spec.high:
            raise Wrong(f'{name} is {value}')
        if spec.choices and isinstance(value, str) and value not in spec.choices:
            raise Wrong(f'{name} is {value!r}')
        if isinstance(spec.default, float) and not math.isfinite(value):
            raise Wrong(f'{name} is {value}')
    if not all(0 <= threshold <= 1 for threshold in settings.thresholds):
        raise Wrong(f'thresholds are {settings.thresholds}')
    json.dumps(values, default=str).encode()  # as reports hold them


def _flat(settings: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    for one in fields(settings):
        value = getattr(settings, one.name)
        if is_dataclass(value):
            yield from _flat(value, prefix + one.metadata['prefix'])
        else:
            yield prefix + one.name, value


def check_limit(settings: LimitSettings) -> None:
    """Nothing that a file says may let the governor send a limit of 0, which means none."""
    if not 0 < settings.floor <= 1 or not all(
        math.isfinite(value) for value in asdict(settings).values()
    ):
        raise Wrong(f'accepted {settings}')
