"""`python -m drive.study`: the offline study, in a few minutes.

    python -m drive.study [--model FILE [--cifar FOLDER]] [--json FILE]
                          [--document FILE --picture FILE]

The committed figures come from

    python -m drive.study --json docs/drive_study.json --document docs/drive.md \
        --picture docs/drive_study.png
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from drive.errors import DriveError
from drive.report import study as report
from drive.report.terminal import progress
from drive.study.study import open_setup, run_study
from drive.study.worlds import PARTS, REPORT
from eevit_ros.reporting.style import to_png


def main() -> int:
    """Run the study and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', type=Path, help='model file; default: the one that ships')
    parser.add_argument(
        '--part', choices=PARTS, default=REPORT, help='which paths; default: report'
    )
    parser.add_argument(
        '--cifar', type=Path, help='folder of CIFAR-100, for answers of a model that are not kept'
    )
    parser.add_argument('--json', type=Path, help='file for all figures')
    parser.add_argument('--document', type=Path, help='document to put the tables into')
    parser.add_argument('--picture', type=Path, help='file for the curves, PNG')
    args = parser.parse_args()
    try:
        with progress('answers of the model') as show:
            cores = len(os.sched_getaffinity(0))
            setup = open_setup(args.part, args.model, cifar=args.cifar, processes=cores, show=show)
        with progress('all worlds') as show:
            study = run_study(setup, show)
        if args.json:
            args.json.write_text(json.dumps(study) + '\n')
        if args.document:
            report.fill(args.document, report.tables(study))
        if args.picture:
            to_png(report.curves(study), args.picture)
    except (DriveError, OSError) as err:
        print(f'drive.study: {err}', file=sys.stderr)
        return 1
    print(report.lines(study))
    return 0


if __name__ == '__main__':
    sys.exit(main())
