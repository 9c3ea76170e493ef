"""One image of the camera on its way to the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from std_msgs.msg import Header

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True)
class Frame:
    """A message as it came, and what its answer is worth.

    Attributes:
        message: The image, or the packet of a video.
        header: Its header.
        stamp_ns: Stamp of its header, nanoseconds.
        frozen: Whether the camera repeats itself.
        waited: Whether it may have waited in a queue while this process stalled.
        useless_stamps: Whether the camera's stamps tell no age.
        picture: The picture of a video that the message is about; None for an image.
        error: Why there is none.
        detections: The vision_msgs/Detection2DArray about it, with `regions`.
    """

    message: Any
    header: Header
    stamp_ns: int
    frozen: bool
    waited: bool
    useless_stamps: bool
    picture: VideoFrame | None = None
    error: str = ''
    detections: Any = None
