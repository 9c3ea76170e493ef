"""One benchmark's figures: JSON for machines, and the same as Markdown for people.

add_options(parser, 'name')
args, before = parser.parse_args(), machine()
...
report = Report('Title', before, [Table('Milliseconds', COLUMNS, rows)], ['what a row is'])
report.deliver(args, 'name')
"""

from __future__ import annotations

import json
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

from eevit_ros.reporting.host_info import describe_machine
from eevit_ros.reporting.table import markdown_table
from harness.paths import ROOT

Cell = str | float | int | None

LIBRARIES = ('cv2', 'numpy', 'onnxruntime', 'rclpy')  # as they are imported


@dataclass(frozen=True)
class Table:
    """Rows under headings, units in the headings; floats as measured, rounded in Markdown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def _command() -> str:
    script = Path(sys.argv[0])
    inside = script.relative_to(ROOT) if script.is_relative_to(ROOT) else Path(script.name)
    # Where this computer keeps its data is nobody else's business.
    arguments = [Path(text).name if Path(text).is_absolute() else text for text in sys.argv[1:]]
    return shlex.join(['python', '-m', '.'.join(inside.with_suffix('').parts), *arguments])


@dataclass(frozen=True)
class Report:
    """What one run of a benchmark found.

    Attributes:
        title: Heading of the Markdown section.
        machine: Of `machine()`, taken before anything was measured: it tells the load.
        tables: The figures.
        notes: What a reader must know to read them.
        command: What repeats the run; by default this process's.
    """

    title: str
    machine: dict[str, str | int | float]
    tables: Sequence[Table]
    notes: Sequence[str] = ()
    command: str = field(default_factory=_command)

    def write(self, path: Path) -> str:
        """Write a JSON file, making its folder, and return the same as a Markdown section."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + '\n')
        return f'## {self.title}\n\n{self.markdown()}'

    def fill(self, document: Path, name: str) -> None:
        """Put the Markdown between a document's two comments, `<!-- name -->`, `<!-- /name -->`.

        Raises:
            ValueError: The document has not both, once each.
        """
        first, last = f'<!-- {name} -->\n', f'<!-- /{name} -->'
        before, found, rest = document.read_text().partition(first)
        _, found_last, after = rest.partition(last)
        if not found or not found_last:
            raise ValueError(f'{document} has no lines {first.strip()!r} and, below, {last!r}')
        document.write_text(f'{before}{first}\n{self.markdown()}\n{last}{after}')

    def deliver(self, args: Namespace, name: str) -> None:
        """Print and write the report, as the options that `add_options` made for `name` say."""
        print(self.write(args.json))
        if args.document:
            self.fill(args.document, name)

    def markdown(self) -> str:
        """Return command, machine, tables and notes, without the title."""
        facts = ', '.join(f'{name} {value}' for name, value in self.machine.items())
        lines = [f'    {self.command}', '', f'On: {facts}.', '']
        for table in self.tables:
            rows = [[*map(_shown, row)] for row in table.rows]
            numeric = range(1, len(table.columns))
            lines += [f'**{table.title}**', '']
            lines += [markdown_table(table.columns, rows, numeric=numeric), '']
        lines += [f'- {note}' for note in self.notes]
        return '\n'.join(lines).rstrip() + '\n'


def add_options(parser: ArgumentParser, name: str) -> None:
    """Add where a benchmark's report goes: a JSON file, and a document with two comments `name`."""
    file = ROOT / 'build' / 'benchmarks' / f'{name}.json'
    parser.add_argument('--json', type=Path, default=file, help='default: build/benchmarks')
    parser.add_argument('--document', type=Path, help=f'put the tables there, at <!-- {name} -->')


def read_report(path: Path) -> Report:
    """Return what `Report.write` wrote: a test can ask whether a document says the same."""
    report = json.loads(path.read_text())
    return Report(**{**report, 'tables': [Table(**table) for table in report['tables']]})


def machine(*more: str) -> dict[str, str | int | float]:
    """Return what computer this is, and the versions of `LIBRARIES` and `more` modules on it."""
    packages = metadata.packages_distributions()
    names = {name for module in (*LIBRARIES, *more) for name in packages.get(module, [])}
    return {**describe_machine(), **{name: metadata.version(name) for name in sorted(names)}}


def _shown(cell: Cell) -> str:
    if cell is None:
        return ''
    return f'{cell:.2f}' if isinstance(cell, float) else str(cell)
