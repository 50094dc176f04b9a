"""What a network may be told besides the pixels: how far each is from what is normal there, and where it lies.

On raw pixels a network that is trained on forged defects learns its forger's handwriting; beside them the deviations
from the normal images carry over to defects that nobody forged.

Letters: N images, C channels, H, W pixels.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from model.parts.layers import coordinates
from model.parts.position_gaussian import FLOOR, SHRINKAGE, PositionGaussian, bounded


class NormalInput(nn.Module):
    """Images (N, C, H, W) -> (N, 2 C + 2, H, W): the images, their colours whitened by each pixel's Gaussian over the
    normal images, and two coordinates in [-1, 1]. Nothing in it is trained; until `fit` the Gaussians are standard."""

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        channels, height, width = image_shape
        self.channels = 2 * channels + 2
        self.gaussian = PositionGaussian(channels, (height, width), SHRINKAGE, FLOOR)
        self.register_buffer("place", coordinates(height, width), persistent=False)

    def is_fitted(self) -> bool:
        """Whether it has seen normal images."""
        return self.gaussian.is_fitted()

    def fit(self, normals: Iterable[Tensor]) -> None:
        """From all normal images (N, C, H, W), batch by batch."""
        self.gaussian.fit(normals)

    def forward(self, images: Tensor, without: Tensor | None = None) -> Tensor:
        """The images with what belongs to them. `without` (N, C, H, W) are images that `fit` saw: row i is judged as if
        its i-th had not been among them."""
        deviations = bounded(self.gaussian.whiten(images, without))
        return torch.cat([images, deviations, self.place.expand(images.shape[0], -1, -1, -1)], dim=1)
