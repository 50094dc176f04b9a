"""Skip-GANomaly (Akcay et al. 2019), the paper's baseline: pix2pix's U-Net against a DCGAN discriminator with features.

The U-Net halves the image log2(size) times with 4x4 stride-2 convolutions, down to 1x1, and doubles it as often with
transposed ones; each level's map is concatenated to what comes back up. Weights 1 / 50 / 1. The 1x1 bottleneck has no
BatchNorm, as in the authors' code (commit b33bd55), so a batch of one image trains. Left out of that code: drawing the
discriminator anew when its loss falls below 1e-5. Losses, step and score: model/parts/adversarial.py.

Letters: N images, C channels, H, W pixels.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import check_image_shape
from model.parts.adversarial import AdversarialReconstructor, GanHParams
from model.parts.dcgan import init_dcgan

WIDTHS = (64, 128, 256, 512)  # the following levels stay at 512


class Generator(nn.Module):
    """pix2pix's U-Net: images (N, C, S, S) in [-1, 1] -> reconstructions of the same shape, S a power of two >= 32."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        levels = size_px.bit_length() - 1
        widths = [*WIDTHS, *[WIDTHS[-1]] * (levels - len(WIDTHS))]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, (in_width, width) in enumerate(zip([channels, *widths], widths, strict=False)):
            conv = nn.Conv2d(in_width, width, 4, 2, 1, bias=False)
            has_norm = 0 < level < levels - 1
            self.down.append(nn.Sequential(conv, nn.BatchNorm2d(width)) if has_norm else conv)
        for level in reversed(range(1, levels)):
            in_width = widths[level] if level == levels - 1 else 2 * widths[level]
            conv = nn.ConvTranspose2d(in_width, widths[level - 1], 4, 2, 1, bias=False)
            self.up.append(nn.Sequential(conv, nn.BatchNorm2d(widths[level - 1])))
        self.to_image = nn.ConvTranspose2d(2 * widths[0], channels, 4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) in [-1, 1] -> (N, C, S, S) in [-1, 1], by a tanh."""
        maps = [self.down[0](images)]
        for down in self.down[1:]:
            maps.append(down(F.leaky_relu(maps[-1], 0.2)))
        up = maps.pop()
        for convs in self.up:
            up = torch.cat([maps.pop(), convs(F.relu(up))], dim=1)
        return torch.tanh(self.to_image(F.relu(up)))


class SkipGanomaly(AdversarialReconstructor):
    """The baseline detector: 41.83 M parameters in G and 12.79 M in D at 128 px."""

    HParams: ClassVar[type] = GanHParams
    MEMORY_FORMAT: ClassVar[torch.memory_format] = torch.contiguous_format

    def __init__(self, hparams: GanHParams, image_shape: tuple[int, int, int], device: torch.device | str):
        """Build G and D with DCGAN's weights. Raises ValueError unless image_shape is (C, S, S), S = 2^k >= 32."""
        check_image_shape(image_shape)
        generator = Generator(*image_shape[:2])
        init_dcgan(generator)
        super().__init__(hparams, image_shape, device, generator)
