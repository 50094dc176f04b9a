"""The refit: a job's best trial trained again, up to its best epoch, and measured once on the test part.

The driver of the loop (Ray Train, or this process) saves checkpoints between epochs and hands the last one back after
a failure.
"""

import dataclasses
import io
import itertools
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from datasets.images import Images
from model.contract import Detector
from orchestrator import fit, metrics, pictures, search
from orchestrator.config import seed_of
from orchestrator.plan import Job
from orchestrator.provenance import Clock, provenance
from orchestrator.rows import COMPLETED, FAILED, JobRow, PictureRow, ScoreRow, TrialRow
from orchestrator.trial import Selection, build, data_facts, selection, training

WEIGHTS, CONFIG, RESUME = "weights.pt", "config.json", "resume.pt"


@dataclass(frozen=True)
class RefitTask:
    """All that the refit of one job needs, beside the images."""

    job: Job
    winner: TrialRow
    trials: int
    failed_trials: int
    seed: int


@dataclass(frozen=True)
class Refitted:
    """What a refit leaves: the job's row without its checkpoint's place, a score for each test image, some pictures."""

    row: JobRow
    scores: list[ScoreRow]
    pictures: list[PictureRow]


def refit_task(job: Job, rows: Sequence[TrialRow]) -> RefitTask | None:
    """None where no trial completed."""
    winner = search.best(rows)
    if winner is None:
        return None
    failed = sum(row.status == FAILED for row in rows)
    return RefitTask(job, winner, len(rows), failed, seed_of(job.config_hash, winner.index))


def refit(
    task: RefitTask,
    images: Images,
    device: torch.device,
    gpu_share: float,
    resume: bytes | None = None,
    rank: int = 0,
    world: int = 1,
    on_built=lambda detector: None,
) -> Generator[tuple[int, Detector], None, tuple[Refitted, Detector]]:
    """Trains the winner again and yields (epochs done, detector) after each; returns its measurement and the detector.

    `resume` is an earlier `resume_state`. With the trial's own seed and one worker, the weights are the trial's own (on
    CPU bit for bit).
    """
    job, epochs = task.job, task.winner.best_epoch
    clock = Clock(device, gpu_share)
    data = selection(images, job.protocol, job.seed, device)
    detector = build(job, json.loads(task.winner.params), task.seed, images, device)
    done = 0
    if resume is not None:
        saved = torch.load(io.BytesIO(resume), map_location=device, weights_only=True)
        detector.load_state_dict(saved["detector"])
        done = saved["epochs"]
    on_built(detector)
    passed, train_s = 0, 0.0
    loop = training(detector, data, job, task.seed, done=done, rank=rank, world=world)
    for epoch in itertools.islice(loop, epochs - done):
        passed, train_s = passed + epoch.images, train_s + epoch.train_s
        yield epoch.number, detector
    figures, scores, shown = measure(detector, job, images, data, device)
    row = JobRow(
        **provenance(job, {"params": dataclasses.asdict(detector.hparams), **data_facts(images, data)}),
        **clock.stop(),
        **figures,
        trials=task.trials,
        failed_trials=task.failed_trials,
        best_trial=task.winner.trial_id,
        epochs=epochs,
        steps=job.steps(epochs, len(data.train)),
        train_s=train_s,
        images_per_s=passed / train_s if train_s else None,
        status=COMPLETED,
    )
    return Refitted(row, scores, shown), detector


def measure(
    detector: Detector, job: Job, images: Images, data: Selection, device: torch.device
) -> tuple[dict[str, Any], list[ScoreRow], list[PictureRow]]:
    """The figures of a trained detector, its scores and pictures: the threshold from the validation part, everything
    else from the test part, looked at here only."""
    val_scores, _ = fit.score(detector, data.val)
    threshold = metrics.best_f1_threshold(data.val_labels, val_scores)
    test = data.split.test
    start = Clock(device, 0.0)
    scores, maps = fit.score(detector, fit.to_device(images.pixels[test], device))
    score_s = start.stop()["wall_s"]
    if not np.isfinite(scores).all():
        raise FloatingPointError("the scores of the test part are not finite")
    labels = images.labels[test]
    low, high = metrics.auroc_interval(labels, scores, seed_of("bootstrap", job.config_hash))
    masks = images.masks[test] if images.masks is not None else None
    figures = {
        "val_auc": metrics.auroc(data.val_labels, val_scores),
        "test_auc": metrics.auroc(labels, scores),
        "test_auc_low": low,
        "test_auc_high": high,
        **dataclasses.asdict(metrics.verdicts(labels, scores, threshold)),
        "threshold": threshold,
        "average_precision": metrics.average_precision(labels, scores),
        "pixel_auroc": None if masks is None else metrics.pixel_auroc(masks, maps),
        "au_pro": None if masks is None else metrics.au_pro(masks, maps),
        "test_images": len(test),
        "score_images_per_s": len(test) / score_s,
    }
    shown = pictures.rows(detector, job, images, test, scores, maps, threshold, device)
    return figures, _score_rows(job, images, test, scores), shown


def failed_row(job: Job, rows: Sequence[TrialRow], error: str) -> JobRow:
    """The row of a job without a result."""
    winner = search.best(rows)
    return JobRow(
        **provenance(job, {"params": json.loads(winner.params) if winner else {}}),
        trials=len(rows),
        failed_trials=sum(row.status == FAILED for row in rows),
        best_trial=winner.trial_id if winner else None,
        val_auc=winner.val_auc if winner else None,
        epochs=0,
        status=FAILED,
        error=error,
    )


def resume_state(detector: Detector, epochs: int) -> bytes:
    """Everything that `refit(resume=...)` needs to go on after `epochs`."""
    buffer = io.BytesIO()
    torch.save({"detector": detector.state_dict(), "epochs": epochs}, buffer)
    return buffer.getvalue()


def checkpoint_files(detector: Detector, row: JobRow, job: Job) -> dict[str, bytes]:
    """The deployable detector: network weights (for weights_only=True) and, as JSON, how to build and use it."""
    weights = io.BytesIO()
    torch.save({name: network.state_dict() for name, network in detector.networks().items()}, weights)
    config = {
        "model": job.model,
        "hparams": dataclasses.asdict(detector.hparams),
        "image_shape": list(detector.image_shape),
        "fit": job.fit,
        "threshold": row.threshold,
        **{
            name: getattr(row, name)
            for name in ("job_id", "dataset", "category", "seed", "protocol", "val_auc", "test_auc")
        },
        **{name: getattr(row, name) for name in ("data_hash", "split_hash", "git_commit", "torch_version")},
    }
    return {WEIGHTS: weights.getvalue(), CONFIG: (json.dumps(config, indent=2) + "\n").encode()}


def _score_rows(job: Job, images: Images, test: np.ndarray, scores: np.ndarray) -> list[ScoreRow]:
    identity = {
        "job_id": job.id,
        "dataset": job.category.dataset,
        "category": job.category.name,
        "model": job.model,
        "seed": job.seed,
    }
    return [
        ScoreRow(
            **identity,
            path=images.samples[i].path,
            label=images.samples[i].label,
            defect=images.samples[i].defect,
            score=float(value),
        )
        for i, value in zip(test, scores, strict=True)
    ]
