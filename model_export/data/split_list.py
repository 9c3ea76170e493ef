"""The list of test images of a folder that holds classes and no splits: `test_images.txt`.

It is written once, by `train`, and every command obeys it; what it does not list is for training.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eevit_ros.recordings.folder import TEST_LIST, one_name, read_test_list
from model_export.data.dataset import Dataset
from model_export.data.groups import draw
from model_export.errors import ModelExportError

SHARE = 0.2
_SEED = 0
_MADE_BY = '# made by --split '


@dataclass(frozen=True)
class SplitList:
    """Test images of a folder, and how they were drawn.

    Attributes:
        names: Files relative to the folder, with `/`, as `one_name` writes them.
        made_by: Options that made it: `0.2 --group-by burst`.
    """

    names: frozenset[str]
    made_by: str

    @property
    def group_by(self) -> str | None:
        """How images were grouped; None if the list does not say."""
        _, found, words = self.made_by.partition(' --group-by ')
        return words if found else None


def read_split_list(folder: Path) -> SplitList | None:
    """Return the list of a folder, None if it has none.

    Raises:
        RecordingError: It cannot be read.
        ModelExportError: It lists nothing.
    """
    lines = read_test_list(folder)
    if lines is None:
        return None
    names = frozenset(one_name(line) for line in lines if line and not line.startswith('# '))
    if not names:
        raise ModelExportError(f'{folder / TEST_LIST} lists no images: delete it to draw anew')
    made_by = next((x.removeprefix(_MADE_BY) for x in lines if x.startswith(_MADE_BY)), '')
    return SplitList(names, made_by)


def options_of(share: float, group_by: str) -> str:
    """Return how a list that is drawn so says it."""
    return f'{share:g} --group-by {group_by}'


def write_split_list(folder: Path, data: Dataset, share: float, group_by: str) -> None:
    """Set a share of each class aside for tests, in whole groups, and say what was done.

    Args:
        folder: Folder of the classes.
        data: All its images, with their files and groups.
        share: Share of each class, as near as whole groups come without going above it.
        group_by: How images were grouped.

    Raises:
        ModelExportError: The share is out of range, a class is a single group, or the list cannot
            be written.
    """
    assert data.groups is not None
    names, chosen, drawn = np.array(data.names), [], []
    for label, class_name in enumerate(data.class_names):
        of_class = np.flatnonzero(data.labels == label)
        groups = data.groups[of_class]
        if len(set(groups)) < 2:
            raise ModelExportError(
                f'class {class_name!r} in {folder} is a single group by {group_by!r} (its '
                f'{len(of_class)} images belong together), so none can be set aside: add images of '
                f'another place or day, group otherwise (--group-by), or make train/ and test/'
            )
        taken = draw(groups, round(share * len(of_class)), _SEED)
        chosen += names[of_class[taken]].tolist()
        drawn += list(set(groups[taken]))
    if odd := [x for x in chosen if '\n' in x or x.endswith('\r') or x.startswith('# ')]:
        raise ModelExportError(
            f'{folder / TEST_LIST} cannot list {odd[0]!r} (and {len(odd) - 1} more): a line feed '
            f'or carriage return is in the name, or "# " in front: rename it'
        )
    total = len(set(data.groups))
    print(
        f'{folder} has no test split: {len(chosen)} of {len(data)} images, {len(drawn)} of {total} '
        f'groups (--group-by {group_by}), are set aside in {folder / TEST_LIST}. '
        'Delete it to draw anew'
    )
    words = [
        '# Images for tests; all others are for training.',
        _MADE_BY + options_of(share, group_by),
        *sorted(chosen),
    ]
    path = folder / TEST_LIST
    text = '\n'.join(words) + '\n'
    partial = path.with_suffix(f'.{os.getpid()}')  # torchrun: every process writes the same
    try:
        partial.write_bytes(text.encode(errors='surrogateescape'))
        partial.replace(path)
    except OSError as err:
        raise ModelExportError(
            f'cannot write {path}: {err}. Make the folder writable, or make train/ and test/'
        ) from err
