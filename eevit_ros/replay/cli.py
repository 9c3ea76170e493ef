"""The command line: `replay run`, `replay compare`, `replay tune`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.replay.exit_codes import FAILED, LEFT_OUT, NOT_MET, OK, STOPPED
from eevit_ros.reporting.only_run import only_run

EXTRAS = {'cv2': 'opencv', 'onnxruntime': 'cpu'}  # that bring a package; all others: replay
EXIT_CODES = (
    f'exit code: {OK} all was evaluated and every requirement met; {FAILED} nothing could be done; '
    f'2 wrong usage; {LEFT_OUT} something was left out; {NOT_MET} a requirement is not met'
)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(args)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Here, so that --help answers at once and a missing package is named in one line.
        from eevit_ros.replay import commands
    except ModuleNotFoundError as err:
        extra = EXTRAS.get(err.name or '', 'replay')
        print(
            f"replay: {err.name} is missing: pip install 'eevit_ros[{extra}]', or from a checkout "
            f"pip install '.[{extra}]'",
            file=sys.stderr,
        )
        return FAILED
    except ImportError as err:
        print(
            f'replay: {err}: a package is too old or broken: pip install --upgrade '
            f"'eevit_ros[replay]', or from a checkout pip install --upgrade '.[replay]'",
            file=sys.stderr,
        )
        return FAILED
    try:
        with only_run(options.out, 'replay', '--out'):
            return int(getattr(commands, options.command)(options))
    except EevitError as err:
        print(f'replay: {err}', file=sys.stderr)
        return FAILED
    except OSError as err:
        # One that opens a file names it; a write that a full disk refuses does not.
        where = '' if err.filename else f' (while writing to {options.out}: is the disk full?)'
        print(f'replay: {err}{where}', file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        goes_on = '; run the same command again to go on after the last finished recording'
        again = '' if options.command == 'tune' else goes_on
        print(f'\nreplay: stopped{again}', file=sys.stderr)
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='replay',
        description='Replays recorded images through the classifier and the speed governor: what '
        'would the robot have done?',
        epilog=EXIT_CODES,
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    run = commands.add_parser('run', help='replay recordings and report', epilog=EXIT_CODES)
    _add_input(run)
    _add_parameters(run)
    _add_clock(run)
    run.add_argument(
        '--output-bag',
        action='store_true',
        help="write an mcap bag of each recording with the node's topics, and a Foxglove layout",
    )
    run.add_argument(
        '--recorded-speed',
        type=float,
        metavar='M/S',
        help='constant speed at which the recordings were driven: also tell how much time the rate '
        'saves against a constant speed of the same risk (needs --truth)',
    )
    run.add_argument('--parquet', action='store_true', help='write frames.parquet, too')
    run.add_argument(
        '--require',
        action='append',
        default=[],
        metavar='METRIC>=NUMBER',
        help='for CI: fail unless the figure holds (accuracy>=0.8, latency_p99_ms<=50, ...)',
    )
    run.add_argument('--junit', type=Path, help='where to write the outcome as a JUnit file')
    _add_output(run, 'replay')

    compare = commands.add_parser(
        'compare', help='the same recordings under two sets of parameters', epilog=EXIT_CODES
    )
    _add_input(compare)
    for side, what in (('a', 'the one'), ('b', 'the other')):
        compare.add_argument(
            f'-{side}',
            action='append',
            default=[],
            metavar='FILE|NAME:=VALUE',
            help=f'{what}: a parameter file, or single parameters; repeat',
        )
    _add_clock(compare)
    _add_output(compare, 'comparison')

    tune = commands.add_parser(
        'tune',
        help='thresholds for these recordings, from one pass at full depth',
        epilog=EXIT_CODES,
    )
    _add_input(tune)
    _add_parameters(tune)
    tune.add_argument(
        '--max-drop',
        type=float,
        default=0.01,
        help='accuracy that may be given up against full depth, as a share; without truth: how '
        'many answers may differ from those at full depth; default: 0.01',
    )
    _add_output(tune, 'tuning')
    tune.set_defaults(  # of a replay, which it is not
        governor_params=None, real_time=False, latency='measured', reference=None, workers=1,
        cluster='',
    )  # fmt: skip
    return parser


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'paths',
        nargs='+',
        type=Path,
        metavar='PATH',
        help='a bag (rosbag2 folder, .mcap, .db3, ROS 1 .bag), a video, a folder of images, or a '
        'folder of such recordings',
    )
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        metavar='TOPIC|CAMERA=TOPIC',
        help='of the images, where a bag has several; of several cameras, repeated: '
        'front=/front/image_raw',
    )
    parser.add_argument(
        '--detections',
        action='append',
        default=[],
        metavar='TOPIC|CAMERA=TOPIC',
        help="with -p regions:=true: topic of the detector's boxes (vision_msgs/Detection2DArray), "
        'where a bag has several',
    )
    parser.add_argument(
        '--truth',
        action='append',
        default=[],
        metavar='[CAMERA=]CSV|TOPIC',
        help='a CSV file (label and stamp, frame, start,end or first,last), or a topic of '
        'vision_msgs/Classification in the bag, with regions of vision_msgs/Detection2DArray; '
        'default: the sub-folders of a folder of images',
    )


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--params', type=Path, help='parameter file of the classifier')
    parser.add_argument(
        '-p',
        action='append',
        default=[],
        metavar='NAME:=VALUE',
        dest='assignments',
        help="one of the classifier's parameters, e.g. thresholds:=0.9; wins over --params; repeat",
    )
    parser.add_argument('--model', type=Path, help='short for -p model:=FILE')


def _add_clock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--governor-params', type=Path, help='parameter file of the governor')
    clock = parser.add_mutually_exclusive_group()
    clock.add_argument(
        '--as-fast-as-possible',
        action='store_false',
        default=False,  # argparse would take the opposite of what the option stores
        dest='real_time',
        help='answer every frame (default)',
    )
    clock.add_argument(
        '--real-time',
        action='store_true',
        help='drop the frames that the live node would have dropped',
    )
    parser.add_argument(
        '--latency',
        default='measured',
        metavar='measured|MS|FRAMES.CSV',
        help='how long a frame keeps the network busy: as measured here (default), so many '
        'milliseconds, or as another run recorded, for instance one on the robot',
    )
    parser.add_argument(
        '--reference',
        choices=['full'],
        help='full: compare each answer with the one at full depth (takes longer)',
    )
    parser.add_argument(
        '--workers', type=int, default=1, help='recordings side by side, by Dask; default: 1'
    )
    parser.add_argument(
        '--cluster', default='', metavar='ADDRESS', help='a Dask scheduler to use instead'
    )


def _add_output(parser: argparse.ArgumentParser, folder: str) -> None:
    parser.add_argument(
        '--out',
        type=Path,
        default=Path(folder),
        help=f'folder of the results; default: {folder}',
    )
