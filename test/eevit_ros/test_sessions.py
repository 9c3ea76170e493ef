"""A session of ONNX Runtime holds no more than it needs."""

from __future__ import annotations

import sys
from pathlib import Path

from tiny_model import write_tiny_model

from eevit_ros.sessions import open_session


def test_the_file_s_bytes_are_let_go_of(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / 'tiny.onnx').read_bytes()
    before = sys.getrefcount(model)
    session = open_session(model, ['CPUExecutionProvider'], 1)
    assert session.get_providers() == ['CPUExecutionProvider']
    assert sys.getrefcount(model) == before  # else a ViT-B is in memory once more
