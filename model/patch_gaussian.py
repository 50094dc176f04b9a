"""The classical control: hand-made features of small cells, and one Gaussian of what is normal at each position.

image -> orientations of its edges and its colours in cells of 4 px (model/parts/cells.py) -> Mahalanobis's distance to
the position's Gaussian over the normal images -> smoothed; the score is the highest distance. PaDiM (Defard et al.,
ICPR 2020) with HOG-like features in place of a pretrained network's: a trained detector that does not beat it has
learnt nothing worth its cost. Any image shape.

Letters: N images, C channels, H, W pixels.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.contract import TrainingFree, check_number, check_whole
from model.parts.cells import CellFeatures
from model.parts.position_gaussian import FLOOR, SHRINKAGE, PositionGaussian, distance
from model.parts.running_mean import RunningMean
from model.parts.smoothing import smooth, to_pixels


@dataclass(frozen=True)
class HParams:
    """Options of the control. Raises a one-line ValueError for a value out of range."""

    cell_px: int = 4
    smoothing_cells: float = 0.7  # standard deviation of the blur of the map of distances
    shrinkage: float = SHRINKAGE  # share of a position's mean variance that is added to each of its variances
    floor: float = FLOOR  # and, in units of the features' variance over all positions, what is added besides

    def __post_init__(self) -> None:
        check_whole("cell_px", self.cell_px, least=2, example=4)
        check_number("smoothing_cells", self.smoothing_cells, least=0, most=8, example=0.7)
        check_number("shrinkage", self.shrinkage, least=0, most=1, example=0.01)
        check_number("floor", self.floor, least=1e-8, most=10, example=1e-3)


class PatchGaussian(TrainingFree):
    """The control detector of distances to position-wise Gaussians."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        super().__init__(hparams, image_shape, device)
        channels, height, width = self.image_shape
        self.features = CellFeatures(hparams.cell_px)
        grid = self.features.grid(height, width)
        gaussian = PositionGaussian(CellFeatures.count(channels), grid, hparams.shrinkage, hparams.floor)
        self.gaussian, self.mean = gaussian.to(self.device), RunningMean(self.image_shape).to(self.device)

    def networks(self) -> dict[str, nn.Module]:
        """The Gaussians and the mean image, which have buffers and no parameter."""
        return {"gaussian": self.gaussian, "mean": self.mean}

    @torch.no_grad()
    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Fit the Gaussians, once."""
        if not self.gaussian.is_fitted():
            self.gaussian.fit(map(self.features, self.mean.adding(map(self.take, normals))))

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: the highest of the smoothed distances; maps: those distances at the image's size."""
        whitened = self.gaussian.whiten(self.features(self.take(images)))
        maps = smooth(distance(whitened), self.hparams.smoothing_cells)
        return maps.amax(dim=(1, 2)), to_pixels(maps, self.hparams.cell_px, *self.image_shape[1:])

    def reconstruct(self, images: Tensor) -> Tensor:
        """The mean normal image for each of the images: (N, C, H, W)."""
        return self.mean().expand(len(self.take(images)), *self.image_shape)
