"""What the parts of patch_forged bring: image AUROC and pixel AUROC of variants of it, each part changed by itself.

Method. Each variant trains `--steps` steps on the normal training images of a category, with each seed, and is scored
on all of its labelled images, those that a run chooses on and those that it measures on (protocol holdout). Nothing is
chosen, but whoever sets a default by this table has chosen on them: read differences of less than .03 (KolektorSDD .05)
as none, and its best figures as mildly optimistic. The first line is the default; `patch_gaussian` is the control.

    python benchmarks/ablation.py mvtec_ad/transistor=DATA/mvtec_ad kolektor_sdd/kolektor_sdd=DATA/kolektor_sdd
    python benchmarks/ablation.py ... --device cuda --size-px 128 --steps 400 --seed 0 --seed 1 --part 0/4
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from datasets.frame import Frame
from datasets.images import load
from datasets.split import split
from model.contract import Detector
from model.parts.augmentation import Augmentation, augment
from model.patch_forged import HParams, PatchForged
from model.patch_gaussian import HParams as GaussianHParams
from model.patch_gaussian import PatchGaussian
from orchestrator.metrics import pixel

SCORE_BATCH = 32


class Evidence(nn.Module):
    """Deviations of which the network sees a part: channels of the features, or of how they deviate; or deviations
    from Gaussians that knew the image at hand."""

    def __init__(self, deviations: nn.Module, sees: str):
        super().__init__()
        self.whole, self.sees = deviations, sees
        self.is_fitted, self.fit = deviations.is_fitted, deviations.fit

    def forward(self, images: Tensor, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
        evidence, distances = self.whole(images, None if self.sees == "all, fitted on all" else without)
        features = (evidence.shape[1] - 3) // 3
        evidence = evidence.clone()
        if self.sees == "features":
            evidence[:, features:-2] = 0
        elif self.sees == "deviations":
            evidence[:, :features] = 0
        return evidence, distances


class Shaken(PatchForged):
    """Trained on images that are moved and lit a little otherwise before defects are forged into them."""

    augmentation = Augmentation()

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        return super().step(augment(self.take(images), self.augmentation), progress)


def plain(**changes: Any) -> Callable[..., Detector]:
    return lambda shape, device: PatchForged(replace(HParams(), **changes), shape, device)


def seeing(sees: str) -> Callable[..., Detector]:
    def build(shape: tuple[int, int, int], device: str) -> Detector:
        detector = PatchForged(HParams(), shape, device)
        detector.deviations = Evidence(detector.deviations, sees)
        return detector

    return build


def shaken(**augmentation: float) -> Callable[..., Detector]:
    def build(shape: tuple[int, int, int], device: str) -> Detector:
        detector = Shaken(HParams(), shape, device)
        detector.augmentation = Augmentation(**augmentation)
        return detector

    return build


VARIANTS: dict[str, Callable[..., Detector]] = {
    "patch_forged": plain(),
    "patch_gaussian": lambda shape, device: PatchGaussian(GaussianHParams(), shape, device),
    "sees the features alone": seeing("features"),
    "sees the deviations alone": seeing("deviations"),
    "Gaussians of all, the image too": seeing("all, fitted on all"),
    "floor .001": plain(floor=0.001),
    "floor .1": plain(floor=0.1),
    "shrinkage .1": plain(shrinkage=0.1),
    "one level": plain(levels=1),
    "features of a backbone": plain(features="efficientnet_lite0"),
    "cells of 8 px": plain(cell_px=8),
    "width 96": plain(width=96),
    "no Dice loss": plain(w_dice=0.0),
    "w_dice .5": plain(w_dice=0.5),
    "defects in every image": plain(forged_share=1.0),
    "defects of half the size": plain(forged_size=0.075),
    "defects of twice the size": plain(forged_size=0.3),
    "fainter defects": plain(forged_opacity=0.1),
    "pasted defects alone": plain(forgeries="pasted"),
    "painted defects alone": plain(forgeries="painted"),
    "moved by .01": shaken(shift=0.01, turn_degrees=1.0),
    "lit by .03": shaken(brightness=0.03, contrast=0.05),
}
SCORED = {  # the first line's weights, scored otherwise
    "the network alone": {"w_distance": 0.0},
    "unsmoothed": {"smoothing_cells": 0.0},
    "smoothed by 1.5 cells": {"smoothing_cells": 1.5},
}


def main() -> None:
    asked = parse_arguments()
    torch.set_num_threads(1)
    at, parts = map(int, asked.part.split("/"))
    names = asked.variant or [*VARIANTS]
    jobs = [(name, category, seed) for name in names for category in asked.categories for seed in asked.seed]
    for name, category, seed in jobs[at::parts]:
        dataset, root = category.split("=")
        images = load(dataset.split("/")[0], root, dataset.split("/")[1], Frame(asked.size_px, asked.size_px))
        for row in measured(name, images, seed, asked):
            print(json.dumps({"category": images.category, "seed": seed, "size_px": asked.size_px} | row), flush=True)


def measured(name: str, images: Any, seed: int, asked: argparse.Namespace) -> list[dict[str, Any]]:
    parts = split(images, "holdout", seed)
    train = normalise(images.pixels[parts.train]).to(asked.device)
    labelled = np.concatenate([parts.val, parts.test])
    torch.manual_seed(seed)
    detector = VARIANTS[name](tuple(train.shape[1:]), asked.device)
    start = time.perf_counter()
    detector.calibrate(train.split(SCORE_BATCH))
    if not detector.is_training_free:
        order = torch.empty(0, dtype=torch.long)
        for step in range(asked.steps):
            order = order if len(order) >= asked.batch else torch.randperm(len(train))
            chosen, order = order[: asked.batch], order[asked.batch :]
            detector.step(train[chosen.to(asked.device)], step / asked.steps)
    rows = [scored(name, detector, train, images, labelled) | {"seconds": time.perf_counter() - start}]
    if name == "patch_forged":
        for other, changes in SCORED.items():
            detector.hparams = replace(HParams(), **changes)
            rows.append(scored(other, detector, train, images, labelled))
    return rows


def scored(name: str, detector: Detector, train: Tensor, images: Any, labelled: np.ndarray) -> dict[str, Any]:
    detector.calibrate(train.split(SCORE_BATCH))
    scores, maps = zip(
        *(detector.score(part) for part in normalise(images.pixels[labelled]).split(SCORE_BATCH)), strict=True
    )
    scores, maps = torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()
    row = {"variant": name, "auc": roc_auc_score(images.labels[labelled], scores)}
    if images.masks is not None:
        masks = [images.masks[i] for i in labelled]
        own = [
            images.frame.out_of(heat, images.native_sizes[i], mask.shape)
            for i, heat, mask in zip(labelled, maps, masks, strict=True)
        ]
        row["pixel_auc"] = pixel.pixel_auroc(masks, own)
    return row


def normalise(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("categories", nargs="+", metavar="DATASET/CATEGORY=ROOT")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="default: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--part", default="0/1", help="k/n: every n-th job, from the k-th")
    asked = parser.parse_args()
    asked.seed = asked.seed or [0]
    return asked


if __name__ == "__main__":
    main()
