"""From a path to the source that reads it."""

from __future__ import annotations

from pathlib import Path

from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.bag.listing import METADATA, is_bag
from eevit_ros.recordings.bag.source import BagSource
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.folder import OTHER_PICTURES, PICTURE_SUFFIXES, FolderSource, is_picture
from eevit_ros.recordings.source import Source, natural_key
from eevit_ros.recordings.video import VIDEO_SUFFIXES, VideoSource

_ACCEPTED = (
    'a rosbag2 folder, an .mcap, .db3 or ROS 1 .bag file, '
    f'a video ({", ".join(VIDEO_SUFFIXES)}) '
    f'or a folder of pictures ({", ".join(PICTURE_SUFFIXES)}), flat or one sub-folder a class'
)


def find_recordings(path: Path) -> list[Path]:
    """Return the recordings that a path stands for: itself, or all of those in a folder.

    Pictures beside videos are one more, the folder itself. Not so the pictures beside bags, those
    named like a video, as cameras write to show it, and the video of a Live Photo.
    """
    path = _folder_of(path)
    if not path.is_dir() or is_bag(path):
        return [path]
    inside = sorted(path.iterdir(), key=natural_key)
    inside = [x for x in inside if not x.name.startswith('.')]
    recordings = [x for x in inside if _is_recording(x)]
    if any(not _is_video(x) for x in recordings):
        return recordings
    pictures = {x.stem for x in inside if is_picture(x) or x.suffix.lower() in OTHER_PICTURES}
    recordings = [x for x in recordings if x.suffix.lower() != '.mov' or x.stem not in pictures]
    beside = pictures - {x.stem for x in recordings}
    return [*recordings, path] if beside or not recordings else recordings


def open_source(path: Path, topic: str | None, images: ImageSettings | None = None) -> Source:
    """Open a recording.

    Args:
        path: A bag, a video file or a folder of pictures.
        topic: Topic of a bag's images; None takes the only one.
        images: How the images are read; None for the defaults.

    Raises:
        RecordingError: `path` does not exist or cannot be read, or the topic is ambiguous.
    """
    path = _folder_of(path)
    try:
        if not path.exists():
            raise RecordingError(f'there is no {path}: name {_ACCEPTED}')
        if is_bag(path):
            return BagSource(path, topic, images)
        if not path.is_dir() and not _is_video(path):
            raise RecordingError(f'{path} is not a recording: name {_ACCEPTED}')
        if path.is_dir() and not any(path.iterdir()):
            raise RecordingError(f'{path} is empty: name {_ACCEPTED}')
        if topic is not None:
            raise RecordingError(f'{path} is not a bag and has no topic {topic}: omit the topic')
        return FolderSource(path, images) if path.is_dir() else VideoSource(path, images)
    except OSError as err:
        raise RecordingError(f'{path} cannot be read: {err.strerror}') from err


def _is_recording(path: Path) -> bool:
    try:
        return is_bag(path) or _is_video(path)
    except OSError:
        return True  # a folder that cannot be listed is told as a recording that cannot be read


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _folder_of(path: Path) -> Path:
    """Return the folder of a bag for its metadata.yaml, any other path as it is."""
    return path.parent if path.name == METADATA else path
