"""The one training loop: a generator of epochs. It writes nothing and knows no backend; whoever drives it evaluates,
reports, stops, saves.

Epoch e draws all its randomness from (seed, e), so training that starts again from the weights and optimisers of epoch
e goes on exactly.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.contract import Detector
from orchestrator.experiment.job import Job, epoch_steps
from orchestrator.hashes import seed_of
from orchestrator.training.scoring import normalise, normals
from orchestrator.training.selection import Selection


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training came to."""

    number: int  # counted from 1
    losses: dict[str, float]  # means over the epoch's steps
    steps: int
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
    steps_per_epoch: int | None = None,
    done: int = 0,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Epoch]:
    """Trains on the images `train` (T,) of uint8 `pixels` (N, H, W, C), both on the detector's device, and yields after
    each epoch.

    An epoch is every image once, or `steps_per_epoch` steps. `done` epochs lie behind (resuming). Of `world`
    data-parallel processes, each takes its part of every batch. A detector that takes no step is calibrated, as its one
    epoch.
    """
    start = time.perf_counter()
    detector.calibrate(normals(pixels, train))
    if detector.is_training_free:
        if not done:
            yield Epoch(1, {}, 0, len(train), time.perf_counter() - start)
        return
    steps = epoch_steps(len(train), batch, steps_per_epoch)
    for epoch in range(done, epochs):
        start = time.perf_counter()
        torch.manual_seed(seed_of("epoch", seed, epoch, rank))
        rng = np.random.default_rng([seed, epoch])
        chosen_by_step = (
            once(len(train), steps, rng) if steps_per_epoch is None else full_batches(len(train), batch, steps, rng)
        )
        totals: dict[str, Tensor] = {}
        images = 0
        for step, chosen in enumerate(chosen_by_step):
            mine = chosen[rank::world] if len(chosen) >= world else chosen
            losses = detector.step(normalise(pixels[train[mine]]), (epoch + step / steps) / epochs)
            totals = {name: totals.get(name, 0) + value for name, value in losses.items()}
            images += len(mine)
        means = {name: float(total) / steps for name, total in totals.items()}
        yield Epoch(epoch + 1, means, steps, images, time.perf_counter() - start)


def of_job(job: Job, detector: Detector, data: Selection, batch: int, seed: int, **resumed: int) -> Iterator[Epoch]:
    """The training of a job's trial or refit; `resumed` are `done`, `rank` and `world` of `fit`."""
    return fit(
        detector,
        data.pixels,
        data.train,
        epochs=job.epochs,
        batch=batch,
        seed=seed,
        steps_per_epoch=job.experiment.steps_per_epoch,
        **resumed,
    )


def once(images: int, steps: int, rng: np.random.Generator) -> Iterable[np.ndarray]:
    """Every image once, in `steps` batches whose sizes differ by at most one."""
    return np.array_split(rng.permutation(images), steps)


def full_batches(images: int, batch: int, steps: int, rng: np.random.Generator) -> Iterable[np.ndarray]:
    """`steps` batches of min(batch, images) different images: those shown least so far, by lot among equals. So no
    image is ever shown more than one time more than another."""
    shown = np.zeros(images, np.int64)
    for _ in range(steps):
        chosen = np.lexsort((rng.random(images), shown))[:batch]
        shown[chosen] += 1
        yield chosen
