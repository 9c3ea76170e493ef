"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence


def markdown_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Collection[int] = ()
) -> str:
    """Return a table, without a line break at its end.

    Args:
        columns: The headings.
        rows: The cells, already as text; a '|' or a line break in one is escaped.
        numeric: Indices of the columns that are set flush right.
    """
    rule = ['--:' if index in numeric else '---' for index in range(len(columns))]
    return '\n'.join(f'| {" | ".join(map(_cell, row))} |' for row in (columns, rule, *rows))


def _cell(text: str) -> str:
    return text.replace('|', r'\|').replace('\n', ' ')
