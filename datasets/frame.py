"""The frame that every picture of a category is brought to, and where in it a picture lies.

Letters: H, W a picture's native height and width; h, w those that are asked for.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from datasets.sample import DataError

OWN_ASPECT = ("aspect", "tile")  # of FITS, those whose frame has the proportions of a category's pictures
FITS = (*OWN_ASPECT, "letterbox", "stretch")
MULTIPLE_PX = 16  # of a frame's longer side, as networks halve it a few times
ALMOST_SQUARE = 1.1  # up to this proportion, a picture is taken for square
LARGEST_PX = 4096  # of a frame's side: the pixels of a square are 50 MB


@dataclass(frozen=True)
class Frame:
    """A rectangle of pixels. A picture of other proportions lies between bars, or is stretched."""

    height: int
    width: int
    stretches: bool = False

    def is_square_of(self, side_px: int) -> bool:
        """Whether both sides are of that many pixels."""
        return self.height == self.width == side_px

    def inside(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and the columns that a picture of H = `height`, W = `width` fills; the rest are bars."""
        new_height, new_width = self.height, self.width
        if not self.stretches:
            if height * self.width > width * self.height:
                new_width = max(1, round(width * self.height / height))
            else:
                new_height = max(1, round(height * self.width / width))
        top, left = (self.height - new_height) // 2, (self.width - new_width) // 2
        return slice(top, top + new_height), slice(left, left + new_width)

    def out_of(self, heat: np.ndarray, native: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """The part of a map of this frame that is picture, of `native` (H, W), at `size` (h, w): bilinear, float32."""
        part = np.ascontiguousarray(heat[self.inside(*native)], dtype=np.float32)
        return np.asarray(Image.fromarray(part).resize(size[::-1], Image.Resampling.BILINEAR))


def frame_of(fit: str, size_px: int, aspect: float = 1.0) -> Frame:
    """The frame of a fit: a square of `size_px`, but for OWN_ASPECT: its shorter side, and the longer one as `aspect`,
    which is width / height of a category's pictures, wants it. Raises DataError for a fit that there is not."""
    if fit not in FITS:
        raise DataError(f"fit is {fit!r}; expected one of {', '.join(FITS)}")
    proportion = max(aspect, 1 / aspect)
    if fit not in OWN_ASPECT or proportion <= ALMOST_SQUARE:
        return Frame(size_px, size_px, stretches=fit == "stretch")
    longer = min(max(round(size_px * proportion / MULTIPLE_PX) * MULTIPLE_PX, size_px), LARGEST_PX)
    return Frame(size_px, longer) if aspect > 1 else Frame(longer, size_px)
