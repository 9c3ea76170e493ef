"""From the messages of one camera to RGB frames: the one way of node and replay."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from eevit_ros.images import jpeg
from eevit_ros.images.compressed import decode_compressed, decode_photo
from eevit_ros.images.encodings import Data
from eevit_ros.images.pixel_range import PixelRange
from eevit_ros.images.raw import decode_image_message
from eevit_ros.images.resize import Image, InputSize
from eevit_ros.images.settings import ImageSettings
from eevit_ros.images.video import to_rgb

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from sensor_msgs.msg import Image as ImageMessage


class Decoder:
    """Decodes the images of one camera as the settings say. For one thread.

    It holds what lasts from one image to the next: a range that follows them.

    Attributes:
        mounting: What is done to each image in the end.
    """

    def __init__(self, settings: ImageSettings | None = None) -> None:
        """Start before the first image."""
        settings = settings or ImageSettings()
        self._values = PixelRange(settings.image_range)
        self.mounting = settings.mounting
        self._is_mounted = bool(self.mounting)

    @property
    def warning(self) -> str:
        """What is odd about the images, and the cure; '' for nothing."""
        return self._values.warning

    def image(self, message: ImageMessage, size: InputSize | None = None) -> Image:
        """Decode a sensor_msgs/Image, see `raw.decode_image_message`.

        Args:
            message: The message.
            size: The model input that the pixels are for; None decodes all of them.

        Returns:
            RGB uint8 (H, W, 3).

        Raises:
            EevitError: It cannot be read.
        """
        if self._is_mounted:
            return self.mounting.of(decode_image_message(message, self._values))
        return decode_image_message(message, self._values, size)

    def mounted(self, image: Image) -> Image:
        """Return the part of a decoded image that counts, the right way up: a view.

        Raises:
            EevitError: The crop is not within the image.
        """
        return self.mounting.of(image) if self._is_mounted else image

    def picture(self, picture: VideoFrame) -> Image:
        """Return a picture of a video as RGB uint8 (H, W, 3).

        Raises:
            EevitError: It cannot be converted.
        """
        return self.mounted(to_rgb(picture))

    def compressed(self, data: Data, format: str, size: InputSize | None = None) -> Image:
        """Decode the file of a sensor_msgs/CompressedImage, see `compressed.decode_compressed`.

        Args:
            data: The file's bytes.
            format: The message's field of that name.
            size: As in `image`; a much larger JPEG is decoded at a reduced size.

        Returns:
            RGB uint8 (H, W, 3).

        Raises:
            EevitError: It cannot be read.
        """
        return self._of_file(data, partial(decode_compressed, data, format), size)

    def photo(self, data: bytes, name: str, size: InputSize | None = None) -> Image:
        """Decode a picture file from a disk, see `compressed.decode_photo`.

        Args:
            data: The file's bytes.
            name: The file's name in errors.
            size: As in `compressed`.

        Returns:
            RGB uint8 (H, W, 3), turned upright as EXIF says before anything else.

        Raises:
            EevitError: It cannot be read.
        """
        return self._of_file(data, partial(decode_photo, data, name), size)

    def _of_file(
        self,
        data: Data,
        decode: Callable[[InputSize | None, PixelRange], Image],
        size: InputSize | None,
    ) -> Image:
        if not self._is_mounted:
            return decode(size, self._values)
        if size is None:
            return self.mounting.of(decode(None, self._values))
        image = decode(self.mounting.input_size(size), self._values)
        return self.mounting.of(image, _reduction(bytes(data), image))


def _reduction(raw: bytes, image: Image) -> int:
    """Return the factor by which the sides of a file's image were reduced."""
    header = jpeg.read_header(raw) if raw.startswith(jpeg.JPEG_MAGIC) else None
    return max(header.height, header.width) // max(image.shape[:2]) if header else 1
