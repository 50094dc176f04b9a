"""How an image's cells deviate from what is normal at their position: the evidence that a judge of defects sees.

image -> features of its cells at one or more levels (model/parts/pyramids.py) -> for each cell its features, their
whitened deviation from the position's Gaussian, and how far that is; coarser levels are brought to the grid of the
finest -> and where the cell lies.

Letters: N images, C channels, H, W pixels, F features, h, w cells, E channels of evidence.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.parts.layers import coordinates
from model.parts.position_gaussian import PositionGaussian, bounded, distance, fit_together
from model.parts.pyramids import CellPyramid, PatchPyramid

_NEAREST = 1e-3  # added to a distance before its logarithm


class Deviations(nn.Module):
    """The Gaussians of a pyramid's levels; nothing in it is trained."""

    def __init__(self, pyramid: CellPyramid | PatchPyramid, shrinkage: float, floor: float):
        super().__init__()
        self.pyramid = pyramid
        self.gaussians = nn.ModuleList(PositionGaussian(*level, shrinkage, floor) for level in pyramid.levels)
        self.channels = sum(3 * count + 1 for count, _ in pyramid.levels) + 2  # E
        _, finest = pyramid.levels[0]
        self.register_buffer("place", coordinates(*finest), persistent=False)

    def is_fitted(self) -> bool:
        """Whether it has seen normal images."""
        return self.gaussians[0].is_fitted()

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Take in the normal images (N, C, H, W), batch by batch."""
        fit_together(self.gaussians, map(self.pyramid, batches))

    def forward(self, images: Tensor, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Evidence (N, E, h, w), and Mahalanobis's distances at the finest level (N, h, w).

        `without` (N, C, H, W) are images that `fit` saw: row i is judged as if its i-th had not been among them.
        """
        excluded = self.pyramid(without) if without is not None else [None] * len(self.gaussians)
        levels = [
            _evidence(gaussian, features, own)
            for gaussian, features, own in zip(self.gaussians, self.pyramid(images), excluded, strict=True)
        ]
        distances = levels[0][1]
        grid = distances.shape[1:]
        evidence = [of if of.shape[2:] == grid else F.interpolate(of, grid, mode="bilinear") for of, _ in levels]
        return torch.cat([*evidence, self.place.expand(images.shape[0], -1, -1, -1)], dim=1), distances


def _evidence(gaussian: PositionGaussian, features: Tensor, excluded: Tensor | None) -> tuple[Tensor, Tensor]:
    whitened = gaussian.whiten(features, excluded)
    far = distance(whitened)
    standard = gaussian.standardise(features) - gaussian.mean.mean(dim=(1, 2), keepdim=True)
    parts = [standard, bounded(whitened), whitened.abs().sqrt(), (far + _NEAREST).log()[:, None]]
    return torch.cat(parts, dim=1), far
