"""What PatchCore and PaDiM have in common: patches of an image as a frozen backbone describes them.

image -> the backbone's maps at the chosen strides -> brought to the finest grid and joined. Grey images are shown as
colour.

Letters: N images, C channels, H, W pixels, F features, h, w patches.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import TrainingFree
from model.parts.backbones import BACKBONES, FrozenBackbone
from model.parts.running_mean import RunningMean

LEVELS = {"8+16": (8, 16), "4+8+16": (4, 8, 16), "4+8": (4, 8), "8": (8,), "16": (16,)}


class BackboneDetector(TrainingFree):
    """A detector made of patch features: it keeps what `calibrate` saw, and of the backbone the hash alone."""

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int], device: torch.device | str):
        super().__init__(hparams, image_shape, device)
        self.strides = LEVELS[hparams.levels]
        self.backbone = FrozenBackbone(hparams.backbone).to(self.device)
        self.features_count = sum(BACKBONES[hparams.backbone].channels[stride] for stride in self.strides)  # F
        self.patch_px = self.strides[0]
        self.grid = tuple(-(-side // self.patch_px) for side in self.image_shape[1:])
        self.mean = RunningMean(self.image_shape).to(self.device)

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, F, h, w)."""
        maps = self.backbone(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)
        levels = [self.prepared(maps[stride]) for stride in self.strides]
        fine = [level if level.shape[2:] == self.grid else F.interpolate(level, self.grid, mode="bilinear")
                for level in levels]
        return torch.cat(fine, dim=1)

    def prepared(self, level: Tensor) -> Tensor:
        """What is done to the map (N, F', h', w') of one level before it is joined to the others."""
        return level

    def reconstruct(self, images: Tensor) -> Tensor:
        """The mean normal image for each of the images: (N, C, H, W)."""
        return self.mean().expand(len(self.take(images)), *self.image_shape)

    def state_dict(self) -> dict[str, Any]:
        """What the contract says, and the sha256 of the backbone's weights."""
        return super().state_dict() | {"backbone": self.backbone.sha256}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises RuntimeError where the state was made with other weights of the backbone."""
        if state["backbone"] != self.backbone.sha256:
            raise RuntimeError(f"it was fitted with backbone weights of sha256 {state['backbone'][:16]}..., expected "
                               f"{self.backbone.sha256[:16]}..., which are those here")
        super().load_state_dict(state)

    def parameters_by_network(self) -> dict[str, int]:
        """The backbone's besides."""
        return {"backbone": _count(self.backbone)} | super().parameters_by_network()


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
