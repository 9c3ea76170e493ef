"""The options that say what thresholds shall reach, shared by `export` and `thresholds`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from eevit_ros.errors import EevitError
from eevit_ros.policies import build_policy
from model_export.calibration.choose import DELTA, MAX_DROP, Target
from model_export.errors import UsageError


def add_target_options(
    parser: argparse.ArgumentParser, policies: Iterable[str]
) -> argparse._MutuallyExclusiveGroup:
    """Add `--policy`, `--delta` and the targets; return the group of the targets."""
    parser.add_argument(
        '--policy',
        default='softmax',
        help=f'what is compared with a threshold, one of {", ".join(policies)} '
        '(default %(default)s)',
    )
    parser.add_argument(
        '--delta', type=float, default=DELTA, help='with --risk (default %(default)s)'
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        '--max-drop',
        type=float,
        help=f'share of accuracy that early exits may lose on other images, by cross-validation '
        f'(default {MAX_DROP})',
    )
    target.add_argument('--min-speedup', type=float, help='how many times fewer MACs at least')
    target.add_argument(
        '--risk', type=float, help='accuracy lost at most, promised with a chance of 1 - delta'
    )
    return target


def target_of(args: argparse.Namespace) -> Target:
    """Return the target that was asked for, or the default one.

    Raises:
        UsageError: A number is out of range.
    """
    given = {
        name: getattr(args, name, None) for name in ('max_drop', 'min_speedup', 'p99_ms', 'risk')
    }
    if all(value is None for value in given.values()):
        given['max_drop'] = MAX_DROP
    for name, value in {**given, 'delta': args.delta}.items():
        option = f'--{name.replace("_", "-")}'
        if value is None:
            continue
        if name in ('risk', 'delta') and not 0 < value < 1:
            raise UsageError(f'{option} must be a share within (0, 1). Got {value}')
        if name in ('min_speedup', 'p99_ms') and not value > 0:
            raise UsageError(f'{option} must be above 0. Got {value}')
        if name == 'max_drop' and not 0 <= value < 1:
            raise UsageError(
                f'{option} must be a share within [0, 1), 0.01 is 1 point. Got {value}'
            )
    return Target(**given, delta=args.delta)


def check_policy(name: str) -> None:
    """Refuse an unknown policy, before the long part.

    Raises:
        UsageError: There is no such policy.
    """
    try:
        build_policy(name, (1.0, 1.0))
    except EevitError as err:
        raise UsageError(f'--policy: {err}') from err
