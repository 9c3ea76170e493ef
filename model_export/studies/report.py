"""What every study hands back, and how it is written: Markdown, JSON, small pictures."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eevit_ros.reporting.host_info import describe_machine
from model_export.errors import ModelExportError
from model_export.studies.markdown import Cell, anchor, section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ['Cell', 'Study', 'Table', 'collect', 'model_facts', 'versions', 'write_study']

PICTURE_BYTES = 100_000
PICTURE_COLOURS = 256  # a palette makes a third of the file
PACKAGES = ('torch', 'onnxruntime', 'onnxruntime-gpu', 'numpy', 'opencv-python-headless')


@dataclass(frozen=True)
class Table:
    """One table. Numbers are kept as they are and rounded only where they are shown.

    Attributes:
        name: Short, for the JSON: 'by_layer'.
        title: Heading above the table.
        columns: The headings. They say how `shown` writes the floats below: a heading that ends in
            '%' holds shares in [0, 1], one that ends in 'speed-up' holds factors.
        rows: One cell a column; None stays empty.
        note: A sentence below the table, if any.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ''

    def __post_init__(self) -> None:
        """Refuse a row of another length than the headings."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ModelExportError(
                    f'table {self.name!r} has {len(self.columns)} columns. Got row {row!r:.120}'
                )


@dataclass(frozen=True)
class Study:
    """What one study found.

    Attributes:
        name: Name on the command line.
        title: The section's heading.
        text: Markdown: what was measured, how, what it shows, what it does not.
        tables: Tables in order.
        figures: Pictures by short name.
        model: Name and hash of the model, see `model_facts`; empty if there was not just one.
    """

    name: str
    title: str
    text: str
    tables: tuple[Table, ...]
    figures: dict[str, Figure]
    model: dict[str, str] = field(default_factory=dict)


def model_facts(path: Path) -> dict[str, str]:
    """Return name and hash of a model: an `.onnx` file, a recipe, or a folder with weights.

    Raises:
        ModelExportError: There is nothing at `path` to hash.
    """
    files = [path]
    if path.is_dir():
        files = sorted(path.glob('weights-*.safetensors')) or [path / 'checkpoint.pt']
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(file.read_bytes())
    except OSError as err:
        raise ModelExportError(f'cannot read the model {path}: {err}') from err
    return {'model': path.name, 'sha256': digest.hexdigest()[:16]}


def write_study(
    study: Study, out: Path, *, command: str, machine: dict[str, Any] | None = None
) -> None:
    """Write `NAME.md`, `NAME.json` and one `NAME-FIGURE.png` a figure into the folder `out`.

    Args:
        study: Study to write.
        out: Folder, made if it is missing; files of an earlier run of the study are replaced.
        command: Command that gives these figures again.
        machine: Result of `describe_machine` before the study began, so that the load is not its
            own; None asks now.

    Raises:
        ModelExportError: A picture is larger than `PICTURE_BYTES` at any resolution.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, figure in study.figures.items():
        picture = out / f'{study.name}-{name}.png'
        _write_picture(figure, picture)
        pictures.append(picture.name)
    for old in set(out.glob(f'{study.name}-*.png')) - {out / name for name in pictures}:
        old.unlink()
    data = {
        'study': study.name,
        'title': study.title,
        'text': study.text,
        'model': study.model,
        'command': command,
        'machine': machine or describe_machine(),
        'versions': versions(),
        'tables': [asdict(table) for table in study.tables],
        'pictures': pictures,
    }
    (out / f'{study.name}.md').write_text(section(data, '#', ''))
    (out / f'{study.name}.json').write_text(json.dumps(data, indent=1) + '\n')


def collect(out: Path, document: Path, order: Sequence[str] = ()) -> None:
    """Write one document from the JSON files of all studies in `out`.

    Args:
        out: Folder that `write_study` wrote to.
        document: The Markdown file to write; it links the pictures in `out`.
        order: Names of studies, which come first in this order; others follow by name.

    Raises:
        ModelExportError: There is no study in `out`, or a file there is not one.
    """
    studies = [_read(path) for path in sorted(out.glob('*.json'))]
    if not studies:
        raise ModelExportError(f'no study in {out}: run `study NAME --out {out}` first')
    place = {name: index for index, name in enumerate(order)}
    studies.sort(key=lambda data: place.get(data['study'], len(place)))
    folder = os.path.relpath(out, document.parent)
    parts = [
        '# Studies of the shipped model\n\n'
        'Written by `python -m model_export study collect` from the files in '
        f'`{folder}/`; do not edit. Each section names the command, the model and the machine that '
        'its figures come from.\n\n'
        + '\n'.join(f'- [{data["title"]}](#{anchor(data["title"])})' for data in studies)
        + '\n'
    ]
    parts += [section(data, '##', f'{folder}/') for data in studies]
    document.write_text('\n'.join(parts))


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        section(data, '##', '')
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise ModelExportError(
            f'{path} is not a study ({err!r}): remove it or run it again'
        ) from err
    return data


def versions() -> dict[str, str]:
    """Return the versions of installed packages that figures depend on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _write_picture(figure: Figure, path: Path) -> None:
    from PIL import Image  # matplotlib brings it

    for dpi in (110, 90, 75, 60):  # a sheet of photographs needs the lower ones
        buffer = io.BytesIO()
        figure.savefig(buffer, format='png', dpi=dpi)
        with Image.open(buffer) as drawn:
            few = drawn.convert('RGB').quantize(PICTURE_COLOURS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size <= PICTURE_BYTES:
            return
    raise ModelExportError(
        f'{path} has {path.stat().st_size} bytes, more than {PICTURE_BYTES}: draw less in it'
    )
