"""Bytes of a picture's file -> its pixels, upright, within the memory that there is.

header -> weighed -> decoded. What a header announces is weighed before anything is unpacked: a file that would take
more than the memory that there is for it is refused, and so is a small one that would unpack to a huge picture. So
Pillow's own limit of pixels, which knows neither the memory nor the file, does not hold here.

A picture of up to WHOLE_PIXELS is decoded whole, never by JPEG's cheaper reduced scales: the hash of its native pixels
is what finds duplicates, and a split must not depend on the size that is asked for. A larger JPEG is decoded at the
half, quarter or eighth that brings it below, which depends on nothing but itself; other formats have no such scales.

Letters: H, W a picture's native height and width.
"""

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from datasets.memory import decoding_budget

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")
WHOLE_PIXELS = 178_956_970
DENSEST = 1000  # pixels a byte of a file of more pixels; no photograph comes near
PIXEL_BYTES = 16  # that a pixel takes from its file to a frame, copies included
COEFFICIENT_BYTES = 6  # that a pixel of a progressive JPEG takes, at whatever scale it is decoded
SCALES = (1, 2, 4, 8)  # of JPEG
BUDGET = decoding_budget()
GB, MB = 1e9, 1e6


class UnreadableError(Exception):
    """One picture file that cannot be decoded; the message is its path and why, in a few words."""


class Undecoded:
    """A picture of whose file the header was read, and nothing else."""

    def __init__(self, data: bytes, path: str):
        """Raises UnreadableError where the bytes are no picture."""
        self.path, self.file_bytes = path, len(data)
        try:
            self.image = opened(io.BytesIO(data))
        except UnidentifiedImageError:
            raise UnreadableError(f"{path}: not a picture of a known format ({', '.join(FORMATS)})") from None
        except Exception as error:  # on malformed bytes PIL's readers raise SyntaxError, TypeError, OverflowError, ...
            raise UnreadableError(f"{path}: {error}") from None
        self.file_size = self.image.size  # (W, H) as it is stored

    def weighed(self) -> contextlib.AbstractContextManager:
        """Holds the memory that decoding takes. Raises UnreadableError where that is more than there is, and where the
        file is too small to be a photograph of that size."""
        width, height = self.file_size
        size = f"{width} x {height} pixels"
        if width * height > max(WHOLE_PIXELS, DENSEST * self.file_bytes):
            raise UnreadableError(
                f"{self.path}: {size} in {self.file_bytes / MB:.2g} MB, which is no photograph, and is not unpacked"
            )
        needed_bytes = self._reduced()
        if needed_bytes > BUDGET.total_bytes:
            raise UnreadableError(
                f"{self.path}: {size} take {needed_bytes / GB:.2g} GB to decode, of {BUDGET.total_bytes / GB:.2g} GB "
                "that there are for it, half of the memory here"
            )
        return BUDGET.holding(needed_bytes)

    def decoded(self) -> tuple[Image.Image, tuple[int, int]]:
        """The picture, upright as its EXIF orientation says, and its native (H, W). Raises UnreadableError where the
        file is not whole."""
        try:
            with _PILLOW.unlimited():
                self.image.load()
            native_size = upright(self.file_size, self.image)
            ImageOps.exif_transpose(self.image, in_place=True)  # a copy less than by default
        except Exception as error:
            raise UnreadableError(f"{self.path}: {error}") from None
        return self.image, native_size

    def _reduced(self) -> int:
        """Bytes that decoding takes, at the largest of JPEG's scales that is no larger than WHOLE_PIXELS."""
        width, height = self.file_size
        if not isinstance(self.image, JpegImageFile):
            return width * height * PIXEL_BYTES
        scale = next((scale for scale in SCALES if width * height <= WHOLE_PIXELS * scale**2), SCALES[-1])
        if scale > 1:
            self.image.draft(None, (width // scale, height // scale))
        least_bytes = COEFFICIENT_BYTES if self.image.info.get("progressive") else 0
        return width * height * max(PIXEL_BYTES // scale**2, least_bytes)


def opened(file: Path | io.BytesIO) -> Image.Image:
    """A picture whose header is read; of any size, whatever Pillow's limit is for others."""
    with _PILLOW.unlimited():
        return Image.open(file, formats=FORMATS)


def upright(size: tuple[int, int], image: Image.Image) -> tuple[int, int]:
    """(W, H) as a file has it -> (H, W) as its EXIF orientation says."""
    exif = Image.Image.getexif(image)  # PNG's own would decode the picture
    is_turned = exif.get(ExifTags.Base.Orientation, 1) >= 5
    return size if is_turned else size[::-1]


class _Pillow:
    """Pillow's limit of pixels: lifted while any of our threads reads a picture, and there again for others after."""

    def __init__(self):
        self.readers, self.limit, self._lock = 0, None, threading.Lock()

    @contextlib.contextmanager
    def unlimited(self) -> Iterator[None]:
        with self._lock:
            if not self.readers:
                self.limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self.readers += 1
        try:
            yield
        finally:
            with self._lock:
                self.readers -= 1
                if not self.readers:
                    Image.MAX_IMAGE_PIXELS = self.limit


_PILLOW = _Pillow()
