"""Run many cases of one target.

    python -m fuzz images --cases 1000000 --seed 1

A finding is printed with the command that makes it again. Ends with 1 if there was any.
"""

from __future__ import annotations

import argparse
import sys

from fuzz.runner import TARGETS, Tally, run_cases


def main() -> int:
    """Run, print the figures, return the exit code."""
    parser = argparse.ArgumentParser(prog='python -m fuzz', description=__doc__.splitlines()[0])
    parser.add_argument('target', choices=TARGETS)
    parser.add_argument('--cases', type=int, default=10_000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--first', type=int, default=0, help='index of the first case')
    parser.add_argument(
        '--seconds', type=float, default=60.0, help='after which a case counts as hanging'
    )
    args = parser.parse_args()
    tally = run_cases(args.target, args.seed, args.first, args.cases, args.seconds)
    again = f'python -m fuzz {args.target} --seed {args.seed} --cases 1 --first'
    for finding in tally.findings:
        print(f'FOUND {again} {finding.index}\n{finding.what}\n')
    print(describe(args.target, args.seed, tally))
    return 1 if tally.findings else 0


def describe(target: str, seed: int, tally: Tally) -> str:
    """Return the figures of a run."""
    lines = [f'{target}, seed {seed}: {tally.cases} cases in {tally.wall_s:.0f} s']
    lines += [f'{count:>10} {name}' for name, count in tally.outcomes.most_common()]
    lines += [
        f'{len(tally.findings):>10} findings',
        f'slowest: case {tally.slowest}, {tally.slowest_s * 1e3:.1f} ms of CPU time; '
        f'most memory of a worker, imports included: {tally.peak_bytes / 1e6:.0f} MB',
    ]
    return '\n'.join(lines)


if __name__ == '__main__':
    sys.exit(main())
