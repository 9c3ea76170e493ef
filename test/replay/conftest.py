"""The tiny model and the test peer of the node's own tests serve here too."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.append(str(Path(__file__).resolve().parents[1] / 'eevit_ros'))

# A busy machine may stall for seconds.
settings.register_profile('patient', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('patient')


@pytest.fixture(scope='session')
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that a test steers by brightness, see `tiny_model`."""
    from tiny_model import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp('tiny') / 'tiny.onnx')


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The command line takes SIGTERM over; give it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
