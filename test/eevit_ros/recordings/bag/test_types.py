"""The types that bags carry are those of interfaces/, which test_packaging.py compares with ROS."""

from __future__ import annotations

from pathlib import Path

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from eevit_ros.recordings.bag.types import typestore
from harness.paths import ROOT

INTERFACES = ROOT / 'interfaces'
FILES = sorted(INTERFACES.glob('*/msg/*.msg'))


def test_every_message_of_the_nodes_has_a_file() -> None:
    assert len(FILES) == 13


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_types_have_the_hashes_of_the_interfaces(path: Path) -> None:
    fresh = get_typestore(Stores.ROS2_HUMBLE)
    types = {}
    for file in FILES:
        types |= get_types_from_msg(file.read_text(), _name(file))
    fresh.register(types)

    name = _name(path)
    assert typestore().hash_rihs01(name) == fresh.hash_rihs01(name)


def _name(path: Path) -> str:
    return f'{path.parent.parent.name}/msg/{path.stem}'
