"""Where a forged defect lies: a blob, an ellipse, a rectangle or a scratch, anywhere in the image.

Many regions are drawn at once, each kind in few kernels; what they are like is drawn on the CPU.

Letters: D defects, H, W pixels; lengths are shares of the shorter side.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

KINDS = ("blob", "ellipse", "rectangle", "scratch")
SMALLEST = 0.012  # half an axis
_BLOB_SIZE = 5 / 3  # the outline of a blob, which fills it in part, beside the largest ellipse
_SCRATCH_POINTS = 10


def draw_regions(count: int, height: int, width: int, largest: float, device: torch.device) -> Tensor:
    """(D, 1, H, W) in [0, 1], each of one of the four kinds, drawn alike often; `largest` is the half axis of the
    largest ellipse."""
    kinds = torch.randint(len(KINDS), (count,))
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    regions = torch.zeros(count, 1, height, width, device=device)
    for drawn, draw in ((kinds < 3, _patches), (kinds == 3, _scratches)):
        (items,) = torch.nonzero(drawn, as_tuple=True)
        if len(items):
            regions.index_copy_(0, items.to(device), draw(kinds[items], y, x, largest)[:, None])
    return regions


def between(count: int, least: float, most: float | Tensor) -> Tensor:
    """(count,) on the CPU, log-uniform; `most` is one for all or one for each."""
    return least * (most / least) ** torch.rand(count)


def _patches(kinds: Tensor, y: Tensor, x: Tensor, largest: float) -> Tensor:
    """Turned ellipses, rectangles, and blobs with a wavy outline: (D, H, W)."""
    count, device, (height, width) = len(kinds), y.device, y.shape
    kind = kinds.to(device)[:, None, None]
    half = between(count, SMALLEST, torch.where(kinds == 0, largest * _BLOB_SIZE, largest)) * min(height, width)
    place = torch.stack(
        [torch.rand(count) * height, torch.rand(count) * width, torch.rand(count) * math.pi, half.clamp(min=0.8),
         (half * between(count, 0.3, 1.0)).clamp(min=0.8)]
    )  # fmt: skip
    centre_y, centre_x, angle, half_along, half_across = place.to(device)[:, :, None, None]
    dy, dx, cos, sin = y - centre_y, x - centre_x, angle.cos(), angle.sin()
    along, across = (dx * cos + dy * sin) / half_along, (dy * cos - dx * sin) / half_across
    far = (along.square() + across.square()).sqrt()
    inside_rectangle = torch.maximum(along.abs(), across.abs()) <= 1
    inside = torch.where(kind == 1, far <= 1, inside_rectangle)
    (blobs,) = torch.nonzero(kinds == 0, as_tuple=True)
    if len(blobs):
        blobs = blobs.to(device)
        depth = 1 - far[blobs]
        inside[blobs] = (depth > 0) & (depth + 0.8 * _bumps(len(blobs), height, width, device) > 0.4)
    return inside.float()


def _bumps(count: int, height: int, width: int, device: torch.device) -> Tensor:
    """Smooth noise of two wavelengths: (D, H, W)."""
    waves = [torch.randn(count, 1, cells, cells).to(device) * (4 / cells) for cells in (4, 16)]
    return sum(F.interpolate(wave, (height, width), mode="bicubic") for wave in waves)[:, 0]


def _scratches(kinds: Tensor, y: Tensor, x: Tensor, largest: float) -> Tensor:
    """Random walks of equal steps, thin and soft-edged: (D, H, W)."""
    count, device, (height, width) = len(kinds), y.device, y.shape
    side, segments = min(height, width), _SCRATCH_POINTS - 1
    start = torch.rand(count, 1, 2) * torch.tensor([height, width])
    turns = torch.randn(count, segments).mul(0.35).cumsum(dim=1) + torch.rand(count, 1) * (2 * math.pi)
    step = between(count, 0.008, 0.06)[:, None] * side
    ways = torch.stack([turns.sin(), turns.cos()], dim=2) * step[:, :, None]  # (D, segments, 2)
    points = torch.cat([start, start + ways.cumsum(dim=1)], dim=1)
    thick = (between(count, 0.003, 0.02) * side).clamp(min=0.5).to(device)
    start_y, start_x, way_y, way_x = torch.cat([points[:, :-1], ways], 2).to(device).permute(2, 0, 1)[..., None, None]
    dy, dx = y - start_y, x - start_x  # (D, segments, H, W)
    along = ((dy * way_y + dx * way_x) / step.square().to(device)[..., None, None]).clamp(0, 1)
    squared = (dy - along * way_y).square_() + (dx - along * way_x).square_()
    nearest = squared.amin(dim=1).sqrt()
    return (thick[:, None, None] + 0.5 - nearest).clamp(0, 1)
