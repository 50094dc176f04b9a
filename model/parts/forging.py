"""Defects forged into normal images, a batch at a time on its device: what a detector is trained against.

image -> for each of its one to three defects: a region (blob, ellipse, rectangle, scratch) -> what fills
it (a picture moved and turned, changed light, a flat colour, blur) -> blended in -> where the image visibly changed.

Shapes and fills follow CutPaste (Li et al., CVPR 2021), DRAEM (Zavrtanik et al., ICCV 2021) and NSA (Schlueter et al.,
ECCV 2022), whose labels, too, are where the intensity changes. datasets/forge.py, which forges what *chooses* a
detector, is written apart on purpose, so that validation says more than how well a forger was learnt; still both paste
parts of pictures, so forged validation flatters what is trained here.

What a defect is like is drawn on the CPU by torch's global generator, so that no kernel waits for a draw.

Letters: N images, C channels, H, W pixels, D defects; lengths are shares of the shorter side.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from model.parts.cells import box

MOST_DEFECTS = 3
LEAST_CHANGE = 0.08  # 4 % of [-1, 1]: what changes less is no defect
LEAST_OPACITY = 0.35
LARGEST = 0.15  # half an axis of an ellipse or rectangle
_SCRATCH_POINTS = 10


def forge(images: Tensor, share: float = 0.8) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) in [-1, 1] -> as many with defects in about `share` of them, and where: (N, H, W) bool."""
    device, count = images.device, len(images)
    defects = torch.randint(1, MOST_DEFECTS + 1, (count,)) * (torch.rand(count) < share)
    owner = torch.arange(count).repeat_interleave(defects)  # (D,): the image of each defect
    if not len(owner):
        return images, torch.zeros_like(images[:, 0], dtype=torch.bool)
    order = torch.arange(len(owner)) - (defects.cumsum(0) - defects)[owner]  # (D,): 0 for an image's first defect
    alpha, fills = _alpha(len(owner), *images.shape[2:], device), _fills(images[owner.to(device)], images)
    forged = images
    for layer in range(MOST_DEFECTS):
        (items,) = torch.nonzero(order == layer, as_tuple=True)
        if len(items):
            chosen, items = owner[items].to(device), items.to(device)
            below = forged[chosen]
            forged = forged.index_copy(0, chosen, below + alpha[items] * (fills[items] - below))
    changed = (forged - images).abs().amax(dim=1) > LEAST_CHANGE
    return forged, changed


def _alpha(count: int, height: int, width: int, device: torch.device) -> Tensor:
    """How much of each pixel is a defect's: (D, 1, H, W); half of the defects have a soft edge."""
    region = _regions(count, height, width, device)
    is_soft = (torch.rand(count, 1, 1, 1) < 0.5).to(device)
    opacity = (LEAST_OPACITY + (1 - LEAST_OPACITY) * torch.rand(count, 1, 1, 1)).to(device)
    return opacity * torch.where(is_soft, box(box(region, 3), 3), region)


def _dispatch(
    makers: Sequence[Callable[[Tensor], Tensor]], count: int, shape: tuple[int, ...], device: torch.device
) -> Tensor:
    """(count, *shape): each item made by one of `makers`, drawn alike often; a maker is given its items' indices."""
    kinds = torch.randint(len(makers), (count,))
    made = torch.zeros(count, *shape, device=device)
    for kind, maker in enumerate(makers):
        (items,) = torch.nonzero(kinds == kind, as_tuple=True)
        if len(items):
            items = items.to(device)
            made.index_copy_(0, items, maker(items))
    return made


# -- regions: (D, 1, H, W) in [0, 1]


def _regions(count: int, height: int, width: int, device: torch.device) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    side = min(height, width)

    def place(n: int, most: float) -> tuple[Tensor, Tensor]:
        """Where each pixel lies along and across an item, in units of its two half axes: (n, H, W) each."""
        centre = (torch.rand(n, 2) * torch.tensor([height, width])).to(device)
        angle = (torch.rand(n, 1, 1) * math.pi).to(device)
        half = (_between(n, 0.012, most) * side).clamp(min=0.8).to(device)
        ratio = _between(n, 0.3, 1.0).to(device)
        dy, dx = y - centre[:, :1, None], x - centre[:, 1:, None]
        along = (dx * angle.cos() + dy * angle.sin()) / half
        across = (dy * angle.cos() - dx * angle.sin()) / (half * ratio).clamp(min=0.8)
        return along, across

    def ellipse(items: Tensor) -> Tensor:
        along, across = place(len(items), LARGEST)
        return (along.square() + across.square() <= 1)[:, None].float()

    def rectangle(items: Tensor) -> Tensor:
        along, across = place(len(items), LARGEST)
        return (torch.maximum(along.abs(), across.abs()) <= 1)[:, None].float()

    def blob(items: Tensor) -> Tensor:
        n = len(items)
        along, across = place(n, LARGEST * 5 / 3)
        bumps = 0.0
        for cells in (int(2 ** torch.randint(2, 4, ())), 16):
            noise = torch.randn(n, 1, cells, cells).to(device)
            bumps = bumps + F.interpolate(noise, (height, width), mode="bicubic") * (4 / cells)
        inside = 1 - (along.square() + across.square()).sqrt()
        return (inside[:, None] + 0.8 * bumps > 0.4).float() * (inside[:, None] > 0)

    def scratch(items: Tensor) -> Tensor:
        n = len(items)
        start = torch.rand(n, 1, 2) * torch.tensor([height, width])
        turns = torch.randn(n, _SCRATCH_POINTS - 1).mul(0.35).cumsum(dim=1) + torch.rand(n, 1) * (2 * math.pi)
        step = _between(n, 0.008, 0.06).squeeze(2) * side
        ways = torch.stack([turns.sin(), turns.cos()], dim=2) * step[:, :, None]
        points = torch.cat([start, start + ways.cumsum(dim=1)], dim=1).to(device)  # (n, points, 2)
        thick = (_between(n, 0.003, 0.02) * side).clamp(min=0.5).to(device)
        nearest = torch.full((n, height, width), math.inf, device=device)
        for one, other in zip(points[:, :-1].unbind(1), points[:, 1:].unbind(1), strict=True):
            nearest = torch.minimum(nearest, _squared_distance(y, x, one, other))
        return (thick + 0.5 - nearest.sqrt()).clamp(0, 1)[:, None]

    return _dispatch((blob, ellipse, rectangle, scratch), count, (1, height, width), device)


def _squared_distance(y: Tensor, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Of each pixel from n segments (n, 2) of (y, x): (n, H, W)."""
    dy, dx = y - start[:, :1, None], x - start[:, 1:, None]
    way_y, way_x = (end - start)[:, :1, None], (end - start)[:, 1:, None]
    share = ((dy * way_y + dx * way_x) / (way_y.square() + way_x.square())).clamp(0, 1)
    return (dy - share * way_y).square() + (dx - share * way_x).square()


def _between(count: int, least: float, most: float) -> Tensor:
    """(count, 1, 1), log-uniform."""
    return torch.empty(count, 1, 1).uniform_(math.log(least), math.log(most)).exp()


# -- fills: (D, C, H, W)


def _fills(images: Tensor, pool: Tensor) -> Tensor:
    channels, height, width = images.shape[1:]
    device = images.device

    def moved(source: Tensor, far: bool) -> Tensor:
        """The picture turned, resized, and shifted: far, or by a few hundredths of its side."""
        n = len(source)
        shift = (torch.rand(n, 2, 1) * 2 - 1) * (1.0 if far else 0.15)
        angle = torch.randn(n) * (1.0 if far else 0.15)
        size = _between(n, 0.7, 1.4).squeeze(2) if far else torch.ones(n, 1)
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).mul(size).view(n, 2, 2)
        grid = F.affine_grid(torch.cat([turn, shift], dim=2).to(device), list(source.shape), align_corners=False)
        return F.grid_sample(source, grid, padding_mode="reflection", align_corners=False)

    def own_far(items: Tensor) -> Tensor:
        return moved(images[items], far=True)

    def own_near(items: Tensor) -> Tensor:
        return moved(images[items], far=False)

    def foreign(items: Tensor) -> Tensor:
        others = torch.randint(len(pool), (len(items),)).to(device)
        return moved(pool[others].flip(3), far=True)

    def light(items: Tensor) -> Tensor:
        n = len(items)
        sign = torch.where(torch.rand(n, 1, 1, 1) < 0.5, -1.0, 1.0)
        level = sign * (0.1 + 0.6 * torch.rand(n, 1, 1, 1)) + 0.15 * torch.randn(n, channels, 1, 1)
        gain = 0.6 + 0.8 * torch.rand(n, 1, 1, 1)
        return (images[items] * gain.to(device) + level.to(device)).clamp(-1, 1)

    def flat(items: Tensor) -> Tensor:
        n = len(items)
        grey = torch.rand(n, 1, 1, 1) * 2 - 1
        colour = (grey + 0.3 * torch.randn(n, channels, 1, 1)).to(device)
        noise = torch.rand(n, 1, 1, 1).to(device) * 0.3 * torch.randn(n, channels, height, width).to(device)
        return (colour + noise).clamp(-1, 1)

    def blurred(items: Tensor) -> Tensor:
        coarse = F.avg_pool2d(images[items], int(torch.randint(2, max(3, min(height, width) // 8), ())), ceil_mode=True)
        return F.interpolate(coarse, (height, width), mode="bilinear")

    fills = _dispatch((own_far, foreign, own_near, light, flat, blurred), len(images), images.shape[1:], device)
    is_grey = (images == images[:, :1]).all(dim=(1, 2, 3), keepdim=True)
    return torch.where(is_grey, fills.mean(dim=1, keepdim=True), fills)  # grey stays grey
