"""Reading what documents and launch files declare."""

from __future__ import annotations

import ast
import re

from harness.paths import ROOT


def rows(text: str, first_column: str) -> dict[str, list[str]]:
    """The rows of the table whose header starts with `first_column`, by their first cell."""
    table = re.search(rf'^\| {first_column} \|.*\n\|[-|]+\n((?:\|.*\n)+)', text, re.MULTILINE)
    assert table, first_column
    cells = [
        [cell.strip() for cell in line.strip('|').split('|')] for line in table[1].splitlines()
    ]
    return {row[0].strip('`'): row[1:] for row in cells}


def launch_arguments(name: str) -> list[str]:
    """The arguments that launch/`name` itself declares."""
    tree = ast.parse((ROOT / 'launch' / name).read_text())
    declared = [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'DeclareLaunchArgument'
        and isinstance(node.args[0], ast.Constant)
    ]
    assert declared
    return declared
