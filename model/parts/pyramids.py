"""What describes an image's cells to a detector of deviations: hand-made features, or those of a frozen backbone.

A pyramid says of each of its levels how many features it has and on which grid of cells, and gives them of images.

Letters: N images, C channels, H, W pixels, F features, h, w cells.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from model.parts.cells import CellFeatures
from model.parts.patch_features import PatchFeatures

Level = tuple[int, tuple[int, int]]  # F, (h, w)
_SEED = 0


class CellPyramid:
    """Edges and colours (model/parts/cells.py) of the image, of the image at half its size, and so on."""

    def __init__(self, image_shape: tuple[int, int, int], cell_px: int, levels: int):
        channels, height, width = image_shape
        self.cell_px, self._features = cell_px, CellFeatures(cell_px)
        count = CellFeatures.count(channels)
        self.levels: list[Level] = [
            (count, self._features.grid(-(-height >> level), -(-width >> level))) for level in range(levels)
        ]

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Images (N, C, H, W) -> the features (N, F, h, w) of each level."""
        shrunk = [F.avg_pool2d(images, 2**level, ceil_mode=True) for level in range(len(self.levels))]
        return [self._features(level) for level in shrunk]


class PatchPyramid:
    """One level: so many of a backbone's features, always the same ones, drawn at random as PaDiM does."""

    def __init__(self, patches: PatchFeatures, dimensions: int):
        self.cell_px, self._patches = patches.patch_px, patches
        drawn = torch.randperm(patches.count, generator=torch.Generator().manual_seed(_SEED), device="cpu")
        self._dimensions = drawn[:dimensions].sort().values
        self.levels: list[Level] = [(len(self._dimensions), patches.grid)]

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Images (N, C, H, W) -> the features (N, F, h, w) of the only level."""
        return [self._patches(images)[:, self._dimensions.to(images.device)]]
