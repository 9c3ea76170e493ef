"""How long from a fault to the speed limit's floor, with real processes, on this machine.

    python -m benchmarks.fault_times [--rounds 10] [--json build/benchmarks/fault_times.json]

The faults are those of test/eevit_ros/nodes/test_faults.py, which asserts what is only timed here.
For a governor that was killed or frozen the time is how long navigation held the old limit: its
standby took over; or, without one, it was restarted at once, or continued after about a second.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from itertools import groupby
from pathlib import Path

from harness.faults import FAULTS, STATED_S, measure
from harness.speed_chain import open_chain

COLUMNS = ('least', 'median', 'most', 'received', 'waited')


def main() -> None:
    """Measure, print a table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--json', type=Path, default=Path('build/benchmarks/fault_times.json'))
    args = parser.parse_args()

    print(f'{"s from fault to floor":42}' + ''.join(f'{column:>9}' for column in COLUMNS))
    rounds: dict[str, list[dict[str, float]]] = {}
    for kind, faults in groupby(FAULTS, key=lambda fault: fault.kind):
        with tempfile.TemporaryDirectory() as folder, open_chain(kind, Path(folder)) as chain:
            for fault in faults:
                outcomes = [measure(chain, fault) for _ in range(args.rounds)]
                rounds[fault.name] = [
                    {'sent': o.floor_s, 'received': o.received_s, 'waited': o.waited_s}
                    for o in outcomes
                ]
                times = [outcome.floor_s for outcome in outcomes]
                figures = (
                    *(min(times), statistics.median(times), max(times)),
                    max(outcome.received_s for outcome in outcomes),
                    max(outcome.waited_s for outcome in outcomes),
                )
                print(f'{fault.name:42}' + ''.join(f'{f:9.3f}' for f in figures), flush=True)
    print(
        f'{args.rounds} rounds; stated: {STATED_S} s, unless the governor itself is gone. Least, '
        'median, most: until the governor\nsent the floor; received: the most until it was heard. '
        'waited: the most, all threads together,\nthat the machine kept the processes waiting for '
        'a core.'
    )

    machine = {'processor': platform.processor() or platform.machine(), 'cores': os.cpu_count()}
    args.json.parent.mkdir(parents=True, exist_ok=True)
    report = {'machine': machine, 'seconds': rounds}
    args.json.write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    main()
