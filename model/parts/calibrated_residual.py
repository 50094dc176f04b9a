"""How unusual a reconstruction's residual is at its place: the U-Net GANs' second score.

x, x_hat -> in each cell of 4 px the mean of x - x_hat and of |x - x_hat|; and by how much the discriminator's first
convolution sees the two differ -> Mahalanobis's distance to what both are there on normal images -> each smoothed, in
units of what the highest of a normal image varies by, and summed. A generator never gives an edge or a glint quite
back; where it fails on every normal image, failing says nothing.

Letters: N images, C channels, H, W pixels, F features, h, w cells.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.parts import dcgan
from model.parts.layers import Discriminator
from model.parts.position_gaussian import FLOOR, SHRINKAGE, PositionGaussian, distance
from model.parts.smoothing import smooth
from model.parts.spread import Spread

CELL_PX = 4


class CalibratedResidual(nn.Module):
    """The Gaussians of pixel residuals and of the discriminator's, standard normal until `fit`. All are buffers."""

    def __init__(self, image_shape: tuple[int, int, int], smoothing_px: float):
        super().__init__()
        channels, height, width = image_shape
        grid = height // CELL_PX, width // CELL_PX
        self.smoothing_cells = smoothing_px / CELL_PX
        counts = (2 * channels, dcgan.BASE_WIDTH)
        self.gaussians = nn.ModuleList(PositionGaussian(count, grid, SHRINKAGE, FLOOR) for count in counts)
        self.spreads = nn.ModuleList(Spread() for _ in counts)

    @torch.no_grad()
    def fit(self, pairs: Iterable[tuple[Tensor, Tensor]], discriminator: Discriminator) -> None:
        """From the normal images (N, C, H, W) and their reconstructions, batch by batch."""
        batches = [_differences(x, x_hat, discriminator) for x, x_hat in pairs]
        for gaussian, spread, of in zip(self.gaussians, self.spreads, zip(*batches, strict=True), strict=True):
            gaussian.fit(of)
            spread.fit(torch.cat([self._distances(gaussian, features, without=features) for features in of]))

    def forward(self, x: Tensor, x_hat: Tensor, discriminator: Discriminator) -> Tensor:
        """Maps (N, h, w) of images and reconstructions (N, C, H, W): about 0 at the highest of a normal image."""
        differences = _differences(x, x_hat, discriminator)
        maps = [
            spread(self._distances(gaussian, features))
            for gaussian, spread, features in zip(self.gaussians, self.spreads, differences, strict=True)
        ]
        return torch.stack(maps).sum(dim=0)

    def _distances(self, gaussian: PositionGaussian, features: Tensor, without: Tensor | None = None) -> Tensor:
        return smooth(distance(gaussian.whiten(features, without)), self.smoothing_cells)


def _differences(x: Tensor, x_hat: Tensor, discriminator: Discriminator) -> tuple[Tensor, Tensor]:
    """The residual's features, and those of the discriminator's first map: (N, F, h, w) each."""
    residual = x - x_hat
    of_pixels = torch.cat([F.avg_pool2d(residual, CELL_PX), F.avg_pool2d(residual.abs(), CELL_PX)], dim=1)
    apart = discriminator.first(x) - discriminator.first(x_hat)
    return of_pixels, F.avg_pool2d(apart, CELL_PX // 2)
