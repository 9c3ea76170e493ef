"""The counting set holds as many objects as it says, and the same ones every time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from model_export.__main__ import main
from model_export.data.values import load_values
from model_export.errors import ModelExportError
from model_export.regression.counting_set import CLASSES, MOST, counting_image, make_counting_set

MAGENTA = (255, 0, 255)


@pytest.fixture(scope='module')
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CIFAR-100 of 30 images a split; objects are red in training, green in the test."""
    folder = tmp_path_factory.mktemp('cifar')
    names = [*(f'other_{number}' for number in range(96)), *CLASSES]
    (folder / 'fine_label_names.txt').write_text('\n'.join(names))
    for split, plane in (('train', 0), ('test', 1)):
        records = np.zeros((30, 2 + 3072), np.uint8)
        records[:, 1] = np.resize([3, 96, 99], 30)
        for label in (96, 99):
            wanted = records[:, 1] == label
            records[wanted, 2 + 1024 * plane : 2 + 1024 * (plane + 1)] = 255
        (folder / f'{split}.bin').write_bytes(records.tobytes())
    return folder


def test_the_value_is_the_number_of_objects() -> None:
    objects = np.full((3, 32, 32, 3), MAGENTA, np.uint8)
    apart, seen = 0, set()
    for seed in range(60):
        image, value = counting_image(objects, 84, np.random.default_rng(seed))
        magenta = np.all(image == MAGENTA, axis=-1).astype(np.uint8)
        blobs = cv2.connectedComponents(magenta)[0] - 1
        assert blobs <= value <= MOST  # two that touch are one blob
        assert (value == 0) == (blobs == 0)
        apart += blobs == value
        seen.add(value)
    assert apart > 20
    assert {0, 1, MOST} <= seen


def test_the_command_writes_the_same_set_again(cifar: Path, tmp_path: Path) -> None:
    sets = []
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        counts = ['--train', '6', '--test', '3', '--size', '40', '--seed', str(seed)]
        out = ['--data', str(cifar), '--out', str(tmp_path / name)]
        assert main(['counting', *out, *counts]) == 0
        sets.append(load_values(tmp_path / name, 'train', 40))
    first, again, other = sets
    assert [image.shape for image in first.images] == [(40, 40, 3)] * 6
    np.testing.assert_array_equal(list(first.images), list(again.images))
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.array_equal(list(first.images), list(other.images))


def test_objects_come_from_the_same_split(cifar: Path, tmp_path: Path) -> None:
    counts = ['--train', '8', '--test', '8', '--size', '40']
    assert main(['counting', '--data', str(cifar), '--out', str(tmp_path / 'set'), *counts]) == 0
    for split, colour, not_this in (
        ('train', (255, 0, 0), (0, 255, 0)),
        ('test', (0, 255, 0), (255, 0, 0)),
    ):
        data = load_values(tmp_path / 'set', split, 40)
        with_objects = np.stack(list(data.images[data.values > 0]))
        assert np.all(with_objects == colour, axis=-1).any(axis=(1, 2)).all()
        assert not np.all(np.stack(list(data.images)) == not_this, axis=-1).any()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--train', '0'], '--train must be at least 1. Got 0'),
        (['--size', '8'], '--size must be at least 32. Got 8'),
        (['--seed', '-1'], '--seed must be at least 0. Got -1'),
        ([], 'is not empty'),
    ],
)
def test_what_is_refused(
    cifar: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    status = main(['counting', '--data', str(cifar), '--out', str(cifar), *options])
    assert status == (2 if options else 1)
    assert message in capsys.readouterr().err


def test_another_set_is_refused(cifar: Path, tmp_path: Path) -> None:
    names = [f'other_{number}' for number in range(100)]
    for path in cifar.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / 'fine_label_names.txt').write_text('\n'.join(names))
    with pytest.raises(ModelExportError, match="is not CIFAR-100: it has no classes .'apple'"):
        make_counting_set(tmp_path, tmp_path / 'set', train=1, test=1, size=40)
