"""A session of ONNX Runtime holds no more than it needs."""

from __future__ import annotations

import sys
from pathlib import Path

from eevit_ros.model.compute import Compute
from eevit_ros.model.ort_session import open_session
from harness.tiny_model import write_tiny_model


def test_the_file_s_bytes_are_let_go_of(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / 'tiny.onnx').read_bytes()
    before = sys.getrefcount(model)
    session = open_session(model, Compute(provider='cpu', threads=1))
    assert session.get_providers() == ['CPUExecutionProvider']
    assert sys.getrefcount(model) == before  # else a ViT-B is in memory once more
