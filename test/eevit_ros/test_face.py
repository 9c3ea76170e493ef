"""The public API: what `import eevit_ros` gives, and what it leaves unloaded."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest

import eevit_ros
from harness.paths import ROOT


def test_importing_the_package_loads_neither_opencv_nor_onnx_runtime() -> None:
    code = """
import sys, eevit_ros
assert set(eevit_ros.__all__) <= set(dir(eevit_ros))
assert not {'cv2', 'numpy', 'onnxruntime'} & set(sys.modules)
from eevit_ros import Engine
assert 'cv2' in sys.modules
"""
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize('name', eevit_ros.__all__)
def test_every_public_name_resolves_to_what_is_called_so(name: str) -> None:
    assert getattr(eevit_ros, name).__name__ == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'eevit_ros' has no attribute 'nonsense'"):
        _ = eevit_ros.nonsense


def test_the_package_is_typed() -> None:
    assert files(eevit_ros).joinpath('py.typed').is_file()
