"""What a forged defect is filled with: a picture moved and turned, the same one in another light, a flat colour, blur.

Letters: N images, C channels, H, W pixels, D defects.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from model.parts.forged_regions import between

PASTED = ("same_far", "other", "same_near")  # moved: within the image, from another one mirrored, a little
PAINTED = ("light", "flat", "blurred")
NEAR, FAR = 0.15, 1.0  # how far a picture is shifted (1 is half of it) and turned (radians)


def draw_fills(images: Tensor, owner: Tensor, kinds: tuple[str, ...]) -> Tensor:
    """(D, C, H, W): for each defect of the image `owner` (D,), on the CPU, of `images` (N, C, H, W), one of `kinds`
    drawn alike often. What fills a grey image is grey."""
    drawn = torch.randint(len(kinds), (len(owner),))
    fills = torch.empty(len(owner), *images.shape[1:], device=images.device)
    is_pasted = torch.tensor([kind in PASTED for kind in kinds])[drawn]
    makers = {"light": _light, "flat": _flat, "blurred": _blurred}
    groups = [(is_pasted, None), *((drawn == at, makers[kind]) for at, kind in enumerate(kinds) if kind in makers)]
    for chosen, maker in groups:
        (items,) = torch.nonzero(chosen, as_tuple=True)
        if not len(items):
            continue
        if maker is None:
            made = _pasted(images, owner[items], [kinds[at] for at in drawn[items]])
        else:
            made = maker(images[owner[items].to(images.device)])
        fills.index_copy_(0, items.to(images.device), made)
    is_grey = (images == images[:, :1]).all(dim=(1, 2, 3), keepdim=True)[owner.to(images.device)]
    return torch.where(is_grey, fills.mean(dim=1, keepdim=True), fills)


def _pasted(images: Tensor, owner: Tensor, kinds: list[str]) -> Tensor:
    """Pictures turned, shifted, and, where they come from far, resized."""
    count = len(owner)
    is_other = torch.tensor([kind == "other" for kind in kinds])
    is_near = torch.tensor([kind == "same_near" for kind in kinds])
    reach = torch.where(is_near, NEAR, FAR)
    source = torch.where(is_other, torch.randint(len(images), (count,)), owner)
    shift = (torch.rand(count, 2) * 2 - 1) * reach[:, None]
    angle = torch.randn(count) * reach
    size = torch.where(is_near, 1.0, between(count, 0.7, 1.4))
    mirror = torch.where(is_other, -1.0, 1.0)
    cos, sin = angle.cos() * size, angle.sin() * size
    turn = torch.stack([cos * mirror, -sin * mirror, shift[:, 0], sin, cos, shift[:, 1]], dim=1).view(count, 2, 3)
    device = images.device
    grid = F.affine_grid(turn.to(device), [count, *images.shape[1:]], align_corners=False)
    return F.grid_sample(images[source.to(device)], grid, padding_mode="reflection", align_corners=False)


def _light(images: Tensor) -> Tensor:
    count, channels = images.shape[:2]
    sign = torch.where(torch.rand(count, 1) < 0.5, -1.0, 1.0)
    level = sign * (0.1 + 0.6 * torch.rand(count, 1)) + 0.15 * torch.randn(count, channels)
    gain = (0.6 + 0.8 * torch.rand(count, 1)).expand(-1, channels)
    gain, level = torch.stack([gain, level]).to(images.device)[..., None, None]
    return (images * gain + level).clamp(-1, 1)


def _flat(images: Tensor) -> Tensor:
    count, channels = images.shape[:2]
    colour = torch.rand(count, 1) * 2 - 1 + 0.3 * torch.randn(count, channels)
    strength = (0.3 * torch.rand(count, 1)).expand(-1, channels)
    colour, strength = torch.stack([colour, strength]).to(images.device)[..., None, None]
    return (colour + strength * torch.randn(images.shape).to(images.device)).clamp(-1, 1)


def _blurred(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    side = int(torch.randint(2, max(3, min(height, width) // 8), ()))
    return F.interpolate(F.avg_pool2d(images, side, ceil_mode=True), (height, width), mode="bilinear")
