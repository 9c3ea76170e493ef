"""Writes every generated file from the code that it describes; a test holds them.

build/venv/bin/python -m scripts.generate
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts import parameter_files, topic_files

ROOT = Path(__file__).parents[1]

FILES: dict[str, Callable[[], str]] = {
    'config/classifier.yaml': parameter_files.classifier_yaml,
    'config/rosbag2_recorder.yaml': topic_files.recorder,
    'config/speed_governor.yaml': parameter_files.governor_yaml,
    'config/sros2/policy.xml': topic_files.policy,
    'docs/parameters.md': parameter_files.page,
    'docs/topics.md': topic_files.page,
}
"""Path of each file, relative to the repository, and what makes its text."""

if __name__ == '__main__':
    for path, text in FILES.items():
        (ROOT / path).write_text(text(), encoding='utf-8')
        print(f'written: {path}')
