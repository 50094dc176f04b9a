"""One category, decoded once: every image of it in one contiguous uint8 array that trials read without a copy.

scan -> a pool of threads reads and decodes (PIL and hashlib release the GIL) -> Images. Threads, not processes:
at the datasets' native sizes (900 px) both decode equally fast, as benchmarks/decode.py shows, and threads neither have
to start interpreters inside a cluster's worker nor to send every array back; only small files favour processes.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.catalog import find_dataset
from datasets.frame import Frame
from datasets.masks import Masks, own_size
from datasets.picture import Picture, UnreadableError
from datasets.sample import DataError, Sample

_MAX_WORKERS = 32
_NAMED_FILES = 3


@dataclass(frozen=True)
class Images:
    """One decoded category; plain numpy so that it travels without a copy through an object store.

    Letters: N images, H, W the frame's height and width. All tuples have N entries and the arrays' order, which is that
    of the paths.
    """

    dataset: str
    category: str
    frame: Frame
    pixels: np.ndarray  # (N, H, W, 3) uint8
    masks: Masks | None  # at each picture's own proportions; None if the dataset has no masks
    samples: tuple[Sample, ...]
    content: tuple[str, ...]  # sha256 hex of each file's bytes
    pixel_hash: tuple[str, ...]  # sha256 hex of each image's pixels at native size: equal for pixel-identical images
    native_sizes: tuple[tuple[int, int], ...]  # height and width of each image before it was fitted
    unreadable: tuple[str, ...]  # paths left out (only with skip_unreadable)
    data_hash: str  # over (path, label, content) in order

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64: 0 normal, 1 defective."""
        return np.array([sample.label for sample in self.samples], dtype=np.int64)


def load(
    dataset: str,
    root: str | None,
    category: str,
    frame: Frame,
    *,
    normal_folder: str | None = None,
    skip_unreadable: bool = False,
    workers: int | None = None,
) -> Images:
    """Decodes all images of one category, by `workers` threads (default: one a core).

    `root` is the folder of the dataset `dataset` (None where it needs none); images are brought to `frame`. In a user's
    folder, `normal_folder` names that of good images. With `skip_unreadable`, broken files are left out and listed in
    `unreadable`. Raises DataError where there is no such dataset, root or category, files cannot be decoded, or nothing
    is left to train on.
    """
    source = find_dataset(dataset, normal_folder)
    home = source.home(root)
    samples = source.scan(root, category)

    def read(sample: Sample) -> Picture | UnreadableError | DataError:
        try:
            return source.read(home, sample, frame)
        except (UnreadableError, DataError) as error:
            return error

    decoded = _Decoded(samples, frame)
    broken: dict[str, UnreadableError] = {}
    wrong: list[DataError] = []
    with ThreadPoolExecutor(workers or min(_MAX_WORKERS, os.cpu_count() or 1)) as pool:
        for sample, picture in zip(samples, pool.map(read, samples), strict=True):
            if isinstance(picture, UnreadableError):
                broken[sample.path] = picture
            elif isinstance(picture, DataError):
                wrong.append(picture)
            else:
                decoded.add(sample, picture)
    if wrong:
        raise DataError(f"{dataset}/{category}: {_first_of(wrong)}")
    if broken and not (skip_unreadable and decoded.kept):
        raise DataError(_describe(f"{dataset}/{category}", broken, len(samples)))
    return Images(dataset, category, frame, unreadable=tuple(broken), **decoded.columns())


class _Decoded:
    """The arrays of a category while they fill: made for all of its samples, so that no picture is copied twice."""

    def __init__(self, samples: Sequence[Sample], frame: Frame):
        self.pixels = np.empty((len(samples), frame.height, frame.width, 3), dtype=np.uint8)
        self.has_masks = any(sample.masks for sample in samples)
        self.bits: list[np.ndarray | None] = []
        self.kept: list[Sample] = []
        self.content: list[str] = []
        self.pixel_hash: list[str] = []
        self.native_sizes: list[tuple[int, int]] = []

    def add(self, sample: Sample, picture: Picture) -> None:
        """Puts one picture behind those before it."""
        row = len(self.kept)
        self.pixels[row] = picture.pixels
        self.bits.append(None if picture.mask is None else np.packbits(picture.mask))
        self.kept.append(sample)
        self.content.append(picture.content)
        self.pixel_hash.append(picture.pixel_hash)
        self.native_sizes.append(picture.native_size)

    def columns(self) -> dict[str, Any]:
        """The fields of Images that follow from the pictures."""
        return {
            "pixels": self.pixels[: len(self.kept)],
            "masks": self._masks(),
            "samples": tuple(self.kept),
            "content": tuple(self.content),
            "pixel_hash": tuple(self.pixel_hash),
            "native_sizes": tuple(self.native_sizes),
            "data_hash": _data_hash(self.kept, self.content),
        }

    def _masks(self) -> Masks | None:
        return Masks(tuple(own_size(*size) for size in self.native_sizes), tuple(self.bits)) if self.has_masks else None


def _describe(category: str, broken: dict[str, UnreadableError], total_images: int) -> str:
    return (
        f"{category}: {len(broken)} of {total_images} images cannot be read: {_first_of(list(broken.values()))}; "
        "expected whole pictures; repair them or leave them out with --skip-unreadable"
    )


def _first_of(errors: Sequence[Exception]) -> str:
    more = f"; and {len(errors) - _NAMED_FILES} more" if len(errors) > _NAMED_FILES else ""
    return "; ".join(map(str, errors[:_NAMED_FILES])) + more


def _data_hash(samples: list[Sample], content: list[str]) -> str:
    digest = hashlib.sha256()
    for sample, file_hash in zip(samples, content, strict=True):
        digest.update(f"{sample.path}\n{sample.label}\n{file_hash}\n".encode())
    return digest.hexdigest()
