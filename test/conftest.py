"""How all tests run: one thread a process, and no time limit for an example of a property."""

from __future__ import annotations

import gc
import os

# Before torch is loaded: small models gain nothing from threads, and the workers share the cores.
os.environ.setdefault('OMP_NUM_THREADS', '1')

from hypothesis import HealthCheck, settings

settings.register_profile(
    'patient', max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile('patient')


def pytest_collection_finish() -> None:
    """What all test modules loaded stays: the garbage collector need not look at it each time."""
    gc.collect()
    gc.freeze()
