"""Cases in a worker process that may crash, hang or ask for too much memory, and what they gave."""

from __future__ import annotations

import faulthandler
import importlib
import multiprocessing
import os
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

TARGETS = ('images', 'pictures', 'videos', 'models', 'parameters', 'ros_parameters', 'bags')

BATCH = 20_000  # cases a process: one that leaks shows in the peak, and is gone
START_S = 300.0  # for imports and samples, on a busy machine
MEMORY_BYTES = 2 << 30  # on top of what the process takes before its first case
SHOWN_AT_MOST = 20  # findings, beyond which the run ends

_SPAWN = multiprocessing.get_context('spawn')


@dataclass(frozen=True)
class Finding:
    """A case that must not be.

    Attributes:
        index: Of the case; with the seed it makes the case again.
        what: What happened.
    """

    index: int
    what: str


@dataclass
class Tally:
    """What the cases gave.

    Attributes:
        outcomes: How many were accepted, and refused by each class of error.
        findings: Those that must not be.
        slowest_s: CPU time of the slowest case that ended, seconds.
        slowest: Its index.
        peak_bytes: The most memory that a worker held, all its imports included.
        wall_s: Of the whole run.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: int = 0
    peak_bytes: int = 0
    wall_s: float = 0.0

    @property
    def cases(self) -> int:
        """How many cases were run."""
        return self.outcomes.total() + len(self.findings)


def run_cases(target: str, seed: int, first: int, cases: int, seconds: float) -> Tally:
    """Run cases until all are done or there are `SHOWN_AT_MOST` findings.

    Args:
        target: A module of this package, or the full name of another one.
        seed: Of all cases.
        first: Index of the first case.
        cases: How many.
        seconds: Wall time after which a case counts as hanging.
    """
    tally, began = Tally(), time.monotonic()
    at, end = first, first + cases
    while at < end and len(tally.findings) < SHOWN_AT_MOST:
        at = _run_batch(target, seed, at, min(at + BATCH, end), seconds, tally)
    tally.wall_s = time.monotonic() - began
    return tally


def _run_batch(target: str, seed: int, at: int, end: int, seconds: float, tally: Tally) -> int:
    """Run cases in one process as far as it comes; return the next one's index."""
    receiver, sender = _SPAWN.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        noise = Path(folder, 'stderr')
        process = _SPAWN.Process(target=_work, args=(target, seed, at, end, folder, sender))
        process.start()
        sender.close()
        try:
            patience = START_S
            while receiver.poll(patience):
                index, outcome, cpu_s, peak_bytes = receiver.recv()
                patience = seconds
                tally.peak_bytes = max(tally.peak_bytes, peak_bytes)
                if index < 0:  # ready, or done
                    continue
                at = index + 1
                if isinstance(outcome, Finding):
                    tally.findings.append(outcome)
                    if len(tally.findings) >= SHOWN_AT_MOST:
                        break
                    continue
                tally.outcomes[outcome] += 1
                if cpu_s > tally.slowest_s:
                    tally.slowest_s, tally.slowest = cpu_s, index
            else:
                tally.findings.append(Finding(at, f'not done after {patience:.0f} s'))
                at += 1
        except EOFError:
            process.join()
            if at < end or process.exitcode:
                tail = noise.read_text(errors='replace')[-3000:] if noise.exists() else ''
                what = f'the process ended with {process.exitcode}\n{tail}'
                tally.findings.append(Finding(at, what))
                at += 1
        finally:
            process.kill()
            process.join()
            receiver.close()
    return at


def _work(target: str, seed: int, at: int, end: int, folder: str, sender: Connection) -> None:
    """Run the cases of a batch: what the process does."""
    noise = os.open(Path(folder, 'stderr'), os.O_WRONLY | os.O_CREAT)
    os.dup2(noise, 1)  # libraries talk
    os.dup2(noise, 2)
    faulthandler.enable()
    module = importlib.import_module(target if '.' in target else f'fuzz.{target}')
    run: Callable[[Random], None] = module.prepare(Path(folder))
    _limit_memory()
    sender.send((-1, '', 0.0, _peak_bytes()))
    for message in _outcomes(run, seed, at, end):
        sender.send(message)
    sender.send((-1, '', 0.0, _peak_bytes()))


def _outcomes(
    run: Callable[[Random], None], seed: int, at: int, end: int
) -> Iterator[tuple[int, Any, float, int]]:
    from eevit_ros.errors import EevitError

    for index in range(at, end):
        outcome: str | Finding = 'accepted'
        began = time.process_time()
        try:
            run(Random(f'{seed} {index}'))
        except EevitError as err:
            outcome = _named(err)
            if _is_memory(err):
                outcome = Finding(index, f'refused only for want of memory: {err}')
        except Exception:  # whatever it is: nothing else may come
            outcome = Finding(index, traceback.format_exc()[-3000:])
        yield index, outcome, time.process_time() - began, 0


def _named(err: BaseException) -> str:
    """Name the class of an error, and of what was at its root."""
    root = err
    while root.__cause__ is not None:
        root = root.__cause__
    return type(err).__name__ + (f' from {type(root).__name__}' if root is not err else '')


def _is_memory(err: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is that of a limit on memory.

    A file that is refused for that here would take the memory where there is no limit.
    """
    while err is not None:
        text = str(err).lower()
        if isinstance(err, MemoryError) or 'insufficient memory' in text or 'bad_alloc' in text:
            return True
        err = err.__cause__
    return False


def _limit_memory() -> None:
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
