"""What a trial or a refit may see of a category, on its device: the images that train and those that choose. Never the
test part.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datasets.forge import forge_defects
from datasets.images import Images
from datasets.sample import Split
from datasets.split import FOLDS, split
from orchestrator.experiment.job import Job
from orchestrator.hashes import seed_of
from orchestrator.training import scoring

MOST_KEPT = 2  # on the device at a time


@dataclass(frozen=True)
class Selection:
    """The images that train and that choose, on one device."""

    split: Split
    pixels: Tensor  # uint8 (N, H, W, C): on CPU the shared array itself, not a copy
    train: Tensor  # int64 (T,) indices into pixels
    val: Tensor  # uint8 (V, H, W, C)
    val_labels: np.ndarray  # (V,)


class Selections:
    """The selections of whoever runs several trials on one device: the last two are kept for the next trial."""

    def __init__(self, device: torch.device):
        self.device = device
        self._kept: dict[tuple, Selection] = {}

    def of(self, job: Job, images: Images) -> Selection:
        """The selection of a job from its category's images. Raises DataError where they are too few."""
        how = {"protocol": job.experiment.protocol, "seed": job.seed, "folds": job.experiment.folds}
        key = (images.dataset, images.category, images.data_hash, images.frame, *how.values())
        if key not in self._kept:
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = select(images, **how, device=self.device)
        return self._kept[key]


def select(images: Images, protocol: str, seed: int, device: torch.device, folds: int = FOLDS) -> Selection:
    """Splits the images, forges anomalies where the protocol has none of its own, and brings both to `device`."""
    parts = split(images, protocol, seed, folds)
    val, val_labels = images.pixels[parts.val], images.labels[parts.val]
    if len(parts.forge):
        forged, _ = forge_defects(images.pixels[parts.forge], seed_of("forge", seed))
        val = np.concatenate([val, forged])
        val_labels = np.concatenate([val_labels, np.ones(len(forged), val_labels.dtype)])
    return Selection(
        parts,
        scoring.to_device(images.pixels, device),
        torch.from_numpy(parts.train).to(device),
        scoring.to_device(val, device),
        val_labels,
    )


def data_facts(images: Images, data: Selection) -> dict[str, Any]:
    """The columns of a row that say which images were used, and how many."""
    return {
        "selection_split": data.split.selection_split,
        "train_images": len(data.train),
        "val_images": len(data.val),
        "val_normals": int((data.val_labels == 0).sum()),
        "unreadable_images": len(images.unreadable),
        "data_hash": images.data_hash,
        "split_hash": data.split.hash,
    }
