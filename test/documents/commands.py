"""The shell commands of a document."""

from __future__ import annotations

import re
import shlex

from harness.paths import ROOT

_FENCE = re.compile(r'^```.*?^```', re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r'(?:^    .*\n|^\n(?=    ))+', re.MULTILINE)


def commands(page: str) -> list[list[str]]:
    """The words of each command in the page's indented blocks; `~/...` alone is a listing."""
    text = _FENCE.sub('', (ROOT / page).read_text())
    lines = '\n'.join(_BLOCK.findall(text)).replace('\\\n', ' ').splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [command for command in words if command and not command[0].startswith('~/')]
