"""Patches of an image as a frozen backbone describes them: what PatchCore and PaDiM are made of.

image -> the backbone's maps at the chosen strides -> brought to the finest grid and joined. Grey images are shown as
colour.

Letters: N images, C channels, H, W pixels, F features, h, w patches.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import Detector, TrainingFree
from model.parts.backbones import BACKBONES, FrozenBackbone
from model.parts.remembered import recalled
from model.parts.running_mean import RunningMean

LEVELS = {"8+16": (8, 16), "4+8+16": (4, 8, 16), "4+8": (4, 8), "8": (8,), "16": (16,)}


class PatchFeatures:
    """The joined maps of a backbone at some strides, a key of LEVELS. It is no module, so that whoever has one among
    his attributes does not keep the backbone's weights in his state."""

    def __init__(self, backbone: str, levels: str, image_shape: tuple[int, int, int], device: torch.device):
        """Raises ValueError, of one line, where the backbone's weights are not to be had."""
        self.name, self.strides = backbone, LEVELS[levels]
        self.backbone = FrozenBackbone(backbone).to(device)
        self.count = sum(BACKBONES[backbone].channels[stride] for stride in self.strides)  # F
        self.patch_px = self.strides[0]
        self.grid = tuple(-(-side // self.patch_px) for side in image_shape[1:])

    def __call__(self, images: Tensor, prepared: Callable[[Tensor], Tensor] = lambda level: level) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, F, h, w). `prepared` is done to the map (N, F', h', w') of each stride before
        it is joined to the others."""
        maps = recalled((self.name, self.backbone.sha256), images, self._maps)
        levels = [prepared(maps[stride]) for stride in self.strides]
        fine = [level if level.shape[2:] == self.grid else F.interpolate(level, self.grid, mode="bilinear")
                for level in levels]
        return torch.cat(fine, dim=1)

    def _maps(self, images: Tensor) -> dict[int, Tensor]:
        return self.backbone(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)


class OnBackbone(Detector):
    """A detector whose state names its backbone by the hash of the weights, and refuses to go on with others."""

    patches: PatchFeatures | None  # None for one that does without

    def state_dict(self) -> dict[str, Any]:
        """What the contract says, and the sha256 of the backbone's weights."""
        named = {"backbone": self.patches.backbone.sha256} if self.patches else {}
        return super().state_dict() | named

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises RuntimeError where the state was made with other weights of the backbone."""
        if self.patches and state["backbone"] != self.patches.backbone.sha256:
            raise RuntimeError(f"it was fitted with backbone weights of sha256 {state['backbone'][:16]}..., expected "
                               f"{self.patches.backbone.sha256[:16]}..., which are those here")
        super().load_state_dict(state)

    def parameters_by_network(self) -> dict[str, int]:
        """The backbone's besides."""
        backbone = {"backbone": _count(self.patches.backbone)} if self.patches else {}
        return backbone | super().parameters_by_network()


class BackboneDetector(OnBackbone, TrainingFree):
    """A detector made of patch features: it keeps what `calibrate` saw."""

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int], device: torch.device | str):
        super().__init__(hparams, image_shape, device)
        self.patches = PatchFeatures(hparams.backbone, hparams.levels, self.image_shape, self.device)
        self.mean = RunningMean(self.image_shape).to(self.device)

    def reconstruct(self, images: Tensor) -> Tensor:
        """The mean normal image for each of the images: (N, C, H, W)."""
        return self.mean().expand(len(self.take(images)), *self.image_shape)


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
