"""The units in which maps of different kinds may be summed: what the highest value of a normal image varies by."""

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

CALIBRATION_BATCHES = 2  # some 64 images are enough for a mean and a deviation
_LEAST_SPREAD = 1e-3


class Spread(nn.Module):
    """Mean and deviation, over normal images, of the highest value of a map; 0 and 1 until `fit`."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def fit(self, maps: Tensor) -> None:
        """From the maps (N, h, w) of normal images."""
        highest = maps.amax(dim=(1, 2))
        self.mean.copy_(highest.mean())
        self.deviation.copy_(highest.std(correction=0).clamp(min=_LEAST_SPREAD))

    def forward(self, maps: Tensor) -> Tensor:
        """The maps (N, h, w) in those units: about 0 at the highest value of a typical normal image."""
        return (maps - self.mean) / self.deviation


def fit_spreads(spreads: Iterable[Spread], batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Fit each spread on its kind of map, (N, h, w) in each batch, of the first normal images alone."""
    kinds = zip(*itertools.islice(batches, CALIBRATION_BATCHES), strict=True)
    for spread, maps in zip(spreads, kinds, strict=True):
        spread.fit(torch.cat(maps))
