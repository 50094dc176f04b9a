"""The trivial control: an image's score is its distance to the mean training image. A detector that does not beat it
has learnt nothing worth its cost.

There is nothing to tune. Letters: N images, C channels, H, W pixels.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.contract import TrainingFree
from model.parts.running_mean import RunningMean


@dataclass(frozen=True)
class HParams:
    """None."""


class MeanImage(TrainingFree):
    """The control detector; any image shape."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        super().__init__(hparams, image_shape, device)
        self.mean = RunningMean(self.image_shape).to(self.device)

    def networks(self) -> dict[str, nn.Module]:
        """The running mean, which has buffers and no parameter."""
        return {"mean": self.mean}

    @torch.no_grad()
    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Take the mean, once."""
        if not self.mean.images:
            for images in normals:
                self.mean.add(self.take(images))

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: mean squared distance to the mean image; maps: the same by pixel, the mean over channels."""
        maps = (self.take(images) - self.mean()).square().mean(dim=1)  # (N, H, W)
        return maps.mean(dim=(1, 2)), maps

    def reconstruct(self, images: Tensor) -> Tensor:
        """The mean image for each of the images: (N, C, H, W)."""
        return self.mean().expand(len(self.take(images)), *self.image_shape)
