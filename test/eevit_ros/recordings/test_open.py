"""What all kinds of recordings have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eevit_ros.images.mounting import Mounting
from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.errors import RecordingError
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


def test_a_video_that_may_not_be_read_ends_no_other_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / 'x.mp4', colours(2))
    source = open_source(path, None)

    def refuse(*_: object, **__: object) -> None:  # root reads what others may not
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'open', refuse)
    with pytest.raises(RecordingError, match=r'x.mp4 cannot be read: Permission denied'):
        list(source)
    with pytest.raises(RecordingError, match=r'x.mp4 cannot be read: Permission denied'):
        open_source(path, None)
