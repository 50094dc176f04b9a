"""EfficientNet-Lite (Tan and Le, ICML 2019; the Lite variants of 2020: ReLU6, no squeeze-and-excitation) up to its
fifth stage: what lies after it, at 1/32 of the image, no anomaly detector here looks at.

Its names are those of the published PyTorch weights, its padding TensorFlow's SAME, as it was trained. Images are taken
in [-1, 1]. Letters: N images, H, W pixels.
"""

import itertools
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEM = 32  # channels
STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6))  # kernel, stride of the first block, expansion
LEVELS = {4: 1, 8: 2, 16: 4}  # stride -> the last stage at it
_EPS = 1e-3  # of its BatchNorm


@dataclass(frozen=True)
class Variant:
    """What one of the family differs by: channels and blocks of each stage."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]

    @property
    def levels(self) -> dict[int, int]:
        """stride -> channels of the map there."""
        return {stride: self.channels[stage] for stride, stage in LEVELS.items()}


LITE0 = Variant((16, 24, 40, 80, 112), (1, 2, 2, 3, 3))
LITE1 = Variant((16, 24, 40, 80, 112), (1, 3, 3, 4, 4))
LITE2 = Variant((16, 24, 48, 88, 120), (1, 3, 3, 4, 4))


class SameConv(nn.Conv2d):
    """A convolution whose output has the input's size / stride, rounded up; an odd pixel of padding comes last."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            missing = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            pads += [missing // 2, missing - missing // 2]
        return self._conv_forward(F.pad(x, pads), self.weight, self.bias)


class Block(nn.Module):
    """Expand by 1x1, depthwise, project by 1x1; added to its input where both have one shape."""

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = channels * expansion
        if expansion > 1:
            self._expand_conv = SameConv(channels, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=_EPS)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=_EPS)
        self._project_conv = SameConv(wide, out_channels, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(out_channels, eps=_EPS)
        self.expands, self.is_residual = expansion > 1, stride == 1 and channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        wide = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        wide = F.relu6(self._bn1(self._depthwise_conv(wide)))
        projected = self._bn2(self._project_conv(wide))
        return x + projected if self.is_residual else projected


class EfficientNetLite(nn.Module):
    """Images (N, 3, H, W) in [-1, 1] -> stride -> the map there, (N, C, H / stride, W / stride)."""

    def __init__(self, variant: Variant):
        super().__init__()
        self.ends = [last - 1 for last in itertools.accumulate(variant.blocks)]  # the last block of each stage
        self._conv_stem = SameConv(3, STEM, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM, eps=_EPS)
        self._blocks = nn.ModuleList()
        before = STEM
        for (kernel, stride, expansion), channels, blocks in zip(STAGES, variant.channels, variant.blocks, strict=True):
            self._blocks.append(Block(before, channels, kernel, stride, expansion))
            self._blocks.extend(Block(channels, channels, kernel, 1, expansion) for _ in range(blocks - 1))
            before = channels

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """The maps of all levels."""
        x, maps = F.relu6(self._bn0(self._conv_stem(images))), []
        for block in self._blocks:
            x = block(x)
            maps.append(x)
        return {stride: maps[self.ends[stage]] for stride, stage in LEVELS.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the published weights; those of what lies after the fifth stage are left out."""
        mine = self.state_dict().keys()
        self.load_state_dict(OrderedDict((name, state[name]) for name in mine))


def read_weights(path: str) -> dict[str, Tensor]:
    """A file of weights, of tensors alone."""
    return torch.load(path, map_location="cpu", weights_only=True)
