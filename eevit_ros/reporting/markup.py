"""Small pieces of a page. All text is escaped here: names of classes and files come from others."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

MOST_PROBLEMS = 50


def text(value: object) -> str:
    """Return a value as text of a page."""
    return html.escape(str(value))


def number(value: float | None, form: str = '.1f', unit: str = '') -> str:
    """Return a number in a format with its unit; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return '–'
    return f'{value:{form}}{unit}'


def percent(share: float | None) -> str:
    """Return a share of 1 in percent; a dash where there is none."""
    return number(None if share is None else 100 * share, '.1f', ' %')


def table(head: Sequence[str], rows: Iterable[Sequence[object]], note: str = '') -> str:
    """Return a table, and below it a note if there is one."""
    lines = ['<tr>' + ''.join(f'<th>{text(name)}</th>' for name in head) + '</tr>']
    lines += [
        '<tr>' + ''.join(f'<td>{text(value)}</td>' for value in row) + '</tr>' for row in rows
    ]
    below = f'<p>{text(note)}</p>' if note else ''
    return '<div class="wide"><table>\n' + '\n'.join(lines) + f'\n</table></div>{below}'


def section(title: str, *parts: str) -> str:
    """Return a box of the page with a title above its parts, which are markup already."""
    return f'  <section>\n    <h2>{text(title)}</h2>\n' + '\n'.join(parts) + '\n  </section>'


def paragraph(words: str) -> str:
    """Return a paragraph."""
    return f'<p>{text(words)}</p>'


def problem_list(problems: Sequence[str]) -> str:
    """Return a box that says what was left out; '' where nothing was."""
    if not problems:
        return ''
    items = ''.join(f'<li>{text(problem)}</li>' for problem in problems[:MOST_PROBLEMS])
    left = len(problems) - MOST_PROBLEMS
    more = paragraph(f'{left} more are in report.json.') if left > 0 else ''
    return (
        '  <section class="problems">\n    <h2>What was left out, or odd</h2>\n'
        f'    <ul>{items}</ul>{more}\n  </section>'
    )


def clock_time(seconds: float) -> str:
    """Return minutes and seconds, hours where there are any."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f'{hours}:{minutes:02d}:{rest:04.1f}' if hours else f'{minutes}:{rest:04.1f}'
