"""The trivial control: an image's score is its distance to the mean training image. A detector that does not beat it
has learnt nothing worth its cost.

The mean is a running sum and a count in float64, so an image that is seen again in every epoch changes nothing. There
is nothing to tune and no optimiser. Letters: N images, C channels, H, W pixels.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.contract import Detector


@dataclass(frozen=True)
class HParams:
    """None."""


class RunningMean(nn.Module):
    """The sum (C, H, W) and count of the images seen. Both are additive, so averaging them over data-parallel workers
    leaves the mean of all workers' images."""

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        self.register_buffer("total", torch.zeros(image_shape, dtype=torch.float64))
        self.register_buffer("images", torch.zeros((), dtype=torch.float64))

    def add(self, images: Tensor) -> None:
        """Take images (N, C, H, W) into the sum; one that comes again counts again."""
        self.total += images.sum(dim=0, dtype=torch.float64)
        self.images += len(images)

    def forward(self) -> Tensor:
        """The mean image (C, H, W), float32; grey (0) before the first image."""
        return (self.total / self.images.clamp(min=1)).float()


class MeanImage(Detector):
    """The control detector; any image shape."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        super().__init__(hparams, image_shape, device)
        self.mean = RunningMean(self.image_shape).to(self.device)

    def networks(self) -> dict[str, nn.Module]:
        """The running mean, which has buffers and no parameter."""
        return {"mean": self.mean}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """An empty list: a mean needs no descent."""
        return []

    @torch.no_grad()
    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """Add the images to the mean. Loss: their mean squared distance to it."""
        self.mean.add(self.take(images))
        return {"distance": self.score(images)[0].mean()}

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: mean squared distance to the mean image; maps: the same by pixel, the mean over channels."""
        maps = (self.take(images) - self.mean()).square().mean(dim=1)  # (N, H, W)
        return maps.mean(dim=(1, 2)), maps

    def reconstruct(self, images: Tensor) -> Tensor:
        """The mean image for each of the images: (N, C, H, W)."""
        return self.mean().expand(len(self.take(images)), *self.image_shape)
