"""Check whether converted weights fit a model; one error lists all that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from model_export.errors import ModelExportError

NAMED = 5  # of each list in an error


def fits(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> bool:
    """Return whether both hold the same names and shapes."""
    return not (
        wanted.keys() ^ found.keys() or any(wanted[k].shape != found[k].shape for k in wanted)
    )


def check_fit(
    wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], source: str, hint: str = ''
) -> None:
    """Refuse weights that are not those of the model.

    Args:
        wanted: The model's tensors by name.
        found: The file's, converted to our names.
        source: The file and what it is, for the message.
        hint: What to do about it, if that is known.

    Raises:
        ModelExportError: Keys are missing, left over, or of another shape; all are counted.
    """
    if fits(wanted, found):
        return
    shapes = [
        f'{key} {list(found[key].shape)} (recipe: {list(wanted[key].shape)})'
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    lists = (
        ('missing', [key for key in wanted if key not in found]),
        ('left over', [key for key in found if key not in wanted]),
        ('of another shape', shapes),
    )
    complaints = '; '.join(f'{len(keys)} {what}: {few(keys)}' for what, keys in lists if keys)
    raise ModelExportError(
        f'{source} does not fit the recipe, whose backbone and heads must be those of the file. '
        f'{complaints}' + f'. {hint}' * bool(hint)
    )


def check_finite(state: Mapping[str, Tensor], source: Path) -> None:
    """Refuse weights of a training that failed.

    Raises:
        ModelExportError: A tensor holds infinity or NaN.
    """
    if bad := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise ModelExportError(
            f'{source}: {len(bad)} of its tensors hold values that are not finite, such as '
            f'{bad[0]}: the training that wrote it failed'
        )


def few(keys: Sequence[str], most: int = NAMED) -> str:
    """Return the first keys in words."""
    return ', '.join(keys[:most]) + (', ...' if len(keys) > most else '')
