"""HTML pages: Jinja2 templates on one base page. All values are escaped: many come from others."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from eevit_ros.reporting.style import to_svg

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Table:
    """A section of a page that holds a table; the macro `table_section` draws it.

    Attributes:
        title: Heading of the section.
        head: Headings of the columns; empty draws no table.
        rows: Cells, shown as text.
        notes: Paragraphs below the table.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Card:
    """A picture with a caption; the macro `film` draws a row of them.

    Attributes:
        picture: JPEG file; None where there is none.
        bold: Lines in bold type.
        muted: Lines below them.
        small: Lines in small type.
        classes: CSS classes: 'right', 'wrong', 'dark', or several.
        source: Name of the recording, cut short where it is long.
    """

    picture: bytes | None
    bold: Sequence[str] = ()
    muted: Sequence[str] = ()
    small: Sequence[str] = ()
    classes: str = ''
    source: str = ''


def render(template: Path, **values: Any) -> str:
    """Return a page.

    Args:
        template: Extends base.html.j2; may import macros of parts.html.j2.
        values: Variables of the template.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {'svg': _svg, 'data_url': _data_url}
    return environment.get_template(template.name).render(**values)


def number(value: float | None, form: str = '.1f', unit: str = '') -> str:
    """Return a number in a format with its unit; a dash for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return '–'
    return f'{value:{form}}{unit}'


def percent(share: float | None) -> str:
    """Return a share of 1 in percent; a dash for None."""
    return number(None if share is None else 100 * share, '.1f', ' %')


def clock_time(seconds: float) -> str:
    """Return minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f'{hours}:{minutes:02d}:{rest:04.1f}' if hours else f'{minutes}:{rest:04.1f}'


def _svg(figure: Figure) -> Markup:
    return Markup(to_svg(figure))  # drawn here, all text in it as paths


def _data_url(data: bytes, kind: str = 'image/jpeg') -> str:
    return f'data:{kind};base64,{b64encode(data).decode()}'
