"""A camera's H.264 or H.265 stream, a packet a message, to whole pictures."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from eevit_ros.errors import EevitError
from eevit_ros.images.h26x import H264, H265, PacketWatch, is_annex_b
from eevit_ros.images.picture_file import MAX_BYTES
from eevit_ros.images.video import WholePictures, load_av

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

T = TypeVar('T')

_LONGEST_DELAY = 32  # packets; both standards allow 16 pictures to be held back
_MOST_SETS = 8  # packets of parameters alone before the first picture

_NO_KEY_FRAME = (
    'no key frame has come yet: let the encoder send one a second (such as gop_size, or iframe '
    'interval)'
)
_MISSING = 'packets before it are missing: what follows waits for a key frame'
_NO_PARAMETERS = (
    'no parameter sets (SPS, PPS) have come: let the encoder send them with each key frame (such '
    'as repeat-headers=1, config-interval=-1)'
)
_PARTS = 'messages hold parts of pictures: let each hold one (alignment=au)'
_DAMAGED = 'the stream is damaged: what follows waits for a key frame'


class StreamDecoder(Generic[T]):
    """Decodes the packets of one camera, all of them and in their order. For one thread.

    Attributes:
        withheld: Packets so far whose picture is not shown because it builds on a missing one.
        why: Why the last one was withheld; '' once pictures come again.
        codec: That of the last packet; '' before the first.
        empty: Packets without a picture, as long as none has held one.
    """

    def __init__(self) -> None:
        """Start before the first packet."""
        self.withheld = 0
        self.why = _NO_KEY_FRAME
        self.codec = ''
        self.empty = 0
        self._number = 0
        self._pending: OrderedDict[int, T] = OrderedDict()

    def decode(self, packet: bytes, codec: str, about: T) -> list[tuple[T, VideoFrame]]:
        """Take a packet; return the pictures that are complete now, each with what it came with.

        That may be none, or that of an earlier packet, where pictures come out of order.

        Args:
            packet: In the form of annex B: one picture, or parameter sets alone.
            codec: 'h264' or 'hevc'.
            about: What belongs to the picture in this packet, such as its stamp.

        Raises:
            EevitError: PyAV is missing, or the packet is of another codec or form.
        """
        if codec not in (H264, H265):
            raise EevitError(f'video of codec {codec!r:.40} is not read: let it be h264 or hevc')
        if len(packet) > MAX_BYTES or not is_annex_b(packet):
            self.lose(_DAMAGED)
            raise EevitError(
                f'a packet of {len(packet)} bytes that starts with [{packet[:8].hex(" ")}] is not '
                f'{codec} in the form of annex B (start codes): set the encoder to byte-stream'
            )
        if codec != self.codec:
            self._start(codec)
        pictured = self._watch.has_picture(packet)
        if not self._watch.complete:
            self.lose(_MISSING)
        made = self._av.Packet(packet)
        if not pictured:
            self._whole.take(made)
            if not self._number:
                self.empty += 1
                self.withheld += self.empty > _MOST_SETS
            return []
        self.empty = 0
        damaged, waited = self._whole.damaged, self._whole.waiting
        self._number += 1
        made.pts = made.dts = self._number
        self._pending[self._number] = about
        while len(self._pending) > _LONGEST_DELAY:
            self._pending.popitem(last=False)
        pictures = self._whole.decode(made)
        if self._whole.damaged > damaged:
            self.why = _DAMAGED
        if self._whole.waiting:
            self.withheld += 1
            if self._watch.parts:
                self.why = _PARTS
            elif not self._watch.parameters_came:
                self.why = _NO_PARAMETERS
            return []
        self.why = ''
        if waited and pictures and pictures[0].pts is not None:
            # Packets since this picture's were not withheld, but held back for their order.
            self.withheld -= self._number - pictures[0].pts
        return self._known(pictures)

    def lose(self, why: str) -> None:
        """Wait for a key frame, because packets before the next one were left out."""
        if self.codec and not self._whole.waiting:
            self._whole.lose()
            self.why = why

    def rest(self) -> list[tuple[T, VideoFrame]]:
        """Return the pictures that were held back for their order; the stream has ended."""
        return self._known(self._whole.decode(self._av.Packet())) if self.codec else []

    def _start(self, codec: str) -> None:
        self._av = load_av()
        self._whole = WholePictures(self._av.CodecContext.create(codec, 'r'))
        self._watch = PacketWatch(codec)
        self._pending.clear()
        self.codec = codec

    def _known(self, pictures: list[VideoFrame]) -> list[tuple[T, VideoFrame]]:
        found = []
        for picture in pictures:
            number = -1 if picture.pts is None else picture.pts
            if number in self._pending:
                found.append((self._pending.pop(number), picture))
        return found
