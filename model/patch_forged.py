"""A small network that learns on forged defects which deviations from what is normal at a position are defects.

In training: normal images -> defects forged into them (model/parts/forging.py) -> how their cells deviate from each
position's Gaussian over the normal images (model/parts/deviations.py) -> the network -> a logit a cell, against whether
the cell was forged. The deviations carry it: on raw pixels the same network learns the forger's handwriting. An image
is judged as if the Gaussians had been fitted without it, so that normal cells look in training as they will in use.
What describes a cell is hand-made, so that all of it is from scratch, or comes from a frozen pretrained backbone.

In use: the averaged network's logits and the distances themselves, each smoothed and in units of what the highest of a
normal image varies by, are summed; the score is the highest sum. Where the forgeries resemble the defects the network
decides; where they don't, such as for the finest cracks, the distances still do.

Trained against forgeries: CutPaste (Li et al., CVPR 2021), DRAEM (Zavrtanik et al., ICCV 2021), NSA (Schlueter et al.,
ECCV 2022). A small network on features in place of pixels: SimpleNet (Liu et al., CVPR 2023). Any image shape.

Letters: N images, C channels, H, W pixels, E channels of evidence, h, w cells.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import check_choice, check_number, check_whole
from model.parts.backbones import BACKBONES
from model.parts.descent import descend
from model.parts.deviations import Deviations
from model.parts.ema import Ema
from model.parts.forging import KINDS, Recipe, forge
from model.parts.losses import dice_loss, focal_loss
from model.parts.patch_features import OnBackbone, PatchFeatures
from model.parts.position_gaussian import SHRINKAGE
from model.parts.pyramids import CellPyramid, PatchPyramid
from model.parts.running_mean import RunningMean
from model.parts.smoothing import smooth, to_pixels
from model.parts.spread import Spread, fit_spreads

CLASSICAL = "classical"
STRIDES, DIMENSIONS = "8+16", 100  # of a backbone's features, as padim takes them
DILATIONS = (1, 2, 1)
DEFECTIVE_SHARE = 0.15  # a cell of which more is forged is defective; of which some is, left out of the loss
WARM_UP = 0.05  # of the training, in which the learning rate rises
READY = 0.75  # of the training
EMA_DECAY = 0.99
WEIGHT_DECAY = 1e-3


@dataclass(frozen=True)
class HParams:
    """Options of the detector. Raises a one-line ValueError for a value out of range."""

    lr: float = 2e-3
    width: int = 48  # channels of the network
    features: str = CLASSICAL  # or a backbone's name: in cells of 8 px, at one level
    cell_px: int = 4  # of classical features
    levels: int = 2  # of those: cells of the image, of the image at half its size, ...
    shrinkage: float = SHRINKAGE  # of the Gaussians, as in patch_gaussian
    floor: float = 0.01
    forged_share: float = 0.8  # of the images that get defects
    forged_size: float = 0.15  # half axis of the largest forged ellipse, as a share of the shorter side
    forged_opacity: float = 0.35  # the least
    forgeries: str = "all"  # or "pasted", "painted": what defects are filled with
    w_dice: float = 0.05  # of the Dice loss beside 1 for the focal loss
    smoothing_cells: float = 0.7
    w_distance: float = 1.0  # of the distances in the score, beside 1 for the network

    def __post_init__(self) -> None:
        check_number("lr", self.lr, above=0, example=2e-3)
        check_whole("width", self.width, least=4, example=48)
        check_choice("features", self.features, (CLASSICAL, *BACKBONES))
        check_whole("cell_px", self.cell_px, least=2, example=4)
        check_whole("levels", self.levels, least=1, example=1)
        check_number("shrinkage", self.shrinkage, least=0, most=1, example=0.01)
        check_number("floor", self.floor, least=1e-8, most=10, example=1e-3)
        check_number("forged_share", self.forged_share, above=0, most=1, example=0.8)
        check_number("forged_size", self.forged_size, least=0.02, most=0.5, example=0.15)
        check_number("forged_opacity", self.forged_opacity, above=0, most=1, example=0.35)
        check_choice("forgeries", self.forgeries, tuple(KINDS))
        check_number("w_dice", self.w_dice, least=0, example=0.05)
        check_number("smoothing_cells", self.smoothing_cells, least=0, most=8, example=0.7)
        check_number("w_distance", self.w_distance, least=0, example=1.0)


class Judge(nn.Sequential):
    """Evidence (N, E, h, w) -> a logit a cell (N, 1, h, w)."""

    def __init__(self, channels: int, width: int):
        layers = [*_layer(nn.Conv2d(channels, width, 1, bias=False))]
        for dilation in DILATIONS:
            layers += _layer(nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False))
        super().__init__(*layers, nn.Conv2d(width, 1, 1))


def _layer(convolution: nn.Conv2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()


class PatchForged(OnBackbone):
    """The detector that is trained on forged defects."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        super().__init__(hparams, image_shape, device)
        shape, name = self.image_shape, hparams.features
        self.patches = None if name == CLASSICAL else PatchFeatures(name, STRIDES, shape, self.device)
        self.pyramid = (PatchPyramid(self.patches, DIMENSIONS) if self.patches
                        else CellPyramid(shape, hparams.cell_px, hparams.levels))
        self.deviations = Deviations(self.pyramid, hparams.shrinkage, hparams.floor).to(self.device)
        self.judge = Judge(self.deviations.channels, hparams.width).to(self.device)
        self.judge_average = Ema(self.judge, EMA_DECAY).to(self.device)
        self.spreads = nn.ModuleDict({"logit": Spread(), "distance": Spread()}).to(self.device)
        self.mean = RunningMean(shape).to(self.device)
        self.recipe = Recipe(hparams.forged_share, hparams.forged_size, hparams.forged_opacity, hparams.forgeries)
        self.adamw = torch.optim.AdamW(self.judge.parameters(), hparams.lr, weight_decay=WEIGHT_DECAY, fused=True)

    def is_ready(self, progress: float) -> bool:
        """Not before the learning rate has come down: until then its scores jump from epoch to epoch."""
        return progress >= READY

    def networks(self) -> dict[str, nn.Module]:
        """The judge as trained and as averaged; and what calibration keeps, in buffers."""
        return {
            "judge": self.judge,
            "judge_average": self.judge_average,
            "deviations": self.deviations,
            "spreads": self.spreads,
            "mean": self.mean,
        }

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """AdamW of the judge."""
        return [self.adamw]

    @torch.no_grad()
    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Fit the Gaussians, once; then see what the highest values of normal images are, by the judge of now."""
        if not self.deviations.is_fitted():
            self.deviations.fit(self.mean.adding(map(self.take, normals)))
            return
        maps = (self._maps(images, without=images) for images in map(self.take, normals))
        fit_spreads(self.spreads.values(), maps)

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of the judge on images with forged defects; see the contract. Losses: their sum and both parts."""
        images = self.take(images)
        with torch.no_grad():
            forged, mask = forge(images, self.recipe)
            evidence, _ = self.deviations(forged, without=images)
            share = F.avg_pool2d(mask[:, None].float(), self.pyramid.cell_px, ceil_mode=True)
        self.judge.train()
        logits = self.judge(evidence)
        target, counts = (share > DEFECTIVE_SHARE).float(), ((share == 0) | (share > DEFECTIVE_SHARE)).float()
        focal, dice = focal_loss(logits, target, counts), dice_loss(logits, target, counts)
        loss = focal + self.hparams.w_dice * dice
        for group in self.adamw.param_groups:
            group["lr"] = self.hparams.lr * schedule(progress)
        descend((self.adamw, loss))
        self.judge_average.update(self.judge)
        return {"judge": loss.detach(), "focal": focal.detach(), "dice": dice.detach()}

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: the highest of the weighted sum of both maps; maps: that sum at the image's size."""
        logits, distances = self._maps(self.take(images))
        spreads = self.spreads
        maps = spreads["logit"](logits) + self.hparams.w_distance * spreads["distance"](distances)  # (N, h, w)
        return maps.amax(dim=(1, 2)), to_pixels(maps, self.pyramid.cell_px, *self.image_shape[1:])

    def reconstruct(self, images: Tensor) -> Tensor:
        """The mean normal image for each of the images: (N, C, H, W)."""
        return self.mean().expand(len(self.take(images)), *self.image_shape)

    def _maps(self, images: Tensor, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The judge's logits and the distances, smoothed: (N, h, w) each."""
        evidence, distances = self.deviations(images, without)
        logits = self.judge_average(evidence)[:, 0]
        return smooth(logits, self.hparams.smoothing_cells), smooth(distances, self.hparams.smoothing_cells)


def schedule(progress: float) -> float:
    """The learning rate's share: up to 1 in the warm-up, and down by half a cosine."""
    return min(1.0, (progress + 1e-3) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * progress))
