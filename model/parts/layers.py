"""Blocks that several detectors share: Skip-GANomaly's discriminator, depthwise separable convolutions,
2x2 pools, and exact self-attention in linear memory.

Letters: N images, C channels, H, W pixels, T = H * W tokens, D channels of queries and keys.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.parts import dcgan


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """softmax(scale * q k^T) v over the tokens of query (N, T, D), key (N, S, D), value (N, S, C): (N, T, C).

    Exact, and the (T, S) matrix never exists, as long as the fused kernels take the inputs; else PyTorch silently falls
    back to the formula that builds it. They want a last dimension of stride 1, and on CPU equal last dimensions:
    queries and keys narrower than the values are padded with zeros there, which add nothing to any dot product (the
    scale is given, not derived from the padded width).
    """
    missing = value.shape[-1] - query.shape[-1]
    if missing > 0 and query.device.type == "cpu":
        query, key = F.pad(query, (0, missing)), F.pad(key, (0, missing))
    one_head = ((t if t.stride(-1) == 1 else t.contiguous()).unsqueeze(1) for t in (query, key, value))
    return F.scaled_dot_product_attention(*one_head, scale=scale).squeeze(1)


class SelfAttention(nn.Module):
    """Self-attention over all positions of a map (N, C, H, W): equation (4) of the paper.

    residual: y = gamma * o + x with values from a 1x1 convolution and gamma = 0 at the start (Zhang et al. 2018, which
    the paper cites); without it, equation (4) as printed: the map's own values, averaged, and nothing added.
    qk_divisor: queries and keys have C / qk_divisor channels (the paper: 1; Zhang et al.: 8).
    scaled: divide the dot products by sqrt(D); equation (4) does not.
    pooled: keys and values are max-pooled 2x2 (Zhang et al.'s code), a quarter of the work.
    """

    def __init__(self, channels: int, *, qk_divisor: int = 1, scaled: bool = False, residual: bool = True,
                 pooled: bool = False):
        super().__init__()
        self.qk_channels = channels // qk_divisor
        self.value_channels = channels if residual else 0
        self.scale = self.qk_channels ** -0.5 if scaled else 1.0
        self.pooled = pooled
        self.project = nn.Conv2d(channels, 2 * self.qk_channels + self.value_channels, 1, bias=False)  # q, k, v
        self.gamma = nn.Parameter(torch.zeros(())) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W); before training the map itself, if `residual`, since gamma is 0."""
        query, key, value = self.project(x).split([self.qk_channels, self.qk_channels, self.value_channels], dim=1)
        if self.gamma is None:
            value = x
        if self.pooled:
            key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
        tokens = (t.flatten(2).transpose(1, 2) for t in (query, key, value))  # (N, T, D), (N, S, D), (N, S, C)
        attended = attend(*tokens, self.scale).transpose(1, 2).reshape(x.shape)
        return attended if self.gamma is None else self.gamma * attended + x


def separable_conv(in_channels: int, out_channels: int, bias: bool = False) -> nn.Sequential:
    """Depthwise 3x3 -> pointwise 1x1 -> BatchNorm -> ReLU: (N, in, H, W) -> (N, out, H, W)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=bias),
        nn.Conv2d(in_channels, out_channels, 1, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def soft_pool(x: Tensor) -> Tensor:
    """2x2 soft pooling (Stergiou et al. 2021): each window's mean, weighted by its softmax; halves H and W."""
    n, c, h, w = x.shape
    windows = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).flatten(4)  # (N, C, H/2, W/2, 4)
    return (windows * windows.softmax(-1)).sum(-1)


POOLS = {"max": partial(F.max_pool2d, kernel_size=2), "average": partial(F.avg_pool2d, kernel_size=2),
         "soft": soft_pool}


class Discriminator(nn.Module):
    """Skip-GANomaly's discriminator: DCGAN's convolutions down to a 4x4 map, a 4x4 convolution to the features f(x),
    and one logit of them.

    The reference's last layer is a 3x3 convolution of the 1x1 map: eight of its nine weights only ever meet padding,
    so this one is 1x1.
    """

    def __init__(self, channels: int, size_px: int, features: int = 100):
        super().__init__()
        to_features = nn.Conv2d(dcgan.widths(size_px)[-1], features, 4, bias=False)
        self.features = nn.Sequential(*dcgan.down_stack(channels, size_px), to_features)
        self.logit = nn.Conv2d(features, 1, 1, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, S, S) -> logits (N,), and features (N, Z), which have no activation."""
        features = self.features(images)
        return self.logit(features).flatten(), features.flatten(1)

    def first(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> its first map (N, 64, S/2, S/2), after the LeakyReLU."""
        return self.features[:2](images)


def coordinates(height: int, width: int) -> Tensor:
    """(2, H, W): each position's row and column, from -1 to 1."""
    return torch.stack(torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"))
