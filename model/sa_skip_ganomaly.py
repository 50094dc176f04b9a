"""The paper's model: a Skip-GANomaly whose U-Net is made of depthwise separable convolutions with self-attention in
every encoder level (Sun et al., "Skip.Self attention GAN for anomaly detection", IJSCC 16(1), 2025).

Encoder level: two separable convolutions -> self-attention -> 2x2 pool. Decoder level: bilinear x2 -> concatenation
with the attended map of the same level -> two separable convolutions. 1x1 convolution, tanh. Widths, and so the count
of levels, are SAGAN's (Liu et al. 2021): five levels, four pools; the deepest map is 1/16 of the image, 2x2 at 32 px,
so BatchNorm always has values to normalise and a batch of one image trains.
Discriminator, losses and score: model/parts/adversarial.py. What the paper leaves open is an option of HParams; so is
training on forged defects: model/parts/restoring.py.

Letters: N images, C channels, H, W pixels.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import check_choice, check_image_shape, check_whole
from model.parts.layers import POOLS, SelfAttention, separable_conv
from model.parts.restoring import Restorer, RestoringHParams, input_channels

ENCODER_WIDTHS = (1, 2, 4, 8, 8)  # in units of hparams.width
DECODER_WIDTHS = (4, 2, 1, 1)
CPU_ATTENTION_MAX_TOKENS = 1024


@dataclass(frozen=True)
class HParams(RestoringHParams):
    """The paper's weights and learning rate, and one option for each thing that its text leaves open."""

    w_adv: float = 0.5
    w_con: float = 0.3
    w_lat: float = 0.2
    width: int = 64  # channels of the first level
    pool: str = "max"  # the text says global, then max pooling; "average", "soft" (SAGAN)
    attention_qk_divisor: int = 1  # queries and keys keep C channels (eq. 4); 8: Zhang et al. 2018
    attention_scaled: bool = False  # eq. 4 has no 1 / sqrt(d)
    attention_residual: bool = True  # projected values, y = gamma * o + x; False: eq. 4 as printed, neither of the two
    attention_pooled: bool = False  # 2x2 max-pooled keys and values: a quarter of the work, no longer exact
    attention_down: bool = True  # the attended map goes down and across; False: across only (SAGAN)
    attention_max_tokens: int | None = None  # levels of more positions have none; None: no limit, on CPU 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("width", self.width, least=8, example=64)
        check_choice("pool", self.pool, tuple(POOLS))
        check_choice("attention_qk_divisor", self.attention_qk_divisor, (1, 2, 4, 8, 16))
        check_choice("attention_scaled", self.attention_scaled, (False, True))
        check_choice("attention_residual", self.attention_residual, (True, False))
        check_choice("attention_pooled", self.attention_pooled, (False, True))
        check_choice("attention_down", self.attention_down, (True, False))
        if self.attention_max_tokens is not None:
            check_whole("attention_max_tokens", self.attention_max_tokens, least=0, example=CPU_ATTENTION_MAX_TOKENS)


class Generator(nn.Module):
    """The U-Net: images (N, C, S, S) in [-1, 1] -> reconstructions of the same shape, S a power of two >= 32.

    With hparams.normal_input it takes more channels than the image has; with hparams.mask_output it returns logits
    (N, S, S) besides.
    """

    def __init__(self, channels: int, size_px: int, hparams: HParams):
        super().__init__()
        encoder_widths = [hparams.width * factor for factor in ENCODER_WIDTHS]
        decoder_widths = [hparams.width * factor for factor in DECODER_WIDTHS]
        self.pool = POOLS[hparams.pool]
        self.attention_down = hparams.attention_down
        self.encoder, self.attention, self.decoder = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        width = input_channels(hparams, channels)
        for level, out_width in enumerate(encoder_widths):
            self.encoder.append(nn.Sequential(separable_conv(width, out_width), separable_conv(out_width, out_width)))
            tokens = (size_px >> level) ** 2
            self.attention.append(_attention(out_width, hparams) if tokens <= hparams.attention_max_tokens
                                  else nn.Identity())
            width = out_width
        for skip_width, out_width in zip(reversed(encoder_widths[:-1]), decoder_widths, strict=True):
            self.decoder.append(nn.Sequential(separable_conv(width + skip_width, out_width),
                                              separable_conv(out_width, out_width)))
            width = out_width
        self.to_image = nn.Conv2d(width, channels, 1)
        self.to_mask = nn.Conv2d(width, 1, 1) if hparams.mask_output else None

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, C, S, S) in [-1, 1] -> (N, C, S, S) in [-1, 1], by a tanh; with a mask output, its logits besides."""
        attended_maps, down = [], images
        for level, (convs, attention) in enumerate(zip(self.encoder, self.attention, strict=True)):
            features = convs(self.pool(down) if level else down)
            attended_maps.append(attention(features))
            down = attended_maps[-1] if self.attention_down else features
        up = attended_maps.pop()
        for convs in self.decoder:
            up = F.interpolate(up, scale_factor=2, mode="bilinear")
            up = convs(torch.cat([up, attended_maps.pop()], dim=1))
        image = torch.tanh(self.to_image(up))
        return image if self.to_mask is None else (image, self.to_mask(up)[:, 0])


def _attention(channels: int, hparams: HParams) -> SelfAttention:
    return SelfAttention(channels, qk_divisor=hparams.attention_qk_divisor, scaled=hparams.attention_scaled,
                         residual=hparams.attention_residual, pooled=hparams.attention_pooled)


class SaSkipGanomaly(Restorer):
    """The paper's detector. `hparams.attention_max_tokens` is resolved for the device: all positions of the image on an
    accelerator, 1024 on CPU, where attention over more takes most of a step (4096 positions: tens of seconds)."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        """Build G (PyTorch's default weights) and D. Raises ValueError unless image_shape is (C, S, S), S = 2^k >= 32.

        DCGAN's N(0, .02), twice in a row in each separable convolution, would leave BatchNorm less variance than its
        epsilon, so it is the discriminator's alone.
        """
        check_image_shape(image_shape)
        channels, size_px, _ = image_shape
        hparams = hparams.resolved()
        if hparams.attention_max_tokens is None:
            on_cpu = torch.device(device).type == "cpu"
            hparams = replace(hparams, attention_max_tokens=CPU_ATTENTION_MAX_TOKENS if on_cpu else size_px ** 2)
        super().__init__(hparams, image_shape, device, Generator(channels, size_px, hparams))
