"""SAGAN, the Skip-Attention GAN (Liu et al. 2021): a Skip-GANomaly whose U-Net is made of depthwise separable
convolutions, and whose skips carry CBAM-attended maps.

Encoder level: soft pool -> two separable convolutions; CBAM (Woo et al. 2018) attends what goes across, while what goes
down is left as it is; at the bottom the attended map enters the decoder. Decoder level: bilinear x2 -> concatenation
with the attended map -> two separable convolutions, of which the first halves the channels. 1x1 convolution, tanh. As
in the authors' code (commit 6ed630d), but for the tanh, which their generator lacks (here reconstructions stay in the
images' range, as those of the other U-Nets; after 56 steps, on bottle at 32 px, the mean AUROC of all test images over
two seeds was .52 with it and .36 without), and for the weights: PyTorch's defaults (see sa_skip_ganomaly.py). Losses,
weights 1 / 50 / 1, discriminator and score are Skip-GANomaly's: model/parts/adversarial.py.

Letters: N images, C channels, H, W pixels.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import check_image_shape
from model.parts.adversarial import AdversarialReconstructor, GanHParams
from model.parts.layers import separable_conv, soft_pool

ENCODER_WIDTHS = (64, 128, 256, 512, 512)
DECODER_WIDTHS = (256, 128, 64, 64)
CBAM_REDUCTION = 16
CBAM_KERNEL_PX = 7


class Cbam(nn.Module):
    """Channel, then spatial attention of a map (N, C, H, W): each scales it by a sigmoid of its mean and maximum."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = channels // CBAM_REDUCTION
        self.channel = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.spatial = nn.Sequential(
            nn.Conv2d(2, 1, CBAM_KERNEL_PX, padding=CBAM_KERNEL_PX // 2, bias=False), nn.BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W), of no greater absolute values."""
        by_channel = self.channel(x.mean(dim=(2, 3))) + self.channel(x.amax(dim=(2, 3)))  # (N, C)
        x = x * by_channel.sigmoid()[:, :, None, None]
        by_place = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)  # (N, 2, H, W)
        return x * self.spatial(by_place).sigmoid()


class Generator(nn.Module):
    """The U-Net: images (N, C, S, S) in [-1, 1] -> reconstructions of the same shape, S a power of two >= 32."""

    def __init__(self, channels: int):
        super().__init__()
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        width = channels
        for out_width in ENCODER_WIDTHS:
            self.encoder.append(nn.Sequential(separable_conv(width, out_width, bias=True),
                                              separable_conv(out_width, out_width, bias=True)))
            width = out_width
        self.attention = nn.ModuleList(Cbam(width) for width in ENCODER_WIDTHS)
        for skip_width, out_width in zip(reversed(ENCODER_WIDTHS[:-1]), DECODER_WIDTHS, strict=True):
            joined = skip_width + width
            self.decoder.append(nn.Sequential(separable_conv(joined, joined // 2, bias=True),
                                              separable_conv(joined // 2, out_width, bias=True)))
            width = out_width
        self.to_image = nn.Conv2d(width, channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) in [-1, 1] -> (N, C, S, S) in [-1, 1], by a tanh."""
        attended_maps, down = [], images
        for level, (convs, attention) in enumerate(zip(self.encoder, self.attention, strict=True)):
            down = convs(soft_pool(down) if level else down)
            attended_maps.append(attention(down))
        up = attended_maps.pop()
        for convs in self.decoder:
            up = F.interpolate(up, scale_factor=2, mode="bilinear", align_corners=True)
            up = convs(torch.cat([attended_maps.pop(), up], dim=1))
        return torch.tanh(self.to_image(up))


class Sagan(AdversarialReconstructor):
    """2.06 M parameters in G at any size, and Skip-GANomaly's 12.79 M in D at 128 px."""

    HParams: ClassVar[type] = GanHParams

    def __init__(self, hparams: GanHParams, image_shape: tuple[int, int, int], device: torch.device | str):
        """Build G and D. Raises ValueError unless image_shape is (C, S, S), S = 2^k >= 32."""
        check_image_shape(image_shape)
        super().__init__(hparams, image_shape, device, Generator(image_shape[0]))
