"""Defects forged into normal images, a batch at a time on its device: what a detector is trained against.

image -> for each of its one to three defects: a region (model/parts/forged_regions.py) -> what fills it
(model/parts/forged_fills.py) -> blended in -> where the image visibly changed.

Shapes and fills follow CutPaste (Li et al., CVPR 2021), DRAEM (Zavrtanik et al., ICCV 2021) and NSA (Schlueter et al.,
ECCV 2022), whose labels, too, are where the intensity changes. datasets/forge.py, which forges what *chooses* a
detector, is written apart on purpose, so that validation says more than how well a forger was learnt; still both paste
parts of pictures, so forged validation flatters what is trained here.

What a defect is like is drawn on the CPU by torch's global generator, so that no kernel waits for a draw.

Letters: N images, C channels, H, W pixels, D defects.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.parts.cells import box
from model.parts.forged_fills import PAINTED, PASTED, draw_fills
from model.parts.forged_regions import draw_regions

MOST_DEFECTS = 3
LEAST_CHANGE = 0.08  # 4 % of [-1, 1]: what changes less is no defect
KINDS = {"all": PASTED + PAINTED, "pasted": PASTED, "painted": PAINTED}


@dataclass(frozen=True)
class Recipe:
    """What forged defects are like."""

    share: float = 0.8  # of the images that get some
    largest: float = 0.15  # half axis of the largest ellipse, as a share of the shorter side
    least_opacity: float = 0.35
    kinds: str = "all"  # of fills: a key of KINDS


def forge(images: Tensor, recipe: Recipe = Recipe()) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) in [-1, 1] -> as many, some with defects, and where: (N, H, W) bool."""
    device, count = images.device, len(images)
    defects = torch.randint(1, MOST_DEFECTS + 1, (count,)) * (torch.rand(count) < recipe.share)
    owner = torch.arange(count).repeat_interleave(defects)  # (D,): the image of each defect
    if not len(owner):
        return images, torch.zeros_like(images[:, 0], dtype=torch.bool)
    order = torch.arange(len(owner)) - (defects.cumsum(0) - defects)[owner]  # (D,): 0 for an image's first defect
    alpha = draw_alpha(len(owner), *images.shape[2:], recipe, device)
    fills = draw_fills(images, owner, KINDS[recipe.kinds])
    forged = images
    for layer in range(MOST_DEFECTS):
        (items,) = torch.nonzero(order == layer, as_tuple=True)
        if len(items):
            chosen, items = owner[items].to(device), items.to(device)
            forged = forged.index_copy(0, chosen, forged[chosen].lerp(fills[items], alpha[items]))
    changed = (forged - images).abs().amax(dim=1) > LEAST_CHANGE
    return forged, changed


def draw_alpha(count: int, height: int, width: int, recipe: Recipe, device: torch.device) -> Tensor:
    """How much of each pixel is a defect's: (D, 1, H, W); half of the defects have a soft edge."""
    region = draw_regions(count, height, width, recipe.largest, device)
    opacity = recipe.least_opacity + (1 - recipe.least_opacity) * torch.rand(count)
    is_soft, opacity = torch.stack([(torch.rand(count) < 0.5).float(), opacity]).to(device)[..., None, None, None]
    return opacity * torch.where(is_soft > 0, box(box(region, 3), 3), region)
