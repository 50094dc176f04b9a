"""The mean of the normal images, kept as a sum and a count."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class RunningMean(nn.Module):
    """The sum (C, H, W) and count of the images seen, in float64. Both are additive, so averaging them over
    data-parallel workers leaves the mean of all workers' images."""

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        self.register_buffer("total", torch.zeros(image_shape, dtype=torch.float64))
        self.register_buffer("images", torch.zeros((), dtype=torch.float64))

    def add(self, images: Tensor) -> None:
        """Take images (N, C, H, W) into the sum; one that comes again counts again."""
        self.total += images.sum(dim=0, dtype=torch.float64)
        self.images += len(images)

    def adding(self, batches: Iterable[Tensor]) -> Iterable[Tensor]:
        """The batches (N, C, H, W) as they come, each taken into the sum."""
        for images in batches:
            self.add(images)
            yield images

    def forward(self) -> Tensor:
        """The mean image (C, H, W), float32; grey (0) before the first image."""
        return (self.total / self.images.clamp(min=1)).float()
