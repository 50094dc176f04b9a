"""PatchCore (Roth et al., CVPR 2022): how far each patch is from the nearest one that any normal image has shown.

normal images -> patch features, averaged over 3 x 3 -> a coreset of them (model/parts/coreset.py): the bank; image ->
its patches' distances to the bank -> smoothed; the score is the highest. Where a patch lies plays no part, so parts may
lie as they like. There: WideResNet-50-2, levels 8 and 16, a bank of 1 to 10 % of all patches. Here the bank has a fixed
number of rows, chosen from at most 100,000 patches drawn at random; and each level's features are brought to length 1,
so that what a patch is like counts and not how strongly the backbone answers (transistor at 128 px, EfficientNet-Lite0,
one seed, all labelled images: .98 with, .92 without). Any image shape.

Letters: N images, C channels, H, W pixels, F features, h, w patches, K rows of the bank.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import check_choice, check_number, check_whole
from model.parts.backbones import BACKBONES
from model.parts.cells import box
from model.parts.coreset import greedy_coreset
from model.parts.patch_features import LEVELS, BackboneDetector
from model.parts.smoothing import smooth, to_pixels

PATCHES_PER_IMAGE = 1024
MOST_PATCHES = 100_000
BLOCK = 256  # rows of the bank that patches are compared with at a time: memory
NEIGHBOURS = 3  # the side of the square that features are averaged over
REWEIGHTED_BY = 9  # nearest rows of the bank (section 3.3)


@dataclass(frozen=True)
class HParams:
    """Options of PatchCore. Raises a one-line ValueError for a value out of range."""

    backbone: str = "efficientnet_lite0"
    levels: str = "8+16"  # the strides of the maps that are joined
    bank: int = 1000  # rows
    reweighted: bool = False  # the score less where the nearest row lies in a thinly seen region (equation 7)
    smoothing_px: float = 4.0

    def __post_init__(self) -> None:
        check_choice("backbone", self.backbone, tuple(BACKBONES))
        check_choice("levels", self.levels, tuple(LEVELS))
        check_whole("bank", self.bank, least=16, example=1000)
        check_choice("reweighted", self.reweighted, (False, True))
        check_number("smoothing_px", self.smoothing_px, least=0, most=32, example=4.0)


class Bank(nn.Module):
    """K rows of F features, zeros until there is something to keep."""

    def __init__(self, rows: int, features: int):
        super().__init__()
        self.register_buffer("rows", torch.zeros(rows, features))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def fill(self, patches: Tensor) -> None:
        """Keep these (K', F), K' <= K; where they are fewer, the first stands in for what is missing."""
        self.rows.copy_(torch.cat([patches, patches[:1].expand(len(self.rows) - len(patches), -1)]))
        self.filled.fill_(len(patches))

    def forward(self, patches: Tensor) -> Tensor:
        """Squared distances of patches (..., F) to all rows: (..., K)."""
        return squared_distances(patches, self.rows)

    def nearest(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Of patches (N, P, F), the squared distance to the nearest row, and which that is: (N, P) each."""
        blocks = [squared_distances(patches, rows).min(dim=2) for rows in self.rows.split(BLOCK)]
        squared, block = torch.stack([found.values for found in blocks]).min(dim=0)
        within = torch.stack([found.indices for found in blocks]).gather(0, block[None])[0]
        return squared, block * BLOCK + within


def squared_distances(patches: Tensor, rows: Tensor) -> Tensor:
    """Of patches (..., F) to rows (K, F): (..., K)."""
    squared = patches.square().sum(-1, keepdim=True) - 2 * patches @ rows.T + rows.square().sum(1)
    return squared.clamp(min=0)


class PatchCore(BackboneDetector):
    """The detector of distances to a bank of normal patches."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        super().__init__(hparams, image_shape, device)
        self.bank = Bank(hparams.bank, self.patches.count).to(self.device)
        self.seed = int(torch.randint(2**31, (), device="cpu"))

    def networks(self) -> dict[str, nn.Module]:
        """The bank and the mean image; the backbone is not kept."""
        return {"bank": self.bank, "mean": self.mean}

    @torch.no_grad()
    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Fill the bank, once."""
        if self.bank.filled:
            return
        generator = torch.Generator().manual_seed(self.seed)
        kept = []
        for images in self.mean.adding(map(self.take, normals)):
            patches = self._patches(images)
            drawn = torch.randperm(patches.shape[1], generator=generator)[:PATCHES_PER_IMAGE]
            kept.append(patches[:, drawn.to(patches.device)].flatten(0, 1))
        if not kept:
            raise ValueError("there is no normal image to fill the bank with: expected at least one")
        patches = torch.cat(kept)
        drawn = torch.randperm(len(patches), generator=generator)[:MOST_PATCHES].to(patches.device)
        patches = patches[drawn]
        self.bank.fill(patches[greedy_coreset(patches, self.hparams.bank, generator)])

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: the highest of the smoothed distances, reweighted if asked; maps: those distances at the image's
        size."""
        patches = self._patches(self.take(images))  # (N, h * w, F)
        squared, rows = self.bank.nearest(patches.float())
        distances = squared.sqrt()
        maps = smooth(distances.unflatten(1, self.patches.grid), self.hparams.smoothing_px / self.patches.patch_px)
        scores = maps.amax(dim=(1, 2))
        if self.hparams.reweighted:
            scores = scores * self._weights(patches, distances, rows)
        return scores, to_pixels(maps, self.patches.patch_px, *self.image_shape[1:])

    def _weights(self, patches: Tensor, distances: Tensor, rows: Tensor) -> Tensor:
        """One less the softmax of the distance to the nearest row among those to that row's own neighbours: (N,)."""
        images = torch.arange(len(patches), device=patches.device)
        farthest = distances.argmax(dim=1)
        nearest = rows[images, farthest]
        around = self.bank(self.bank.rows[nearest]).topk(min(REWEIGHTED_BY, len(self.bank.rows)), largest=False).indices
        to_around = self.bank(patches[images, farthest]).gather(1, around).sqrt()
        scale = self.patches.count**0.5
        return 1 - ((distances.amax(dim=1) / scale).exp() / (to_around / scale).exp().sum(dim=1))

    def _patches(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, h * w, F)."""
        return self.patches(images, prepared).flatten(2).transpose(1, 2)


def prepared(level: Tensor) -> Tensor:
    """The map (N, F', h', w') of one stride, averaged over 3 x 3 neighbours, each feature vector of length 1."""
    return F.normalize(box(level, NEIGHBOURS), dim=1)
