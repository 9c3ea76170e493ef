"""What engines depend on, read without CUDA and without a Python package of TensorRT."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eevit_ros.model.tensorrt_cache import (
    PROVIDER_LIBRARY,
    UNKNOWN,
    device_name,
    dotted,
    tensorrt_version,
)
from harness.paths import ROOT


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_jetson_is_named_by_its_board(tmp_path: Path) -> None:
    write(tmp_path / 'proc/device-tree/model', 'NVIDIA Jetson AGX Orin Developer Kit\0')
    assert device_name(tmp_path) == 'NVIDIA Jetson AGX Orin Developer Kit'


def test_other_gpus_are_named_by_the_driver(tmp_path: Path) -> None:
    gpus = {'0000:01:00.0': 'NVIDIA L4', '0000:02:00.0': 'NVIDIA L4', '0000:03:00.0': 'NVIDIA A2'}
    for bus, name in gpus.items():
        text = f'Model: \t\t {name}\nIRQ:   \t\t 12\nBus Location: \t {bus}\n'
        write(tmp_path / 'proc/driver/nvidia/gpus' / bus / 'information', text)
    assert device_name(tmp_path) == 'NVIDIA A2 + NVIDIA L4'


def test_without_a_gpu_nothing_is_known(tmp_path: Path) -> None:
    assert device_name(tmp_path) == UNKNOWN
    assert tensorrt_version(tmp_path) == UNKNOWN
    (tmp_path / PROVIDER_LIBRARY).write_bytes(b'\x7fELF no library named')
    assert tensorrt_version(tmp_path) == UNKNOWN
    (tmp_path / PROVIDER_LIBRARY).write_bytes(b'\x7fELF\0libnvinfer.so.9999\0')  # not installed
    assert tensorrt_version(tmp_path) == UNKNOWN


@pytest.mark.parametrize(
    ('number', 'text'), [(8601, '8.6.1'), (100300, '10.3.0'), (101303, '10.13.3')]
)
def test_versions_have_dots(number: int, text: str) -> None:
    assert dotted(number) == text


@pytest.mark.skipif(shutil.which('cc') is None, reason='needs a C compiler')
def test_the_library_that_the_provider_is_linked_with_is_asked(tmp_path: Path) -> None:
    source = tmp_path / 'nvinfer.c'
    source.write_text('int getInferLibVersion(void) { return 100300; }\n')
    library = tmp_path / 'libnvinfer.so.10'
    subprocess.run(['cc', '-shared', '-fPIC', '-o', library, source], check=True, timeout=60)
    (tmp_path / PROVIDER_LIBRARY).write_bytes(b'\x7fELF\0libnvinfer.so.10\0libnvonnxparser.so.10\0')
    code = (
        'import sys; from pathlib import Path; '
        'from eevit_ros.model.tensorrt_cache import tensorrt_version; '
        'print(tensorrt_version(Path(sys.argv[1])))'
    )
    found = subprocess.run(
        [sys.executable, '-c', code, tmp_path],
        env={**os.environ, 'LD_LIBRARY_PATH': str(tmp_path), 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stdout == '10.3.0\n'
