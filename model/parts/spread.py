"""The units in which scores or maps of different kinds may be summed: what those of normal images vary by."""

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

CALIBRATION_BATCHES = 2  # some 64 images are enough for a mean and a deviation


class Scale(nn.Module):
    """Mean and deviation of a detector's scores of normal images; 0 and 1 until `fit`."""

    least_deviation = 1e-6

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def fit(self, scores: Tensor) -> None:
        """From scores (N,) of normal images."""
        self.mean.copy_(scores.mean())
        self.deviation.copy_(scores.std(correction=0).clamp(min=self.least_deviation))

    def forward(self, values: Tensor) -> Tensor:
        """Scores or maps in those units: about 0 at the score of a typical normal image."""
        return (values - self.mean) / self.deviation


class Spread(Scale):
    """The same of the highest value of a map, which stands for the image's score."""

    least_deviation = 1e-3

    def fit(self, maps: Tensor) -> None:
        """From the maps (N, h, w) of normal images."""
        super().fit(maps.amax(dim=(1, 2)))


def fit_spreads(spreads: Iterable[Spread], batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Fit each spread on its kind of map, (N, h, w) in each batch, of the first normal images alone."""
    kinds = zip(*itertools.islice(batches, CALIBRATION_BATCHES), strict=True)
    for spread, maps in zip(spreads, kinds, strict=True):
        spread.fit(torch.cat(maps))
