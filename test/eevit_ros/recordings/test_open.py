"""What all kinds of recordings have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eevit_ros.images.mounting import Mounting
from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.open import open_source
from harness.bags import picture_file, record_files, record_images
from harness.videos import colours, write_video


def folder(path: Path) -> Path:
    path.mkdir()
    (path / 'a.png').write_bytes(picture_file(100))
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    'raw': lambda path: record_images(path, [100]),
    'compressed': lambda path: record_files(path, ['JPEG']),
    'folder': folder,
    'video': lambda path: write_video(path.with_suffix('.mp4'), colours(1)),
}


@pytest.mark.parametrize('kind', KINDS)
def test_pictures_are_mounted_as_the_settings_say(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path / 'recording')
    mounting = Mounting(image_crop=(1, 0, 9, 7), image_rotation=90, image_flip='vertical')
    (plain,) = open_source(path, None)
    (mounted,) = open_source(path, None, ImageSettings(mounting=mounting))
    assert mounted.decode().shape == (9, 7, 3)
    np.testing.assert_array_equal(mounted.decode(), mounting.of(plain.decode()))
    assert mounted.data == plain.data
