"""Builds and installs eevit_ros; metadata and extras are in setup.cfg."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup

SHARE = Path('share/eevit_ros')
PATTERNS = (
    'launch/*.launch.py',
    'config/**/*.yaml',
    'config/**/*.xml',
    'config/rqt.perspective',
    'models/*.onnx',
    'models/*.md',
)


def data_files() -> list[tuple[str, list[str]]]:
    """Lists (folder under the prefix, [source files]); colcon wants these relative to setup.py."""
    folders = {
        'share/ament_index/resource_index/packages': ['resource/eevit_ros'],
        str(SHARE): ['package.xml'],
    }
    for pattern in PATTERNS:
        for path in sorted(Path().glob(pattern)):
            folders.setdefault(str(SHARE / path.parent), []).append(str(path))
    return sorted(folders.items())


# python_requires stands here because colcon cannot read it from setup.cfg.
setup(data_files=data_files(), python_requires='>=3.10')
