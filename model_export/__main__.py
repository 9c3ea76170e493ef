"""The workstation's commands: `python -m model_export COMMAND`, from recipe to study."""

from __future__ import annotations

import argparse
import sys
from io import TextIOWrapper

from eevit_ros.errors import EevitError
from model_export.commands import (
    counting,
    describe,
    evaluate,
    export,
    export_regression,
    plan,
    save,
    study,
    thresholds,
    train,
)
from model_export.errors import ModelExportError, UsageError

COMMANDS = {
    'train': train,
    'describe': describe,
    'plan': plan,
    'save': save,
    'export': export,
    'export-regression': export_regression,
    'counting': counting,
    'thresholds': thresholds,
    'evaluate': evaluate,
    'study': study,
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog='python -m model_export', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    for name, command in COMMANDS.items():
        options = commands.add_parser(name, help=command.HELP)
        command.add_arguments(options)
        options.set_defaults(command=command)
    args = parser.parse_args(argv)
    if isinstance(sys.stdout, TextIOWrapper):  # names of files need not be UTF-8
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        args.command.run(args)
    except (ModelExportError, EevitError, OSError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 2 if isinstance(err, UsageError) else 1
    except ModuleNotFoundError as err:
        if (err.name or '').startswith(('model_export', 'eevit_ros')):
            raise
        print(f"error: {err}: pip install '.[train]'", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        resumes = '; run the same command again to continue from the last checkpoint'
        print('\nstopped' + resumes * (args.command is train), file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
