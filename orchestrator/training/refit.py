"""The refit: a job's best trial trained again, up to its best epoch, and measured once on the test part.

A refit that was cut short goes on from its saved state, as a trial does.
"""

import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from datasets.images import Images
from model.contract import Detector
from orchestrator.experiment import search
from orchestrator.experiment.job import Job
from orchestrator.hashes import seed_of
from orchestrator.metrics import image, intervals, pixel
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED, FAILED, JobRow, PictureRow, ScoreRow, TrialRow
from orchestrator.results.storage import Storage
from orchestrator.training import checkpoint, kept_pictures, scoring
from orchestrator.training.provenance import Clock, provenance
from orchestrator.training.saved_state import SavedState
from orchestrator.training.trial import Record, Selection, build, data_facts, selection, training


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
    """What a refit leaves: the job's row, a score for each test image, some pictures. The row names the checkpoint once
    that is `kept`."""

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
    saved: SavedState | None = None,
    rank: int = 0,
    world: int = 1,
    on_built: Callable[[Detector], object] = lambda detector: None,
    on_epoch: Callable[[Detector], object] = lambda detector: None,
) -> tuple[Refitted, dict[str, bytes]]:
    """Trains the winner again, to its best epoch; returns its measurement and the files of its checkpoint.

    Of `world` data-parallel processes, each calls this with its own `rank`; all go on from rank 0's state. With one
    worker, the weights are the trial's own (on CPU bit for bit).
    """
    job, winner, epochs = task.job, task.winner, task.winner.best_epoch
    clock = Clock(device, gpu_share)
    data = selection(images, job.experiment.protocol, job.seed, device)
    detector = build(job, json.loads(winner.params), task.seed, images, device)
    state = saved.load(device) if saved else None
    record = Record(**state["record"]) if state else Record(winner.batch, note=winner.note)
    if state is not None:
        detector.load_state_dict(state["detector"])
        clock.goes_on_after(record.wall_s)
    on_built(detector)
    left = epochs - record.epochs
    done = {"done": record.epochs, "rank": rank, "world": world}
    for epoch in itertools.islice(training(detector, data, job, record.batch, task.seed, **done), left):
        record.add(epoch)
        on_epoch(detector)
        if saved and rank == 0:
            saved.offer(functools.partial(record.state, detector, clock))
    figures, scores, shown, map_range = measure(detector, job, images, data, device)
    facts = {"params": dataclasses.asdict(detector.hparams), "batch": record.batch, **data_facts(images, data)}
    row = JobRow(
        **provenance(job, facts),
        **clock.stop(),
        **record.throughput(),
        **figures,
        trials=task.trials,
        failed_trials=task.failed_trials,
        best_trial=winner.trial_id,
        epochs=epochs,
        status=COMPLETED,
    )
    return Refitted(row, scores, shown), checkpoint.files(detector, row, job, *map_range)


def kept(output: Output, refitted: Refitted, checkpoint_files: dict[str, bytes]) -> Refitted:
    """Keeps the files of a refit's checkpoint; its row then names their place."""
    place = output.write_checkpoint(refitted.row.job_id, checkpoint_files)
    return dataclasses.replace(refitted, row=dataclasses.replace(refitted.row, checkpoint=place))


def refit_id(job_id: str) -> str:
    """What a job's refit is called, as its trials are by their ids."""
    return f"{job_id}-refit"


def saved_state(storage: Storage, task: RefitTask, every_s: float) -> SavedState:
    """Where the state of this refit is kept while it is under way."""
    identity = {"winner": task.winner.trial_id, "params": task.winner.params, "workers": task.job.workers}
    return SavedState(storage, refit_id(task.job.id), {**identity, "torch": str(torch.__version__)}, every_s)


def measure(
    detector: Detector, job: Job, images: Images, data: Selection, device: torch.device
) -> tuple[dict[str, Any], list[ScoreRow], list[PictureRow], tuple[float, float]]:
    """The figures of a trained detector, its scores and pictures, and the range of its maps: the threshold and the
    range from the validation part, everything else from the test part, looked at here only."""
    val_scores, val_maps = scoring.score(detector, data.val)
    map_range = float(val_maps.min()), float(np.quantile(val_maps, 1 - kept_pictures.SATURATED_SHARE))
    threshold = image.best_f1_threshold(data.val_labels, val_scores)
    test = data.split.test
    start = Clock(device, 0.0)
    scores, maps = scoring.score(detector, scoring.to_device(images.pixels[test], device))
    score_s = start.stop()["wall_s"]
    if not np.isfinite(scores).all():
        raise FloatingPointError("the scores of the test part are not finite")
    labels = images.labels[test]
    low, high = intervals.auroc_interval(labels, scores, seed_of("bootstrap", job.config_hash))
    masks = images.masks[test] if images.masks is not None else None
    figures = {
        "val_auc": image.auroc(data.val_labels, val_scores),
        "test_auc": image.auroc(labels, scores),
        "test_auc_low": low,
        "test_auc_high": high,
        **dataclasses.asdict(image.verdicts(labels, scores, threshold)),
        "threshold": threshold,
        "average_precision": image.average_precision(labels, scores),
        "pixel_auroc": None if masks is None else pixel.pixel_auroc(masks, maps),
        "au_pro": None if masks is None else pixel.au_pro(masks, maps),
        "test_images": len(test),
        "score_images_per_s": len(test) / score_s,
    }
    shown = kept_pictures.rows(detector, job, images, test, scores, maps, threshold, device)
    return figures, _score_rows(job, images, test, scores), shown, map_range


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
