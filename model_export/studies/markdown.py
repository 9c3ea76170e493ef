"""How a study's tables, words and origin look in Markdown: the one place that rounds numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from eevit_ros.reporting.table import markdown_table

Cell: TypeAlias = 'str | int | float | None'


def shown(value: Cell, column: str) -> str:
    """Write a cell as a table shows it: the one place where numbers are rounded."""
    if value is None:
        return ''
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f'{value:,}'
    if value == 0:
        return '0'
    if column.endswith('%'):
        return f'{value:.1%}'.removesuffix('%')
    if column.endswith('speed-up'):
        return f'{value:.2f}x'
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f'{value:.{digits}f}'


def section(data: dict[str, Any], level: str, folder: str) -> str:
    """Return the Markdown of one study, from what its JSON file holds."""
    parts = [f'{level} {data["title"]}', data['text'].strip()]
    for table in data['tables']:
        heads = table['columns']
        rows = [
            [shown(cell, head) for cell, head in zip(row, heads, strict=True)]
            for row in table['rows']
        ]
        numeric = {
            column
            for column in range(len(heads))
            if rows and not any(isinstance(row[column], str) for row in table['rows'])
        }
        parts.append(f'**{table["title"]}**')
        parts.append(markdown_table(heads, rows, numeric=numeric))
        if table['note']:
            parts.append(table['note'])
    for picture in data['pictures']:
        parts.append(f'![{Path(picture).stem}]({folder}{picture})')
    parts.append(_origin(data))
    return '\n\n'.join(parts) + '\n'


def _origin(data: dict[str, Any]) -> str:
    machine = data['machine']
    versions = ', '.join(f'{name} {version}' for name, version in data['versions'].items())
    model = ', '.join(f'{name} `{value}`' for name, value in data['model'].items())
    return (
        f'```\n{data["command"]}\n```\n\n'
        f'<sub>{model + "; " if model else ""}{machine["cpu"]}, {machine["cores"]} cores (load '
        f'{machine["load_before"]} before), '
        f'{machine["system"]}, Python {machine["python"]}, {versions}</sub>'
    )


def anchor(title: str) -> str:
    """Return GitHub's anchor of a heading."""
    kept = ''.join(c for c in title.lower() if c.isalnum() or c in ' -_')
    return kept.replace(' ', '-')
