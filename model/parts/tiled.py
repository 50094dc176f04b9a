"""A detector of squares that sees a larger image in tiles: one at a random place in each step, all of them to score.

Tiles lie on a fixed grid that covers the image, next ones overlapping by a quarter or more. An image's score is the
highest of its tiles'. Maps are stitched: where tiles overlap, the nearer a pixel is to a tile's middle, the more that
tile counts, so that no seam shows. `calibrate` shows the detector all tiles: what it learns of a position is of a
position in any of them.

Letters: N images, C channels, H, W pixels of an image, S the side of a tile.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from model.contract import Detector

MOST_APART = 0.75  # of a tile's side, from one tile to the next


class Tiled(Detector):
    """`inner`, a detector of images (C, S, S), as one of images (C, H, W), H and W at least S."""

    def __init__(self, inner: Detector, image_shape: tuple[int, int, int]):
        """Raises ValueError where a tile is larger than an image."""
        super().__init__(inner.hparams, image_shape, inner.device)
        self.inner, self.tile_px = inner, inner.image_shape[1]
        if self.tile_px > min(self.image_shape[1:]):
            raise ValueError(f"tiles of {self.tile_px} px are larger than the image {self.image_shape}: expected less")
        self.optimises_to_score, self.is_training_free = inner.optimises_to_score, inner.is_training_free
        along = ([slice(at, at + self.tile_px) for at in starts(side, self.tile_px)] for side in image_shape[1:])
        self.places = list(itertools.product(*along))  # rows and columns of each tile

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step on a tile of each image, anywhere in it."""
        images = self.take(images)
        ends = [side - self.tile_px + 1 for side in self.image_shape[1:]]
        places = [torch.randint(end, (len(images),), device="cpu").tolist() for end in ends]
        crops = [
            image[:, top : top + self.tile_px, left : left + self.tile_px]
            for image, top, left in zip(images, *places, strict=True)
        ]
        return self.inner.step(torch.stack(crops), progress)

    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Show it all tiles of the images."""
        self.inner.calibrate(tile for images in normals for tile in self._tiles(self.take(images)))

    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: the highest of an image's tiles; maps: theirs, stitched."""
        scored = [self.inner.score(tile) for tile in self._tiles(self.take(images))]
        scores, maps = zip(*scored, strict=True)
        return torch.stack(scores).amax(dim=0), self._stitched(maps)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Its tiles', stitched."""
        return self._stitched([self.inner.reconstruct(tile) for tile in self._tiles(self.take(images))])

    def is_ready(self, progress: float) -> bool:
        """As the inner one is."""
        return self.inner.is_ready(progress)

    def shorten_search(self, steps: int) -> float:
        """As the inner one does."""
        return self.inner.shorten_search(steps)

    def networks(self) -> dict[str, nn.Module]:
        """Those of the inner one."""
        return self.inner.networks()

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those of the inner one."""
        return self.inner.optimizers()

    def state_dict(self) -> dict[str, Any]:
        """That of the inner one."""
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Of the inner one."""
        self.inner.load_state_dict(state)

    def _tiles(self, images: Tensor) -> Iterator[Tensor]:
        """(N, C, H, W) -> (N, C, S, S) at each place."""
        return (images[:, :, rows, columns] for rows, columns in self.places)

    def _stitched(self, tiles: Iterable[Tensor]) -> Tensor:
        """(..., S, S) of each place -> (..., H, W)."""
        tent = _tent(self.tile_px, self.device)
        total, weights = 0, 0
        for tile, (rows, columns) in zip(tiles, self.places, strict=True):
            around = (columns.start, self.image_shape[2] - columns.stop, rows.start, self.image_shape[1] - rows.stop)
            total = total + nn.functional.pad(tile * tent, around)
            weights = weights + nn.functional.pad(tent, around)
        return total / weights


def starts(side: int, tile_px: int) -> list[int]:
    """Where tiles begin along a side: evenly from one end to the other, as few as are close enough."""
    gaps = -(-(side - tile_px) // max(int(tile_px * MOST_APART), 1))
    return [round(i * (side - tile_px) / gaps) for i in range(gaps + 1)] if gaps else [0]


def _tent(side: int, device: torch.device) -> Tensor:
    """(S, S): the product of each side's distance to the border, above 0."""
    steps = torch.arange(side, device=device)
    ramp = torch.minimum(steps + 1, side - steps).float()
    return ramp[:, None] * ramp
