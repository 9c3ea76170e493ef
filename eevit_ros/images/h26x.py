"""What the bytes of an H.264 or H.265 packet say, without decoding it.

Packets are in the form of annex B of both standards: units after a start code of 0, 0, 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from eevit_ros.images.picture_file import picture_format

H264, H265 = 'h264', 'hevc'  # as FFmpeg names them

_START = b'\x00\x00\x01'
_MOST_UNITS = 64  # before the first picture of a packet
_SET_BYTES = 1000  # of a parameter set
_HEADER_BYTES = 40  # of a slice: enough for all that comes before and in its frame number
_H264_IDR, _H264_PARAMETERS, _H265_PARAMETERS = 5, 7, 33
_H264_PICTURES = {1, _H264_IDR}
_H264_FIRST = {1, 5, 6, 7, 8, 9}  # with what a packet may begin
# In the base layer. Not 2 to 5, which lie above it: 3 would be H.264's SEI of picture timing.
_H265_FIRST = {0, 1, *range(6, 22), *range(32, 41)}
_H264_ANEW, _H265_ANEW = {7, 9}, {32, 33, 34, 35}  # before a key frame
_WITH_CHROMA_FORMAT = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}


@lru_cache(maxsize=64)
def codec_named(text: str) -> str:
    """Return the codec that a message's format or encoding names; '' for none of the two.

    Drivers write h264, H265, hevc, libx264, h264_nvmpi, 'h264;yuv420p;bgr8;bgr8' and more.
    """
    name = text.lower()
    if any(word in name for word in ('h264', 'x264', 'h.264', 'avc')):
        return H264
    return H265 if any(word in name for word in ('h265', 'x265', 'h.265', 'hevc')) else ''


def is_annex_b(packet: bytes) -> bool:
    """Return whether a packet begins with a start code; zeros may come before."""
    return packet.startswith(b'\0\0') and packet[:8].lstrip(b'\0').startswith(b'\1')


def codec_of(format: str, start: bytes, running: str = '') -> str:
    """Return the codec of a sensor_msgs/CompressedImage; '' where it is a picture file.

    The bytes come before the name. Those of some packets would do for either codec: a stream
    changes only where another one begins.

    Args:
        format: The message's field of that name; many drivers leave it empty, or say jpeg.
        start: The first 16 bytes or more of its data.
        running: The codec of the packets before; '' for none.
    """
    named = codec_named(format)
    if not is_annex_b(start):
        return named if named and not picture_format(start) else ''
    begun, anew = _codec_begun(start)
    return running if running and not anew else begun or named


def video_codec(name: str, start: bytes, running: str = '') -> str:
    """Return the codec of a packet of video; under its own name where it is unknown.

    Args:
        name: What its message calls it.
        start: As in `codec_of`.
        running: As in `codec_of`.
    """
    return codec_of(name, start, running) or codec_named(name) or name or 'unknown'


def _codec_begun(start: bytes) -> tuple[str, bool]:
    """Return the codec of a packet, '' for none, and whether a stream of it may begin here."""
    header = start[start.find(_START) + 3 :]
    if len(header) < 2 or header[0] & 0x80:
        return '', False
    # The second byte of H.265 is the temporal layer plus 1, in the base layer.
    kind = header[0] >> 1
    if not header[0] & 1 and header[1] == 1 and kind in _H265_FIRST:
        return H265, kind in _H265_ANEW
    kind = header[0] & 31
    return (H264, kind in _H264_ANEW) if kind in _H264_FIRST else ('', False)


def units(packet: bytes) -> Iterator[memoryview]:
    """Yield the units of a packet, each without its start code."""
    view, at = memoryview(packet), packet.find(_START)
    while at >= 0:
        end = packet.find(_START, at + 3)
        yield view[at + 3 : end if end >= 0 else len(packet)]
        at = end


class PacketWatch:
    """Watches the packets of one stream.

    Attributes:
        complete: Whether no H.264 picture is known to be missing before the last packet.
        parameters_came: Whether a sequence parameter set did, without which nothing can be decoded.
        parts: Whether a packet began within a picture.
    """

    def __init__(self, codec: str) -> None:
        """Start before the first packet of a stream of this codec."""
        self._h264 = codec == H264
        self._parameters: _Parameters | None = None
        self._reference = 0
        self.complete = True
        self.parameters_came = self.parts = False

    def has_picture(self, packet: bytes) -> bool:
        """Take a packet; return whether a picture is in it, or only what decoding needs."""
        self.complete = True
        for unit in islice(units(packet), _MOST_UNITS):
            if len(unit) < 3:
                continue
            kind = unit[0] & 31 if self._h264 else unit[0] >> 1 & 63
            if kind == (_H264_PARAMETERS if self._h264 else _H265_PARAMETERS):
                self.parameters_came = True
                self._parameters = _parameters(unit) if self._h264 else None
            elif kind in _H264_PICTURES if self._h264 else kind < 32:
                # Both begin with what is 1 in the first slice: 0 in Exp-Golomb code, or a flag.
                self.parts = self.parts or not unit[1 if self._h264 else 2] & 0x80
                if self._h264:
                    self._number(unit)
                return True
        return False

    def _number(self, unit: memoryview) -> None:
        """Compare a picture's number, which counts the pictures that others build on."""
        if self._parameters is None:
            return
        number = 0
        if unit[0] & 31 != _H264_IDR:
            bits = _Bits(unit[1:_HEADER_BYTES])
            try:
                for _ in range(3):  # first block, kind of slice, parameter set
                    bits.code()
                bits.take(2 * self._parameters.separate_colours)
                number = bits.take(self._parameters.number_bits)
            except IndexError:
                return  # damaged; decoding will tell
            following = (self._reference + 1) % (1 << self._parameters.number_bits)
            self.complete = self._parameters.gaps or number in (self._reference, following)
        if unit[0] >> 5 & 3:
            self._reference = number


class _Parameters:
    """What of a sequence parameter set counts here."""

    def __init__(self, number_bits: int, gaps: bool, separate_colours: bool) -> None:
        self.number_bits = number_bits
        self.gaps = gaps
        self.separate_colours = separate_colours


def _parameters(unit: memoryview) -> _Parameters | None:
    """Read a sequence parameter set (H.264, 7.3.2.1.1); None where it is damaged."""
    bits, profile = _Bits(unit[1:_SET_BYTES]), unit[1] if len(unit) > 1 else 0
    separate = False
    try:
        bits.take(24)
        bits.code()
        if profile in _WITH_CHROMA_FORMAT:
            chroma = bits.code()
            separate = chroma == 3 and bool(bits.take(1))
            bits.code()
            bits.code()
            bits.take(1)
            if bits.take(1):
                for index in range(12 if chroma == 3 else 8):
                    if bits.take(1):
                        bits.scaling_list(16 if index < 6 else 64)
        number_bits = bits.code() + 4
        order = bits.code()
        if order == 0:
            bits.code()
        elif order == 1:
            bits.take(1)
            bits.code()
            bits.code()
            for _ in range(bits.code()):
                bits.code()
        bits.code()
        gaps = bool(bits.take(1))
    except IndexError:
        return None
    return _Parameters(number_bits, gaps, separate) if number_bits <= 16 else None


class _Bits:
    """Reads bits from the left; an IndexError says that there are no more."""

    def __init__(self, data: memoryview) -> None:
        # A 3 after two zeros is there only to keep start codes out of the data.
        plain = bytes(data).replace(b'\x00\x00\x03', b'\x00\x00')
        self._bits = int.from_bytes(b'\x01' + plain, 'big')
        self._left = 8 * len(plain)

    def take(self, count: int) -> int:
        """Return an unsigned number of so many bits."""
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._bits >> self._left & ((1 << count) - 1)

    def code(self) -> int:
        """Return a number in Exp-Golomb code; a signed one comes as its code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def scaling_list(self, size: int) -> None:
        """Skip a scaling list."""
        last = following = 8
        for _ in range(size):
            if following:
                code = self.code()
                following = (last + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
            last = following or last
