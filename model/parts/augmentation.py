"""Normal images as they might have been taken another time: moved and turned a little, in a little other light.

Letters: N images, C channels, H, W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """How far an image may change; each is the deviation of a normal draw, and 0 leaves that alone."""

    shift: float = 0.0  # in each direction, as a share of the side
    turn_degrees: float = 0.0
    brightness: float = 0.0  # added to all pixels, as a share of the range
    contrast: float = 0.0  # of the gain about the image's mean


def augment(images: Tensor, augmentation: Augmentation) -> Tensor:
    """(N, C, H, W) in [-1, 1] -> as many; the border is repeated where a moved image does not reach. Drawn on the CPU
    by torch's global generator."""
    count, device = len(images), images.device
    shift, angle, light, gain = (
        torch.randn(count, 2) * 2 * augmentation.shift,
        torch.randn(count) * torch.pi / 180 * augmentation.turn_degrees,
        torch.randn(count) * 2 * augmentation.brightness,
        1 + torch.randn(count) * augmentation.contrast,
    )
    if augmentation.shift or augmentation.turn_degrees:
        height, width = images.shape[2:]
        cos, sin, aspect = angle.cos(), angle.sin(), height / width
        move = torch.stack([cos, -sin * aspect, shift[:, 0], sin / aspect, cos, shift[:, 1]], dim=1).view(count, 2, 3)
        grid = F.affine_grid(move.to(device), list(images.shape), align_corners=False)
        images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    if augmentation.brightness or augmentation.contrast:
        light, gain = torch.stack([light, gain]).to(device)[..., None, None, None]
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = ((images - mean) * gain + mean + light).clamp(-1, 1)
    return images
