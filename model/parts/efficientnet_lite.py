"""EfficientNet-Lite0 (Tan and Le, ICML 2019; the Lite variant of 2020: ReLU6, no squeeze-and-excitation) up to its
block 10: what lies after it, at 1/32 of the image, no anomaly detector here looks at.

Its names are those of the published PyTorch weights, its padding TensorFlow's SAME, as it was trained. Images are taken
in [-1, 1]. Letters: N images, H, W pixels.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# input and output channels, kernel, stride, expansion
BLOCKS = (
    (32, 16, 3, 1, 1),
    *((16, 24, 3, 2, 6), (24, 24, 3, 1, 6)),
    *((24, 40, 5, 2, 6), (40, 40, 5, 1, 6)),
    *((40, 80, 3, 2, 6), (80, 80, 3, 1, 6), (80, 80, 3, 1, 6)),
    *((80, 112, 5, 1, 6), (112, 112, 5, 1, 6), (112, 112, 5, 1, 6)),
)
LEVELS = {4: 2, 8: 4, 16: 10}  # stride -> the last block at it
CHANNELS = {stride: BLOCKS[block][1] for stride, block in LEVELS.items()}
_EPS = 1e-3  # of its BatchNorm


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


class EfficientNetLite0(nn.Module):
    """Images (N, 3, H, W) in [-1, 1] -> stride -> the map there, (N, CHANNELS[stride], H / stride, W / stride)."""

    def __init__(self):
        super().__init__()
        self._conv_stem = SameConv(3, BLOCKS[0][0], 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(BLOCKS[0][0], eps=_EPS)
        self._blocks = nn.ModuleList(Block(*block) for block in BLOCKS)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """The maps of all levels."""
        x, maps = F.relu6(self._bn0(self._conv_stem(images))), []
        for block in self._blocks:
            x = block(x)
            maps.append(x)
        return {stride: maps[block] for stride, block in LEVELS.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the published weights; those of what lies after block 10 are left out."""
        mine = self.state_dict().keys()
        self.load_state_dict(OrderedDict((name, state[name]) for name in mine))


def read_weights(path: str) -> dict[str, Tensor]:
    """A file of weights, of tensors alone."""
    return torch.load(path, map_location="cpu", weights_only=True)
