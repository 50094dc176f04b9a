"""The one training loop: a generator of epochs. It writes nothing and knows no backend; whoever drives it evaluates,
reports, stops, saves.

Epoch e draws all its randomness from (seed, e), so training that starts again from the weights and optimisers of epoch
e goes on exactly; from those between two of its steps, with what Within holds beside them.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

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


@dataclass
class Within:
    """How far an epoch under way has come."""

    steps: int = 0
    images: int = 0
    train_s: float = 0.0
    totals: dict[str, Tensor] = field(default_factory=dict)  # of the losses

    @classmethod
    def of(cls, state: dict[str, Any], device: torch.device) -> "Within":
        """From a `state` of it; torch's generators are then as they were."""
        torch.set_rng_state(state["generators"][0].cpu())
        if device.type == "cuda":
            torch.cuda.set_rng_state(state["generators"][1].cpu(), device)
        return cls(**{name: value for name, value in state.items() if name != "generators"})

    def add(self, losses: dict[str, Tensor], images: int, step_s: float) -> None:
        """Counts one more step in."""
        self.totals = {name: self.totals.get(name, 0) + value for name, value in losses.items()}
        self.steps, self.images, self.train_s = self.steps + 1, self.images + images, self.train_s + step_s

    def state(self, device: torch.device) -> dict[str, Any]:
        """All of it, and torch's generators, as tensors and plain types."""
        cuda = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
        return {**vars(self), "generators": [torch.get_rng_state(), *cuda]}


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
    within: dict[str, Any] | None = None,
    on_step: Callable[[Within], object] = lambda within: None,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Epoch]:
    """Trains on the images `train` (T,) of uint8 `pixels` (N, H, W, C), both on the detector's device, and yields after
    each epoch.

    An epoch is every image once, or `steps_per_epoch` steps. `done` epochs lie behind (resuming), and of the next one
    what the state `within` says; `on_step` is called after each step but an epoch's last. Of `world` data-parallel
    processes, each takes its part of every batch. A detector that takes no step is calibrated, as its one epoch.
    """
    start = time.perf_counter()
    if within is None:  # else what it calibrated when the epoch began is in its buffers
        detector.calibrate(normals(pixels, train))
    if detector.is_training_free:
        if not done:
            yield Epoch(1, {}, 0, len(train), time.perf_counter() - start)
        return
    steps = epoch_steps(len(train), batch, steps_per_epoch)
    for epoch in range(done, epochs):
        torch.manual_seed(seed_of("epoch", seed, epoch, rank))
        rng = np.random.default_rng([seed, epoch])
        chosen_by_step = (
            once(len(train), steps, rng) if steps_per_epoch is None else full_batches(len(train), batch, steps, rng)
        )
        so_far = Within.of(within, detector.device) if within and epoch == done else Within()
        for step, chosen in itertools.islice(enumerate(chosen_by_step), so_far.steps, None):
            start = time.perf_counter()
            mine = chosen[rank::world] if len(chosen) >= world else chosen
            losses = detector.step(normalise(pixels[train[mine]]), (epoch + step / steps) / epochs)
            so_far.add(losses, len(mine), time.perf_counter() - start)
            if step + 1 < steps:
                on_step(so_far)
        start = time.perf_counter()
        means = {name: float(total) / steps for name, total in so_far.totals.items()}  # waits for the accelerator
        yield Epoch(epoch + 1, means, steps, so_far.images, so_far.train_s + time.perf_counter() - start)


def of_job(job: Job, detector: Detector, data: Selection, batch: int, seed: int, **more: Any) -> Iterator[Epoch]:
    """The training of a job's trial or refit; `more` are further keywords of `fit`."""
    return fit(
        detector,
        data.pixels,
        data.train,
        epochs=job.epochs,
        batch=batch,
        seed=seed,
        steps_per_epoch=job.experiment.steps_per_epoch,
        **more,
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
