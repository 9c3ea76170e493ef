"""One call in steps: each has what is left of the time, and costs only itself where it fails.

The report is written before and after every step, so that a call that is killed leaves what it
found. A step that does not heed the end, deep in some library, ends the whole call.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from benchmarks.report_file import Cell, Report, Table, machine

DONE = 'done'
_MOST_WORDS = 300  # characters of an error
GRACE_S = 10.0  # of the call, for a step to heed the end


class MissingError(Exception):
    """What this machine lacks for a step, in one line."""


class OutOfTimeError(Exception):
    """The time of the call is up."""


class Outcome(NamedTuple):
    """What a step found; `wrong` says, if anything, what is not as it has to be."""

    tables: list[Table]
    notes: list[str]
    wrong: str = ''


class Steps:
    """Runs steps and reports them.

    Attributes:
        failed: Whether a step failed, or the time was up; what a machine lacks is no failure.
    """

    def __init__(self, title: str, out: Path, *, minutes: float, began: float) -> None:
        """Begin a call.

        Args:
            title: Heading of the report.
            out: The report's file, without the endings `.json` and `.md`.
            minutes: Time of the whole call.
            began: `time.monotonic()` at its start.
        """
        self.failed = False
        self._title = title
        self._out = out
        self._ends = began + 60 * minutes - GRACE_S
        self._machine = machine('onnx', 'torch')
        self._rows: list[list[Cell]] = []
        self._found = Outcome([], [])

    @property
    def complete(self) -> bool:
        """Whether every step was done: nothing failed and nothing was lacking."""
        return all(said == DONE for _, said, _ in self._rows)

    def left_s(self) -> float:
        """Return the seconds that are left."""
        return self._ends - time.monotonic()

    def run(self, name: str, step: Callable[[], Outcome]) -> None:
        """Run a step and add what it found to the report."""
        print(f'== {name} ({self.left_s():.0f} s are left)', flush=True)
        self._rows.append([name, 'begun', None])
        self._write()
        began = time.monotonic()
        said = DONE
        faulthandler.dump_traceback_later(max(self.left_s(), 0) + GRACE_S, exit=True, file=2)
        try:
            if self.left_s() <= 0:
                _out_of_time()
            with _limited(self.left_s()):
                found = step()
            self._found.tables.extend(found.tables)
            self._found.notes.extend(found.notes)
            if found.wrong:
                said, self.failed = f'wrong: {found.wrong}', True
        except (MissingError, ImportError) as lack:
            said = f'not measured: {_in_one_line(lack)}'
        except OutOfTimeError:
            said, self.failed = 'the time was up', True
        except (Exception, SystemExit) as err:
            traceback.print_exc()
            said, self.failed = f'failed: {_in_one_line(err)}', True
        faulthandler.cancel_dump_traceback_later()
        print(f'== {name}: {said}', file=sys.stderr, flush=True)
        self._rows[-1] = [name, said, time.monotonic() - began]
        self._write()

    def _write(self) -> None:
        steps = Table('Steps', ['step', 'what came of it', 's'], self._rows)
        tables = [steps, *self._found.tables]
        report = Report(self._title, self._machine, tables, self._found.notes)
        markdown = report.write(self._out.with_suffix('.json'))
        self._out.with_suffix('.md').write_text(markdown)


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the main thread once these seconds are over, if still inside."""
    before = signal.signal(signal.SIGALRM, lambda *_: _out_of_time())
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _out_of_time() -> NoReturn:
    raise OutOfTimeError


def _in_one_line(err: BaseException) -> str:
    words = ' '.join(str(err).split()) or type(err).__name__
    return words if len(words) <= _MOST_WORDS else f'{words[:_MOST_WORDS]} ...'
