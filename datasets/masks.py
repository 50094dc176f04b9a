"""Where the defects are: masks at each picture's own proportions, whatever frame its pixels are brought to.

So figures of pixels mean the same at every size and fit. A mask has at most 256 px on its shorter side: enough for the
finest cracks, and maps of a few hundred pixels tell no more. Where it must shrink for that, a cell is set if any pixel
in it is: nothing vanishes, and what is one region stays one, as AU-PRO counts them. (By area a thin scratch would
vanish, by the nearest pixel it would fall into pieces, each of them a region: of KolektorSDD's 73 regions, shrunk to a
quarter, 53 are left, whole but merged with close ones, where by half of the area there are 135, by nearest 160.)

Letters: H, W native height and width, h, w those of a mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.frame import Frame

MOST_PX = 256  # on the shorter side


@dataclass(frozen=True)
class Masks:
    """The masks of a category's images, a bit a pixel; those of normal images take no room."""

    sizes: tuple[tuple[int, int], ...]  # (h, w) of each
    bits: tuple[np.ndarray | None, ...]  # packed, uint8; None where nothing is set

    @classmethod
    def of(cls, masks: Sequence[np.ndarray]) -> "Masks":
        """From (h, w) bool each."""
        bits = (np.packbits(mask) if mask.any() else None for mask in masks)
        return cls(tuple(mask.shape for mask in masks), tuple(bits))

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> np.ndarray:
        """(h, w) bool."""
        (height, width), bits = self.sizes[index], self.bits[index]
        if bits is None:
            return np.zeros((height, width), dtype=bool)
        return np.unpackbits(bits, count=height * width).reshape(height, width).view(bool)


def own_size(height: int, width: int) -> tuple[int, int]:
    """(h, w) of the mask of a picture of that size."""
    shorter = min(height, width)
    if shorter <= MOST_PX:
        return height, width
    return round(height * MOST_PX / shorter), round(width * MOST_PX / shorter)


def resize(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool -> (h, w) bool: a cell is set if any pixel in it is; where it grows, the nearest pixel."""
    cells = mask
    for axis, (old, new) in enumerate(zip(mask.shape, size, strict=True)):
        cells = np.logical_or.reduceat(cells, np.arange(new) * old // new, axis=axis)  # of the cells' first rows
    return cells


def in_frame(mask: np.ndarray, frame: Frame) -> np.ndarray:
    """(h, w) bool -> the same where its picture lies in the frame."""
    rows, columns = frame.inside(*mask.shape)
    framed = np.zeros((frame.height, frame.width), dtype=bool)
    framed[rows, columns] = resize(mask, (rows.stop - rows.start, columns.stop - columns.start))
    return framed
