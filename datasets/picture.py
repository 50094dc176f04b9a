"""One picture file -> one uint8 image of the frame's size, and its mask.

bytes -> upright RGB (datasets/decoding.py), hashed -> resized -> padded to the frame.

Letters: H, W a picture's native height and width; h, w those of its mask; R, C rows and columns of the frame. A JPEG of
more than decoding.WHOLE_PIXELS has fewer decoded rows and columns than H and W.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from datasets import masks, mirror
from datasets.decoding import Undecoded, UnreadableError, upright
from datasets.frame import Frame
from datasets.sample import DataError, Sample

_JPEG_MAGIC = b"\xff\xd8"
_MAX_16_BIT = 65535


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
    undecoded = Undecoded(data, sample.path)
    with undecoded.weighed():
        image, native_size = undecoded.decoded()
        pixels = _rgb(image, sample.path)
        del image, undecoded
        native_masks = [_mask_of(sample, native_size, root, path) for path in sample.masks]  # (H, W) each
        size = masks.own_size(*native_size)
        return Picture(
            pixels=fit_image(pixels, frame),
            mask=masks.resize(np.logical_or.reduce(native_masks), size) if native_masks else None,
            content=hashlib.sha256(data).hexdigest(),
            pixel_hash=_pixel_hash(pixels),
            native_size=native_size,
        )


def read_pixels(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 of a picture that no dataset knows, upright. Raises UnreadableError."""
    return pixels_of(_read_bytes(path.parent, path.name), path.name)


def pixels_of(content: bytes, name: str) -> np.ndarray:
    """The same of the bytes of a picture's file; `name` is what an error calls it."""
    undecoded = Undecoded(content, name)
    with undecoded.weighed():
        image, _ = undecoded.decoded()
        return _rgb(image, name)


def read_mask(root: Path, path: str) -> np.ndarray:
    """(H, W) bool of the mask picture at `path` under `root`: set where it is not black.

    JPEG's black is noisy; such a mask is set where it is light.
    """
    data = _read_bytes(root, path)
    undecoded = Undecoded(data, path)
    with undecoded.weighed():
        return _is_set(undecoded, data)


def _mask_of(sample: Sample, native_size: tuple[int, int], root: Path, path: str) -> np.ndarray:
    """(H, W) bool of a sample's mask, whose picture has been decoded: of its size, so no more is to be weighed."""
    data = _read_bytes(root, path)
    undecoded = Undecoded(data, path)
    mask_size = upright(undecoded.file_size, undecoded.image)
    if mask_size != native_size:
        raise DataError(
            f"{path} is {_size(mask_size)}, but its image {sample.path} is {_size(native_size)}; "
            "expected equal sizes; repair the mask"
        )
    return _is_set(undecoded, data)


def _is_set(undecoded: Undecoded, data: bytes) -> np.ndarray:
    image, _ = undecoded.decoded()
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


def _size(size: tuple[int, int]) -> str:
    height, width = size
    return f"{width}x{height}"


def _read_bytes(root: Path, path: str) -> bytes:
    try:
        data = mirror.content(root / path)
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from None
    if not data:
        raise UnreadableError(f"{path}: the file is empty")
    return data


def _rgb(image: Image.Image, path: str) -> np.ndarray:
    """(H, W, 3) uint8: grey repeated, 16 bits scaled to 8 by their full range, alpha dropped, palettes looked up."""
    if image.mode[0] in "IF":
        levels = np.asarray(image)
        if image.mode == "F" or levels.min() < 0 or levels.max() > _MAX_16_BIT:
            raise UnreadableError(f"{path}: its levels have no fixed range; expected 8 or 16 bits a channel")
        return np.repeat(_to_8_bits(levels)[:, :, None], 3, axis=2)
    if image.mode in ("P", "PA") and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _to_8_bits(levels: np.ndarray) -> np.ndarray:
    """0 to 65535 -> the nearest of 0 to 255, uint8: division by 257, rounded, in whole numbers of 4 bytes."""
    levels = levels.astype(np.int32)
    levels += 128
    levels //= 257
    return levels.astype(np.uint8)
