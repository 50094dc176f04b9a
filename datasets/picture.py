"""One picture file -> one uint8 image of the frame's size, and its mask.

bytes -> upright RGB at native size (hashed) -> resized -> padded to the frame. The image is decoded whole, never by
JPEG's cheaper reduced scales: the hash of its native pixels is what finds duplicates, and a split must not depend on
the size that is asked for. A picture of more than 178,956,970 pixels, twice Pillow's own limit, is refused; how many
are decoded at a time depends on the memory that there is.

Letters: H, W a picture's native height and width; h, w those of its mask; R, C rows and columns of the frame.
"""

import contextlib
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from datasets import masks
from datasets.frame import Frame
from datasets.memory import decoding_budget
from datasets.sample import DataError, Sample

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")
_JPEG_MAGIC = b"\xff\xd8"
_MAX_16_BIT = 65535
DECODING_BYTES = 18  # that a pixel takes from its file to a frame, copies included
_MEMORY = decoding_budget()


class UnreadableError(Exception):
    """One picture file that cannot be decoded; the message is its path and why, in a few words."""


@dataclass(frozen=True)
class Picture:
    """What one file became."""

    pixels: np.ndarray  # (R, C, 3) uint8
    mask: np.ndarray | None  # (h, w) bool, at the picture's own proportions
    content: str  # sha256 hex of the file's bytes
    pixel_hash: str  # sha256 hex of the pixels at native size, upright RGB: equal for two encodings of one picture
    native_size: tuple[int, int]  # (H, W)


def read(root: Path, sample: Sample, frame: Frame) -> Picture:
    """Decodes a sample's image, and its masks where it has some. Raises UnreadableError where one is no whole picture
    of a known format, and DataError where a mask's size is not its image's."""
    data = _read_bytes(root, sample.path)
    with _memory_for(data):
        return _read(root, sample, data, frame)


def _read(root: Path, sample: Sample, data: bytes, frame: Frame) -> Picture:
    pixels = _rgb(_decode(data, sample.path), sample.path)  # (H, W, 3)
    native_masks = [read_mask(root, path) for path in sample.masks]  # (H, W) each
    for path, native_mask in zip(sample.masks, native_masks, strict=True):
        if native_mask.shape != pixels.shape[:2]:
            raise DataError(
                f"{path} is {_size(native_mask)}, but its image {sample.path} is {_size(pixels)}; "
                "expected equal sizes; repair the mask"
            )
    size = masks.own_size(*pixels.shape[:2])
    return Picture(
        pixels=fit_image(pixels, frame),
        mask=masks.resize(np.logical_or.reduce(native_masks), size) if native_masks else None,
        content=hashlib.sha256(data).hexdigest(),
        pixel_hash=_pixel_hash(pixels),
        native_size=pixels.shape[:2],
    )


def read_pixels(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 of a picture that no dataset knows, upright, at native size. Raises UnreadableError."""
    data = _read_bytes(path.parent, path.name)
    with _memory_for(data):
        return _rgb(_decode(data, path.name), path.name)


def read_mask(root: Path, path: str) -> np.ndarray:
    """(H, W) bool of the mask picture at `path` under `root`: set where it is not black.

    JPEG's black is noisy; such a mask is set where it is light.
    """
    data = _read_bytes(root, path)
    image = _decode(data, path)
    levels = np.asarray(image if image.mode[0] in "IF" else image.convert("L"))
    return levels > (127 if data.startswith(_JPEG_MAGIC) else 0)


def fit_image(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """(H, W, 3) uint8 -> (R, C, 3) uint8.

    A frame that does not stretch keeps the proportions, and each bar is filled with the mean of the border beside it.
    So a plain background goes on without an edge, and no single pixel of the border (a crack that ends there) becomes a
    streak across the bar, as it would by repeating the border.
    """
    rows, columns = frame.inside(*pixels.shape[:2])
    size = columns.stop - columns.start, rows.stop - rows.start
    inner = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))  # PIL's is antialiased
    framed = np.empty((frame.height, frame.width, 3), dtype=np.uint8)
    framed[: rows.start], framed[rows.stop :] = _mean_colour(inner[0]), _mean_colour(inner[-1])
    framed[:, : columns.start], framed[:, columns.stop :] = _mean_colour(inner[:, 0]), _mean_colour(inner[:, -1])
    framed[rows, columns] = inner
    return framed


def _mean_colour(line: np.ndarray) -> np.ndarray:
    """(L, 3) uint8 -> (3,) uint8."""
    return np.rint(line.mean(axis=0)).astype(np.uint8)


def _pixel_hash(pixels: np.ndarray) -> str:
    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels))
    return digest.hexdigest()


def _size(array: np.ndarray) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"


def _read_bytes(root: Path, path: str) -> bytes:
    try:
        data = (root / path).read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from None
    if not data:
        raise UnreadableError(f"{path}: the file is empty")
    return data


def _memory_for(data: bytes) -> contextlib.AbstractContextManager:
    """Of what this process has for decoding, as much as a picture of that size takes, as its header says."""
    try:
        width, height = Image.open(io.BytesIO(data), formats=FORMATS).size
    except Exception:  # no picture, or too large a one: decoding it says what it is
        return contextlib.nullcontext()
    return _MEMORY.holding(width * height * DECODING_BYTES)


def _decode(data: bytes, path: str) -> Image.Image:
    """The whole picture, upright as its EXIF orientation says."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        image.load()
        return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise UnreadableError(f"{path}: not a picture of a known format ({', '.join(FORMATS)})") from None
    except Exception as error:  # on malformed bytes PIL's readers raise SyntaxError, TypeError, OverflowError, ...
        raise UnreadableError(f"{path}: {error}") from None


def _rgb(image: Image.Image, path: str) -> np.ndarray:
    """(H, W, 3) uint8: grey repeated, 16 bits scaled to 8 by their full range, alpha dropped, palettes looked up."""
    if image.mode[0] in "IF":
        levels = np.asarray(image)
        if image.mode == "F" or levels.min() < 0 or levels.max() > _MAX_16_BIT:
            raise UnreadableError(f"{path}: its levels have no fixed range; expected 8 or 16 bits a channel")
        return np.repeat(np.rint(levels / _MAX_16_BIT * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in ("P", "PA") and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))
