"""One trial: a task and its category's images -> epochs -> a Row. What goes wrong in it is in the row, not raised."""

import dataclasses
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
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
from orchestrator import fit, search
from orchestrator.config import seed_of
from orchestrator.metrics import auroc
from orchestrator.plan import Job, TrialTask
from orchestrator.provenance import Clock, describe, provenance
from orchestrator.rows import COMPLETED, FAILED, PRUNED, TrialRow


@dataclass(frozen=True)
class Selection:
    """What a trial may see of a category, on its device: images that train and that choose. Never the test part."""

    split: Split
    pixels: Tensor  # uint8 (N, H, W, C): on CPU the shared array itself, not a copy
    train: Tensor  # int64 (T,) indices into pixels
    val: Tensor  # uint8 (V, H, W, C)
    val_labels: np.ndarray  # (V,)


@dataclass(frozen=True)
class Progress:
    epoch: int
    val_auc: float | None


def train(
    task: TrialTask, images: Images, device: torch.device, gpu_share: float
) -> Generator[Progress, None, TrialRow]:
    """Trains one trial, yielding after each epoch; returns its row. A trial below a bar of its task stops itself."""
    job, params, bars = task.job, dict(task.params), dict(task.bars)
    clock = Clock(device, gpu_share)
    facts: dict[str, Any] = {"params": params}
    curve: list[float | None] = []
    losses: dict[str, float] = {}
    steps, passed, train_s = 0, 0, 0.0
    status, error = COMPLETED, None
    try:
        data = selection(images, job.protocol, job.seed, device)
        facts |= data_facts(images, data)
        detector = build(job, params, task.seed, images, device)
        facts["params"] = dataclasses.asdict(detector.hparams)
        for epoch in training(detector, data, job, task.seed):
            losses, steps = epoch.losses, steps + epoch.steps
            passed, train_s = passed + epoch.images, train_s + epoch.train_s
            curve.append(validate(detector, data) if detector.is_ready(epoch.number / job.epochs) else None)
            yield Progress(epoch.number, curve[-1])
            best = search.best_so_far(curve)
            if best is not None and best < bars.get(epoch.number, -1.0):
                status = PRUNED
                break
    except Exception as exception:  # a failing trial is a row; the sweep goes on
        status, error = FAILED, describe(exception)
    best = search.best_so_far(curve)
    return TrialRow(
        **provenance(job, facts),
        **clock.stop(),
        trial_id=job.trial_id(task.index),
        index=task.index,
        preset=task.preset,
        val_auc=best,
        best_epoch=None if best is None else curve.index(best) + 1,
        last_val_auc=curve[-1] if curve else None,
        curve=curve,
        losses=json.dumps(losses),
        epochs=len(curve),
        steps=steps,
        train_s=train_s,
        images_per_s=passed / train_s if train_s else None,
        status=status,
        error=error,
    )


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
    model = MODELS[job.model]
    torch.manual_seed(seed_of("weights", seed))
    height, width, channels = images.pixels.shape[1:]
    return model(model.HParams(**params), (channels, height, width), device)


def training(detector: Detector, data: Selection, job: Job, seed: int, **resumed: int) -> Iterator[fit.Epoch]:
    """The training of a trial, or of a refit; `resumed` are `done`, `rank` and `world` of fit.fit."""
    return fit.fit(
        detector,
        data.pixels,
        data.train,
        epochs=job.epochs,
        batch=job.batch,
        seed=seed,
        steps_per_epoch=job.steps_per_epoch,
        **resumed,
    )


def validate(detector: Detector, data: Selection) -> float:
    """Validation AUROC. Raises FloatingPointError where training has diverged."""
    scores, _ = fit.score(detector, data.val)
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
        fit.to_device(images.pixels, device),
        torch.from_numpy(parts.train).to(device),
        fit.to_device(val, device),
        val_labels,
    )


def data_facts(images: Images, data: Selection) -> dict[str, Any]:
    return {
        "selection_split": data.split.selection_split,
        "train_images": len(data.train),
        "val_images": len(data.val),
        "unreadable_images": len(images.unreadable),
        "data_hash": images.data_hash,
        "split_hash": data.split.hash,
    }
