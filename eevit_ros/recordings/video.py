"""Frames of a video file, as PyAV (FFmpeg) reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from eevit_ros.errors import EevitError
from eevit_ros.images.decoder import Decoder
from eevit_ros.images.resize import Image, InputSize
from eevit_ros.images.settings import ImageSettings
from eevit_ros.images.video import WholePictures, load_av, to_rgb
from eevit_ros.recordings.containers import missing_bytes
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.source import SourceFrame, refuse
from eevit_ros.recordings.stamps import SECOND_NS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VIDEO_SUFFIXES = (
    '.mp4', '.m4v', '.mov', '.3gp', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.ts', '.mts',
    '.m2ts', '.h264', '.h265', '.hevc',
)  # fmt: skip

# FFmpeg goes by what is in a file: without this, a play list named x.mp4 could open others.
_OPTIONS = {
    'protocol_whitelist': 'file',
    'format_whitelist': 'mov,matroska,avi,mpeg,mpegts,mpegvideo,h264,hevc,m4v',
}
_OLDEST_AV = 16
_HIGHEST_FPS = 1000
_RATE_IF_UNKNOWN = Fraction(30)
_LONGEST_GAP_NS = 24 * 3600 * SECOND_NS

_CONVERT = 'convert it to H.264 in .mp4'


class VideoSource:
    """The frames of a video, as a `Source`: at the times at which it shows them, the first at 1 s.

    Not from 0: a stamp of 0 means that there is no clock.
    """

    topic = ''
    frames: int | None = None  # containers only estimate it

    def __init__(self, path: Path, images: ImageSettings | None = None) -> None:
        """Open a video.

        Args:
            path: The file.
            images: How its pictures are read.

        Raises:
            RecordingError: PyAV is missing or reads no frame of it.
        """
        self.name = Path(os.path.abspath(path)).name
        self.problems: list[str] = []
        self._path = path
        self._images = images
        try:
            self._av = load_av(_OLDEST_AV)
        except EevitError as err:
            raise RecordingError(f'{path} cannot be read: {err}') from err
        with self._open() as (container, stream):
            whole = WholePictures(stream.codec_context)
            packets = self._packets(container, stream, whole)
            picture = next((x for packet in packets for x in whole.decode(packet)), None)
            if picture is None:
                raise RecordingError(
                    f'{path} has no frame that PyAV {self._av.__version__} can read: it is '
                    f'damaged or holds no key frame: {_CONVERT}'
                )
        self.problems.clear()

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames."""
        self.problems.clear()
        decoder = Decoder(self._images)
        with self._open() as (container, stream):
            whole = WholePictures(stream.codec_context)
            rate = _rate(stream)
            times = FrameTimes(rate)
            index = damaged_at = early = 0
            key_came = False
            for packet in self._packets(container, stream, whole):
                if not (index or key_came):
                    key_came = packet.is_keyframe
                    early += not key_came
                for picture in whole.decode(packet):
                    stamp_ns = SECOND_NS + times.next_ns(_time_ns(picture, stream))
                    yield _frame(index, stamp_ns, picture, decoder)
                    index += 1
                if not damaged_at and whole.damaged:
                    damaged_at = index
            if early and key_came:
                self._tell(f'begins without a key frame: its first {early} frames are lost')
            if whole.damaged:
                self._tell(
                    f'is damaged in {whole.damaged} place(s), the first after {damaged_at} frames: '
                    f'each time the frames up to the next key frame are lost'
                )
            if times.untold:
                self._tell(f'tells no time of {times.untold} frame(s): taken is {float(rate):g} Hz')
            if times.breaks:
                self._tell(
                    f'has {times.breaks} frame(s) whose time does not follow from the one before: '
                    f'taken is {float(rate):g} Hz'
                )
            if missing := missing_bytes(self._path):
                self._tell(f'is cut off after {index} frames: {missing} bytes of it are missing')

    def stamped_labels(self, topic: str) -> dict[int, str]:
        """See `Source`."""
        raise RecordingError(f'{self._path} is a video, which has no topic {topic}')

    @contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        from av.stream import Disposition

        try:
            # Not `options`: with these PyAV up to 17 crashes on streams that are found late (.mpg).
            container = self._av.open(
                f'file:{os.path.abspath(self._path)}',
                container_options=_OPTIONS,
                metadata_errors='replace',  # many cameras write another encoding than UTF-8
            )
        except self._av.FFmpegError as err:
            missing = missing_bytes(self._path)
            cut = f', and {missing} bytes of it are missing' if missing else ''
            raise RecordingError(
                f'{self._path} cannot be opened as a video by PyAV {self._av.__version__} '
                f'({err.strerror}{cut}): it is not a video, or the recorder was not stopped: '
                f'record or copy it again, or {_CONVERT}'
            ) from (None if isinstance(err, MemoryError) else err)  # a damaged size, no lack of it
        with container:
            # An attached picture is the cover of a song.
            found = [
                x for x in container.streams.video if not x.disposition & Disposition.attached_pic
            ]
            best = container.streams.best('video')
            if not found or best is None:
                kinds = ', '.join(sorted({x.type for x in container.streams})) or 'none'
                raise RecordingError(f'{self._path} has no video stream: its streams are {kinds}')
            stream = best if best in found else found[0]
            if stream.codec_context is None:
                raise RecordingError(
                    f'{self._path} is of a codec that PyAV {self._av.__version__} does not know: '
                    f'{_CONVERT}'
                )
            if len(found) > 1:
                self._tell(
                    f'has {len(found)} video streams; used is stream {stream.index}, '
                    f'{stream.width}x{stream.height}'
                )
            yield container, stream

    def _packets(
        self, container: InputContainer, stream: VideoStream, whole: WholePictures
    ) -> Iterator[Packet[VideoStream]]:
        """Yield the packets, then an empty one."""
        cut = missing_bytes(self._path) > 0
        packets = container.demux(stream)
        try:
            while True:
                with self._complaints(container) as complaints:
                    packet = next(packets)
                if not packet.size:
                    break
                if cut and packet.is_corrupt:
                    break  # the cut went through it
                if complaints:  # bytes before this packet were skipped
                    whole.lose()
                yield packet
            if complaints and not cut:
                self._tell('is cut off: the rest is lost')
        except self._av.FFmpegError as err:
            self._tell(f'is damaged ({err.strerror}): the rest is lost')
        yield self._av.Packet()

    @contextmanager
    def _complaints(self, container: InputContainer) -> Iterator[Sequence[object]]:
        """Collect what FFmpeg says of damage to a Matroska file, which it otherwise passes over."""
        from av import logging

        if not container.format.name.startswith('matroska'):
            yield []
            return
        level, skips = logging.get_level(), logging.get_skip_repeated()
        logging.set_level(logging.ERROR)
        logging.set_skip_repeated(False)
        try:
            with logging.Capture() as complaints:
                yield complaints
        finally:
            logging.set_level(level)
            logging.set_skip_repeated(skips)

    def _tell(self, problem: str) -> None:
        self.problems.append(f'{self._path} {problem}')


class FrameTimes:
    """Times of the frames of a video, from 0 on and always rising.

    Attributes:
        untold: Frames of which the video told no time.
        breaks: Frames whose time fell, stood still or leapt by a day.
    """

    def __init__(self, rate: Fraction) -> None:
        """Start before the first frame.

        Args:
            rate: Frames per second; used where the video tells no time, or an impossible one.
        """
        self._period_ns = round(SECOND_NS / rate)
        self._start_ns = 0
        self._last_ns: int | None = None
        self.untold = self.breaks = 0

    def next_ns(self, time_ns: int | None) -> int:
        """Return the time of the next frame, nanoseconds; the video says `time_ns`, or nothing."""
        self.untold += time_ns is None
        if self._last_ns is None:
            self._start_ns = time_ns or 0
            self._last_ns = 0
            return 0
        next_ns = self._last_ns + self._period_ns
        if time_ns is not None:
            if 0 < time_ns - self._start_ns - self._last_ns <= _LONGEST_GAP_NS:
                next_ns = time_ns - self._start_ns
            else:  # as where two videos were put together
                self.breaks += 1
                self._start_ns = time_ns - next_ns
        self._last_ns = next_ns
        return next_ns


def _frame(index: int, stamp_ns: int, picture: VideoFrame, decoder: Decoder) -> SourceFrame:
    try:
        pixels = to_rgb(picture)
    except EevitError as err:
        return SourceFrame(index, stamp_ns, stamp_ns, b'', '', partial(refuse, str(err)))
    decode = partial(_give, decoder, pixels)
    return SourceFrame(index, stamp_ns, stamp_ns, pixels.tobytes(), '', decode)


def _give(decoder: Decoder, pixels: Image, size: InputSize | None = None) -> Image:
    return decoder.mounted(pixels)


def _time_ns(picture: VideoFrame, stream: VideoStream) -> int | None:
    if picture.pts is None or stream.time_base is None:
        return None
    return round(picture.pts * stream.time_base * SECOND_NS)


def _rate(stream: VideoStream) -> Fraction:
    """Return the frames per second that a video says it has, where that can be."""
    # Of a bare stream the average is FFmpeg's guess, the guess what the stream says.
    for rate in (stream.guessed_rate, stream.average_rate):
        if rate and 0 < rate <= _HIGHEST_FPS:
            return rate
    return _RATE_IF_UNKNOWN
