"""From the messages of a bag to pictures: one of an image, any number of a packet of video."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.images.decoder import Decoder
from eevit_ros.images.h26x import codec_named, codec_of, video_codec
from eevit_ros.images.picture_file import picture_format
from eevit_ros.images.resize import InputSize
from eevit_ros.images.settings import ImageSettings
from eevit_ros.images.stream import StreamDecoder
from eevit_ros.images.video import first_plane
from eevit_ros.recordings.bag.topics import COMPRESSED_IMAGE, FFMPEG_PACKET, IMAGE
from eevit_ros.recordings.source import Decode, refuse


@dataclass(frozen=True)
class Picture:
    """A picture, not yet decoded, or a packet of video decoded but not yet RGB.

    Attributes:
        stamp_ns: Stamp of its message, nanoseconds.
        data: Bytes by which it is told from the one before.
        format: As in `SourceFrame`.
        decode: Makes it RGB.
        message: The image that it is; None for one of a video.
    """

    stamp_ns: int
    data: bytes
    format: str
    decode: Decode
    message: Any = None


class Pictures:
    """The pictures on one topic.

    Packets of video are decoded as they come, all of them: each builds on those before.
    """

    def __init__(self, images: ImageSettings | None) -> None:
        """Start before the first message; `images` says how they are read."""
        self._decoder = Decoder(images)
        self._stream: StreamDecoder[int] = StreamDecoder()

    @property
    def warning(self) -> str:
        """What is odd about the images, see `Decoder.warning`."""
        return self._decoder.warning

    def of(self, kind: str, message: Any, stamp_ns: int) -> list[Picture]:
        """Return the pictures that are complete with a message of one of `IMAGE_TYPES`."""
        data = message.data.tobytes()
        start, running = data[:16], self._stream.codec
        name = message.encoding if kind in (IMAGE, FFMPEG_PACKET) else message.format
        if kind == IMAGE and not codec_named(name):
            return [Picture(stamp_ns, data, '', partial(self._decoder.image, message), message)]
        if kind == COMPRESSED_IMAGE and not codec_of(name, start, running):
            decode = partial(self._decoder.compressed, data, name)
            return [Picture(stamp_ns, data, picture_format(data), decode, message)]
        codec = video_codec(name, start, running)
        try:
            found = self._stream.decode(data, codec, stamp_ns)
        except EevitError as err:
            return [unreadable(stamp_ns, data, str(err))]
        return [self._picture(*pair) for pair in found]

    def lose(self) -> None:
        """Take note that messages are missing before the next one."""
        self._stream.lose('the bag is damaged')

    def rest(self) -> list[Picture]:
        """Return the pictures that were held back for their order; there are no more messages."""
        return [self._picture(*pair) for pair in self._stream.rest()]

    def problems(self, where: str) -> list[str]:
        """Return what gave no picture, a sentence."""
        if not (count := max(self._stream.withheld, self._stream.empty)):
            return []
        why = self._stream.why or (
            'they build on pictures that are missing, up to the next key frame'
        )
        return [f'{count} packet(s) of video {where} gave no picture: {why}']

    def _picture(self, stamp_ns: int, picture: Any) -> Picture:
        decode = partial(_decode_video, self._decoder, picture)
        return Picture(stamp_ns, first_plane(picture), '', decode)


def unreadable(stamp_ns: int, data: bytes, why: str) -> Picture:
    """Return a picture that cannot be decoded; the caller counts it as bad."""
    return Picture(stamp_ns, data, '', partial(refuse, why))


def _decode_video(decoder: Decoder, picture: Any, size: InputSize | None = None) -> Any:
    return decoder.picture(picture)
