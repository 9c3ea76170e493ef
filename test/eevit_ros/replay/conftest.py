"""A model for replays, signals as they were, and pages without the work of drawing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.tiny_model import write_tiny_model


@pytest.fixture(scope='session')
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that a test steers by brightness, see `tiny_model`."""
    return write_tiny_model(tmp_path_factory.mktemp('tiny') / 'tiny.onnx')


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures of a page undrawn, for tests that read other things: drawing is slow."""
    monkeypatch.setattr('eevit_ros.reporting.page.to_svg', lambda figure: '<svg></svg>')


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The command line takes SIGTERM over; give it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
