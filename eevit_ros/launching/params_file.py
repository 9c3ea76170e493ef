"""A node's parameter file for a second node, under that one's name."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path


def renamed(text: str, node: str, other: str) -> str:
    """Return a parameter file in which the sections of `node` are those of `other`.

    As text: YAML that is read and written again may mean something else to ROS. A file that has a
    section of `other` is not changed.
    """
    if any(_key(other).search(line.partition('#')[0]) for line in text.splitlines()):
        return text
    return _key(node).sub(other, text)


def params_file_for(file: str, node: str, other: str) -> str:
    """Return a file from which `other` reads what `node` reads from `file`."""
    text = Path(file).read_text('utf-8')
    changed = renamed(text, node, other)
    if changed == text:
        return file
    # Without an end of its own: a node that is restarted reads it again.
    with tempfile.NamedTemporaryFile(prefix=f'{other}_', suffix='.yaml', delete=False) as copy:
        copy.write(changed.encode())
    return copy.name


def _key(name: str) -> re.Pattern[str]:
    return re.compile(rf'(?<!\w){re.escape(name)}(?=["\']?\s*:)')
