"""Which column of a table holds the images, and which the labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from model_export.errors import ModelExportError

_USUAL = {'images': ('image', 'img'), 'labels': ('label', 'labels', 'fine_label')}


@dataclass(frozen=True)
class Columns:
    """Names of the two columns, and of the classes if the file gives them."""

    image: str
    label: str
    class_names: tuple[str, ...]


def choose_columns(schema: pa.Schema, wanted: tuple[str, ...], file: Path) -> Columns:
    """Find the image and the label column by type, then by their usual names.

    The types are those that `datasets` stores with the schema (Image, ClassLabel). In a file
    without them, bytes are images, and integers and texts may be labels.

    Args:
        schema: Schema of the first file of the set.
        wanted: Columns that the user names, in any order; their types say which is which.
        file: That file's name in errors.

    Raises:
        ModelExportError: No column fits, or more than one does.
    """
    features = _features(schema)
    columns = ', '.join(
        f'{field.name} ({features.get(field.name, {}).get("_type", field.type)})'
        for field in schema
    )
    if unknown := [name for name in wanted if name not in schema.names]:
        raise ModelExportError(f'{file} has no column {unknown[0]!r}; its columns: {columns}')

    def choose(what: str, feature: str, fits: list[str]) -> str:
        typed = [name for name in fits if features.get(name, {}).get('_type') == feature]
        found = [name for name in wanted if name in fits] or typed or fits
        if len(found) > 1:
            found = [name for name in found if name in _USUAL[what]] or found
        if len(found) != 1:
            raise ModelExportError(
                f'{file}: {len(found)} columns may hold the {what}; its columns: {columns}. '
                f'Name one after the folder: --data FOLDER:COLUMN'
            )
        return found[0]

    image = choose('images', 'Image', [f.name for f in schema if _may_be_images(f.type)])
    label = choose('labels', 'ClassLabel', [f.name for f in schema if _may_be_labels(f.type)])
    if wrong := [name for name in wanted if name not in (image, label)]:
        raise ModelExportError(
            f'{file}: column {wrong[0]!r} holds neither images nor labels; its columns: {columns}'
        )
    return Columns(image, label, tuple(features.get(label, {}).get('names', ())))


def _may_be_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index('bytes') >= 0
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _may_be_labels(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return what `datasets` says of the columns, without nested ones, which are lists there."""
    try:
        known = json.loads((schema.metadata or {}).get(b'huggingface', b'{}'))
        features = known.get('info', {}).get('features', {})
        return {name: kind for name, kind in features.items() if isinstance(kind, dict)}
    except (ValueError, AttributeError):
        return {}
