"""PaDiM (Defard et al., ICPR 2020): at each position one Gaussian of a pretrained network's features there.

image -> patch features of several levels -> a random subset of their dimensions -> Mahalanobis's distance to the
position's Gaussian over the normal images -> smoothed; the score is the highest. For parts that lie alike in every
picture. There: ResNet-18 with 100 dimensions, a regulariser of .01 on the covariance, smoothing by 4 px. Here the
features are first divided by their deviation, and the regulariser is .01 of the position's mean variance. Any image
shape.

Letters: N images, C channels, H, W pixels, F features.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.contract import check_choice, check_number, check_whole
from model.parts.backbones import BACKBONES
from model.parts.patch_features import LEVELS, BackboneDetector
from model.parts.position_gaussian import FLOOR, SHRINKAGE, PositionGaussian, distance
from model.parts.smoothing import smooth, to_pixels


@dataclass(frozen=True)
class HParams:
    """Options of PaDiM. Raises a one-line ValueError for a value out of range."""

    backbone: str = "efficientnet_lite0"
    levels: str = "8+16"  # the strides of the maps that are joined; there 4, 8 and 16
    dimensions: int = 100
    shrinkage: float = SHRINKAGE
    floor: float = FLOOR
    smoothing_px: float = 4.0

    def __post_init__(self) -> None:
        check_choice("backbone", self.backbone, tuple(BACKBONES))
        check_choice("levels", self.levels, tuple(LEVELS))
        check_whole("dimensions", self.dimensions, least=2, example=100)
        check_number("shrinkage", self.shrinkage, least=0, most=1, example=0.01)
        check_number("floor", self.floor, least=1e-8, most=10, example=1e-3)
        check_number("smoothing_px", self.smoothing_px, least=0, most=32, example=4.0)


class Padim(BackboneDetector):
    """The detector of distances to position-wise Gaussians of pretrained features."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        super().__init__(hparams, image_shape, device)
        count = min(hparams.dimensions, self.patches.count)
        self.gaussian = PositionGaussian(count, self.patches.grid, hparams.shrinkage, hparams.floor)
        self.gaussian.register_buffer("dimensions", torch.randperm(self.patches.count)[:count].sort().values)
        self.gaussian.to(self.device)

    def networks(self) -> dict[str, nn.Module]:
        """The Gaussians with their choice of dimensions, and the mean image; the backbone is not kept."""
        return {"gaussian": self.gaussian, "mean": self.mean}

    @torch.no_grad()
    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Fit the Gaussians, once."""
        if not self.gaussian.is_fitted():
            self.gaussian.fit(map(self._chosen, self.mean.adding(map(self.take, normals))))

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: the highest of the smoothed distances; maps: those distances at the image's size."""
        distances = distance(self.gaussian.whiten(self._chosen(self.take(images))))
        maps = smooth(distances, self.hparams.smoothing_px / self.patches.patch_px)
        return maps.amax(dim=(1, 2)), to_pixels(maps, self.patches.patch_px, *self.image_shape[1:])

    def _chosen(self, images: Tensor) -> Tensor:
        return self.patches(images)[:, self.gaussian.dimensions]
