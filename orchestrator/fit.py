"""The one training loop: a generator of epochs. It writes nothing and knows no backend; whoever drives it evaluates,
reports, stops, saves.

Epoch e draws all its randomness from (seed, e), so training that starts again from the weights and optimisers of epoch
e goes on exactly.
"""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.contract import Detector
from orchestrator.config import seed_of

SCORE_BATCH = 32


@dataclass(frozen=True)
class Epoch:
    number: int  # counted from 1
    losses: dict[str, float]  # means over the epoch's steps
    images: int  # passed through the model by this process
    train_s: float


def fit(
    detector: Detector,
    pixels: Tensor,
    train: Tensor,
    *,
    epochs: int,
    batch: int,
    seed: int,
    done: int = 0,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Epoch]:
    """Trains on the images `train` (T,) of uint8 `pixels` (N, H, W, C), both on the detector's device, and yields after
    each epoch.

    `done` epochs lie behind (resuming). Of `world` data-parallel processes, each takes its part of every batch.
    """
    steps = -(-len(train) // batch)
    for epoch in range(done, epochs):
        start = time.perf_counter()
        torch.manual_seed(seed_of("epoch", seed, epoch, rank))
        order = np.random.default_rng([seed, epoch]).permutation(len(train))
        totals: dict[str, Tensor] = {}
        images = 0
        for step, chosen in enumerate(np.array_split(order, steps)):
            mine = chosen[rank::world] if len(chosen) >= world else chosen
            losses = detector.step(normalise(pixels[train[mine]]), (epoch + step / steps) / epochs)
            totals = {name: totals.get(name, 0) + value for name, value in losses.items()}
            images += len(mine)
        means = {name: float(total) / steps for name, total in totals.items()}
        yield Epoch(epoch + 1, means, images, time.perf_counter() - start)


def score(detector: Detector, pixels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) and maps (N, H, W) of uint8 `pixels` (N, H, W, C)."""
    parts = [detector.score(normalise(chunk)) for chunk in pixels.split(SCORE_BATCH)]
    scores, maps = zip(*parts, strict=True)
    return torch.cat(scores).double().cpu().numpy(), torch.cat(maps).float().cpu().numpy()


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, C) 0..255 -> float32 (N, C, H, W) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_device(array: np.ndarray, device: torch.device | str) -> Tensor:
    """The array on `device`; on CPU a view of it. Shared arrays are read-only, and nothing here writes to them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)
