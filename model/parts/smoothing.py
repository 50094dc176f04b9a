"""Maps of cells: smoothed, and brought to the image's own size.

Letters: N images, H, W pixels, h, w cells.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def smooth(maps: Tensor, sigma: float) -> Tensor:
    """Maps (N, h, w) blurred by a Gaussian of `sigma` cells, the border repeated; 0 leaves them as they are."""
    if sigma <= 0:
        return maps
    reach = max(1, math.ceil(3 * sigma))
    kernel = torch.exp(-torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype).square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(maps[:, None], (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def to_pixels(maps: Tensor, cell_px: int, height: int, width: int) -> Tensor:
    """Maps of cells (N, h, w) -> (N, H, W), bilinear between the cells' centres; what reaches beyond is cut off."""
    full = F.interpolate(maps[:, None], scale_factor=float(cell_px), mode="bilinear")
    return full[:, 0, :height, :width]
