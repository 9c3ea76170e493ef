"""Whatever breaks between camera and controller: the floor, in time, until easy frames return.

Real processes throughout; `speed_chain` starts them, `faults` breaks them, `benchmarks/fault_times`
times the same faults many times.

The promise is 0.5 s of the software, on a machine that lets it run. So as to hold on a busy one and
still be able to fail, a test allows in addition what the kernel says the three processes' threads
were ready to run and did not get a core between fault and floor (their run queue delay, and what a
virtual machine's host took). A node that sleeps, hangs or decides late adds nothing to that sum.
Times are those at which the governor sent a limit, see `Heard`.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from std_msgs.msg import Float32

from harness.faults import FAULTS, STATED_S, Fault, measure, second_publisher
from harness.speed_chain import FLOOR, FULL, HELD, ROUNDING, Kind, SpeedChain, open_chain


class Chains:
    """One chain at a time, shared by the faults of its kind; a failure costs it its life."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._serial = folder, itertools.count()
        self._open = contextlib.ExitStack()
        self._chain: SpeedChain | None = None

    @contextlib.contextmanager
    def of_kind(self, kind: Kind) -> Iterator[SpeedChain]:
        if self._chain is None or self._chain.kind != kind:
            self.close()
            folder = self._folder / f'{next(self._serial)}'
            folder.mkdir()
            self._chain = self._open.enter_context(open_chain(kind, folder))
        try:
            yield self._chain
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._chain = None
        self._open.close()


@pytest.fixture(scope='module')
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chains]:
    chains = Chains(tmp_path_factory.mktemp('chains'))
    yield chains
    chains.close()


@pytest.mark.parametrize('fault', FAULTS, ids=lambda fault: fault.name)
def test_the_floor_comes_in_time_and_stays_until_easy_frames_return(
    chains: Chains, fault: Fault
) -> None:
    with chains.of_kind(fault.kind) as chain:
        outcome = measure(chain, fault)
        if fault.is_promised:
            assert outcome.floor_s <= STATED_S + outcome.waited_s, outcome
        assert all(0 < percent <= FULL for percent in outcome.before), outcome
        # A zone would be lower than the floor; there is none here.
        assert outcome.after == [pytest.approx(FLOOR, abs=ROUNDING)] * len(outcome.after), outcome
        chain.until_full()


def test_a_second_publisher_that_promises_full_speed_is_never_believed(chains: Chains) -> None:
    with chains.of_kind(Kind('rate', has_standby=True)) as chain:
        chain.send = chain.hard
        chain.until_floor(time.monotonic())
        heard = len(chain.limits)
        with second_publisher(chain, Float32, '/rate', Float32(data=1.0)):
            chain.listen(2 * HELD)
        assert all(limit.is_floor for limit in chain.limits[heard:]), chain.limits[heard:]
        chain.until_full()
