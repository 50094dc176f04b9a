"""Hand-made features of an image's cells: which way its edges run, and its colours.

image -> grey gradient -> soft histogram of its orientations in each cell, at two scales; mean and deviation of each
colour in each cell -> mean over 3 x 3 cells. After HOG (Dalal and Triggs, CVPR 2005, section 6), without its blocks.

Letters: N images, C channels, H, W pixels, F features, h, w cells.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ORIENTATIONS = 8
SCALES = 2


class CellFeatures(nn.Module):
    """Images (N, C, H, W) in [-1, 1] -> features (N, F, h, w) of cells of cell_px x cell_px pixels; F = 16 + 2 C.

    Any height and width: the last cells of an image that they do not divide are smaller. There is nothing to train.
    """

    def __init__(self, cell_px: int):
        super().__init__()
        self.cell_px = cell_px

    @staticmethod
    def count(channels: int) -> int:
        """F of images of so many channels."""
        return SCALES * ORIENTATIONS + 2 * channels

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of an image of that size in pixels."""
        return -(-height // self.cell_px), -(-width // self.cell_px)

    def forward(self, images: Tensor) -> Tensor:
        """The features of all cells."""
        grey = images.mean(dim=1, keepdim=True)
        smooth = box(box(grey, 3), 5)
        edges = [self._mean(oriented_gradients(level)).sqrt() for level in (grey, smooth)]
        mean = self._mean(images)
        deviation = (self._mean(images.square()) - mean.square()).clamp(min=0).sqrt()
        return box(torch.cat([*edges, mean, deviation], dim=1), 3)

    def _mean(self, maps: Tensor) -> Tensor:
        return F.avg_pool2d(maps, self.cell_px, ceil_mode=True)


def oriented_gradients(grey: Tensor) -> Tensor:
    """The gradient's magnitude, dealt linearly to the two nearest of 8 orientations: (N, 1, H, W) -> (N, 8, H, W).

    Light on dark and dark on light are one orientation: angles count modulo pi.
    """
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    dx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    dy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    angle = torch.atan2(dy, dx) * (ORIENTATIONS / math.pi)  # in orientations, from -8 to 8
    below = angle.floor()
    share, magnitude = angle - below, torch.hypot(dx, dy)
    nearest = below.long().remainder(ORIENTATIONS)
    dealt = grey.new_zeros(grey.shape[0], ORIENTATIONS, *grey.shape[2:])
    dealt.scatter_(1, nearest, magnitude * (1 - share))
    return dealt.scatter_(1, (nearest + 1).remainder(ORIENTATIONS), magnitude * share)


def box(maps: Tensor, side: int) -> Tensor:
    """The mean over side x side neighbours (an odd number), the border repeated. Sums of shifted maps: on CPU in half
    the time of a pooling."""
    height, width = maps.shape[2:]
    padded = F.pad(maps, (side // 2,) * 4, mode="replicate")
    rows = sum(padded[:, :, shift : shift + height] for shift in range(side))
    return sum(rows[..., shift : shift + width] for shift in range(side)) / side**2
