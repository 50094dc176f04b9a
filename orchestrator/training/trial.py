"""One trial: a task and its category's images -> epochs -> a Row. What goes wrong in it is in the row, not raised.

A trial that ran out of memory is trained again with half the batch, once. One that was cut short goes on from its saved
state, and its row is then the same as if it had not been.
"""

import dataclasses
import functools
import gc
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datasets.forge import forge_defects
from datasets.images import Images
from datasets.sample import Split
from datasets.split import split
from model.catalog import MODELS
from model.contract import Detector
from orchestrator.errors import describe
from orchestrator.experiment import search
from orchestrator.experiment.job import Job, TrialTask
from orchestrator.hashes import seed_of
from orchestrator.metrics.image import auroc
from orchestrator.results.rows import COMPLETED, FAILED, PRUNED, TrialRow
from orchestrator.results.storage import Storage
from orchestrator.training import fit, scoring
from orchestrator.training.provenance import Clock, provenance
from orchestrator.training.saved_state import SavedState


@dataclass(frozen=True)
class Selection:
    """What a trial may see of a category, on its device: images that train and that choose. Never the test part."""

    split: Split
    pixels: Tensor  # uint8 (N, H, W, C): on CPU the shared array itself, not a copy
    train: Tensor  # int64 (T,) indices into pixels
    val: Tensor  # uint8 (V, H, W, C)
    val_labels: np.ndarray  # (V,)


@dataclass(frozen=True)
class EpochEnd:
    """Where a trial stands after an epoch, counted from 1; the AUROC is None where its model cannot score yet."""

    epoch: int
    val_auc: float | None


@dataclass
class Record:
    """What a training has come to, in plain types: they are saved with the detector."""

    batch: int
    epochs: int = 0
    steps: int = 0
    images: int = 0  # passed through the model by this process
    train_s: float = 0.0
    wall_s: float = 0.0  # only in a saved state
    curve: list[float | None] = field(default_factory=list)
    losses: dict[str, float] = field(default_factory=dict)
    note: str | None = None

    def add(self, epoch: fit.Epoch) -> None:
        """Counts one more epoch in."""
        self.epochs, self.losses = epoch.number, epoch.losses
        self.steps += epoch.steps
        self.images += epoch.images
        self.train_s += epoch.train_s

    def state(self, detector: Detector, clock: Clock) -> dict[str, Any]:
        """All that another process needs to go on from here."""
        return {"detector": detector.state_dict(), "record": {**dataclasses.asdict(self), "wall_s": clock.wall_s()}}

    def throughput(self) -> dict[str, Any]:
        """What a row says of the work done."""
        return {
            "steps": self.steps,
            "train_s": self.train_s,
            "images_per_s": self.images / self.train_s if self.train_s else None,
            "note": self.note,
        }


def train(
    task: TrialTask, images: Images, device: torch.device, gpu_share: float, saved: SavedState | None = None
) -> Generator[EpochEnd, None, TrialRow]:
    """Trains one trial, yielding after each epoch; returns its row. A trial below a bar of its task stops itself.

    Closed before its end, it saves its state (where there is a place for it), and leaves no row.
    """
    job, facts, batch = task.job, {"params": dict(task.params)}, task.job.experiment.batch
    clock = Clock(device, gpu_share)
    state = saved.load(device) if saved else None
    record = Record(**state["record"]) if state else Record(batch)
    status, error = COMPLETED, None
    try:
        data = selection(images, job.experiment.protocol, job.seed, device)
        facts |= data_facts(images, data)
        clock.goes_on_after(record.wall_s)
        while True:
            try:
                status = yield from _epochs(task, images, data, facts, record, state, saved, clock)
                break
            except Exception as exception:
                if record.batch < batch or batch == 1 or not is_out_of_memory(exception):
                    raise
            half = batch // 2
            record, state = Record(half, note=f"out of memory with batch {batch}: trained with {half}"), None
            gc.collect()  # the detector that did not fit
            torch.cuda.empty_cache()
    except Exception as exception:  # a failing trial is a row; the sweep goes on
        status, error = FAILED, describe(exception)
    best = search.best_so_far(record.curve)
    return TrialRow(
        **provenance(job, {**facts, "batch": record.batch}),
        **clock.stop(),
        **record.throughput(),
        trial_id=job.trial_id(task.index),
        index=task.index,
        preset=task.preset,
        val_auc=best,
        best_epoch=None if best is None else record.curve.index(best) + 1,
        last_val_auc=record.curve[-1] if record.curve else None,
        curve=record.curve,
        losses=json.dumps(record.losses),
        epochs=record.epochs,
        status=status,
        error=error,
    )


def saved_state(storage: Storage, task: TrialTask, every_s: float) -> SavedState:
    """Where the state of this trial is kept while it is under way."""
    identity = {"params": dict(task.params), "seed": task.seed, "torch": str(torch.__version__)}
    return SavedState(storage, task.job.trial_id(task.index), identity, every_s)


def _epochs(
    task: TrialTask, images: Images, data: Selection, facts: dict[str, Any], record: Record,
    state: dict[str, Any] | None, saved: SavedState | None, clock: Clock,
) -> Generator[EpochEnd, None, str]:  # fmt: skip
    """Trains from `state`, or from the start, keeping `record`; returns the status of the row."""
    job, bars, epochs = task.job, dict(task.bars), task.job.experiment.epochs
    detector = build(job, dict(task.params), task.seed, images, data.pixels.device)
    facts["params"] = dataclasses.asdict(detector.hparams)
    if state is not None:
        detector.load_state_dict(state["detector"])
    state_now = functools.partial(record.state, detector, clock)
    for epoch in training(detector, data, job, record.batch, task.seed, done=record.epochs):
        record.add(epoch)
        record.curve.append(validate(detector, data) if detector.is_ready(epoch.number / epochs) else None)
        best = search.best_so_far(record.curve)
        if best is not None and best < bars.get(epoch.number, -1.0):
            return PRUNED
        try:
            if saved:
                saved.offer(state_now)
            yield EpochEnd(epoch.number, record.curve[-1])
        except GeneratorExit:
            if saved:
                saved.save(state_now)
            raise
    return COMPLETED


def crashed(task: TrialTask, error: str) -> TrialRow:
    """The row of a trial whose worker died."""
    return TrialRow(
        **provenance(task.job, {"params": dict(task.params)}),
        trial_id=task.job.trial_id(task.index),
        index=task.index,
        preset=task.preset,
        curve=[],
        epochs=0,
        status=FAILED,
        error=error,
    )


def build(job: Job, params: dict[str, Any], seed: int, images: Images, device: torch.device) -> Detector:
    """The detector of a job for images of that shape; its weights are a function of `seed`."""
    model = MODELS[job.model]
    torch.manual_seed(seed_of("weights", seed))
    height, width, channels = images.pixels.shape[1:]
    return model(model.HParams(**params), (channels, height, width), device)


def is_out_of_memory(exception: Exception) -> bool:
    """On a GPU, or in torch's allocator on CPU."""
    return isinstance(exception, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(exception)


def training(
    detector: Detector, data: Selection, job: Job, batch: int, seed: int, **resumed: int
) -> Iterator[fit.Epoch]:
    """The training of a trial, or of a refit; `resumed` are `done`, `rank` and `world` of fit.fit."""
    return fit.fit(
        detector,
        data.pixels,
        data.train,
        epochs=job.experiment.epochs,
        batch=batch,
        seed=seed,
        steps_per_epoch=job.experiment.steps_per_epoch,
        **resumed,
    )


def validate(detector: Detector, data: Selection) -> float:
    """Validation AUROC. Raises FloatingPointError where training has diverged."""
    scores, _ = scoring.score(detector, data.val)
    value = auroc(data.val_labels, scores)
    if value is None:
        raise FloatingPointError("training diverged: the validation scores are not finite; a lower lr may help")
    return value


def selection(images: Images, protocol: str, seed: int, device: torch.device) -> Selection:
    """The images that train and choose, on `device`; kept for the next trial of the same job."""
    key = (images.data_hash, images.size_px, protocol, seed, str(device))
    if key not in _selections:
        while len(_selections) >= 2:
            del _selections[next(iter(_selections))]
        _selections[key] = _select(images, protocol, seed, device)
    return _selections[key]


_selections: dict[tuple, Selection] = {}


def _select(images: Images, protocol: str, seed: int, device: torch.device) -> Selection:
    parts = split(images, protocol, seed)
    val, val_labels = images.pixels[parts.val], images.labels[parts.val]
    if len(parts.forge):
        forged, _ = forge_defects(images.pixels[parts.forge], seed_of("forge", seed))
        val, val_labels = (
            np.concatenate([val, forged]),
            np.concatenate([val_labels, np.ones(len(forged), val_labels.dtype)]),
        )
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
        "unreadable_images": len(images.unreadable),
        "data_hash": images.data_hash,
        "split_hash": data.split.hash,
    }
