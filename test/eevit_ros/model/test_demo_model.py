"""The model that ships works wherever the package does: with the oldest ONNX Runtime, too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from drive.scene.pictures import read_pictures
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.ort_session import open_session
from eevit_ros.model.runners import SingleRunner
from eevit_ros.parameters.classifier import demo_model

OPEN_AND_READ_MEMORY = """
import pathlib, sys
from eevit_ros.model.engine import Engine
engine = Engine(pathlib.Path(sys.argv[1]))
print(pathlib.Path('/proc/self/status').read_text())
"""


def open_on_cpu(execution: str, model: Path) -> Engine:
    return Engine(model, compute=Compute(provider='cpu', threads=1, execution=execution))


@pytest.fixture(scope='module')
def single() -> Engine:
    return open_on_cpu('single', demo_model())


@pytest.fixture(scope='module')
def staged(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Opened by a link elsewhere, as after `colcon build --symlink-install`."""
    link = tmp_path_factory.mktemp('a löng name') / 'link.onnx'
    link.symlink_to(os.path.relpath(demo_model(), link.parent.resolve()))
    return open_on_cpu('staged', link)


def test_it_recognises_pictures_and_both_forms_agree(single: Engine, staged: Engine) -> None:
    pictures = read_pictures()[:60]
    single.warm_up()
    staged.warm_up()
    right = 0
    for picture in pictures:
        one, other = single.run(picture.pixels), staged.run(picture.pixels)
        assert one.exit_layer == other.exit_layer
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
        right += one.class_name == picture.label
    assert right >= 40  # of 100 classes; guessing finds one


def test_it_answers_as_onnx_runtime_does_given_the_whole_file(single: Engine) -> None:
    compute = Compute(provider='cpu', threads=1)
    whole = SingleRunner(demo_model().read_bytes(), partial(open_session, compute=compute))
    size = (single.input_size.height, single.input_size.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    expected = whole.run(pixels, single.thresholds)
    assert np.array_equal(single.run(pixels).probabilities, expected.probabilities[0])


@pytest.mark.usefixtures('single', 'staged')
def test_nothing_of_the_file_stays_mapped_into_memory() -> None:
    """Else who writes a new model over it changes, or ends, the one that runs."""
    maps = Path('/proc/self/maps').read_text()
    assert '/libc' in maps
    assert demo_model().name not in maps


def test_opening_takes_hardly_more_memory_than_running() -> None:
    # In a process of its own: what this one has used hides a peak.
    done = subprocess.run(
        [sys.executable, '-c', OPEN_AND_READ_MEMORY, demo_model()],
        capture_output=True,
        text=True,
        check=True,
    )
    kilobytes = {key: int(size) for key, size in re.findall(r'(Vm\w+):\s+(\d+) kB', done.stdout)}
    assert kilobytes['VmHWM'] <= 1.2 * kilobytes['VmRSS']
