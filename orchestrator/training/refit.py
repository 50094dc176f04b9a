"""The refit: a job's best trial trained again, up to its best epoch, and measured once on the test part.

A refit that was cut short goes on from its saved state, as a trial does.
"""

import dataclasses
import functools
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from datasets.images import Images
from orchestrator.experiment import search
from orchestrator.experiment.job import Job
from orchestrator.hashes import seed_of
from orchestrator.results.output import Output, checkpoint_folder
from orchestrator.results.rows import COMPLETED, FAILED, JobRow, PictureRow, ScoreRow, TrialRow
from orchestrator.results.storage import Storage
from orchestrator.training import checkpoint, detectors, fit
from orchestrator.training.data_parallel import ALONE, Alone, take_buffers
from orchestrator.training.measure import measure
from orchestrator.training.provenance import Clock, provenance
from orchestrator.training.record import Record, resume, worker_state
from orchestrator.training.saved_state import SavedState
from orchestrator.training.selection import Selections, data_facts
from orchestrator.words import count


@dataclass(frozen=True)
class RefitTask:
    """All that the refit of one job needs, beside the images."""

    job: Job
    winner: TrialRow
    trials: int
    failed_trials: int
    stopped: str | None  # why it got fewer trials than asked for
    seed: int
    considered: tuple[TrialRow, ...] = ()  # the completed trials whose epochs cross-fitting chooses among


@dataclass(frozen=True)
class Refitted:
    """What a refit leaves: the job's row, a score for each test image, some pictures, and, `with_checkpoint`, the files
    of its detector by their names."""

    row: JobRow
    scores: list[ScoreRow]
    pictures: list[PictureRow]
    checkpoint_files: dict[str, bytes] = field(default_factory=dict)


def refit_task(job: Job, rows: Sequence[TrialRow], stopped: str | None = None) -> RefitTask | None:
    """None where no trial completed."""
    winner = search.best(rows)
    if winner is None:
        return None
    failed = sum(row.status == FAILED for row in rows)
    considered = [row for row in rows if row.status == COMPLETED] if job.experiment.protocol == "crossfit" else []
    return RefitTask(job, winner, len(rows), failed, stopped, seed_of(job.config_hash, winner.index), tuple(considered))


def refit(
    task: RefitTask,
    images: Images,
    selections: Selections,
    gpu_share: float,
    saved: SavedState | None = None,
    together: Alone = ALONE,
) -> tuple[Refitted, dict[str, bytes]]:
    """Trains the winner again, to its best epoch; returns its measurement and the files of its checkpoint.

    Of several data-parallel workers, each calls this, and the files are those of rank 0. Of one, the weights are the
    trial's own (on CPU bit for bit).
    """
    job, winner = task.job, task.winner
    clock = Clock(selections.device, gpu_share)
    data = selections.of(job, images)
    detector = detectors.of_job(job, json.loads(winner.params), data, task.seed)
    record, resumed = resume(saved, selections.device, Record(winner.batch, note=winner.note), together.rank)
    clock.goes_on_after(record.wall_s)
    if resumed.detector is not None:
        detector.load_state_dict(resumed.detector)
    together.begin(detector)
    if resumed.buffers is not None:
        take_buffers(detector, resumed.buffers)

    def on_step(within: fit.Within) -> None:
        if saved and together.agree(saved.is_due()):
            others = together.others(worker_state(detector, within))
            if together.rank == 0:
                saved.save(functools.partial(record.state, detector, clock, within, others))

    where = {"done": record.epochs, "within": resumed.within, "on_step": on_step}
    ranks = {"rank": together.rank, "world": together.world}
    epochs = fit.of_job(job, detector, data, record.batch, task.seed, **where, **ranks)
    for epoch in itertools.islice(epochs, winner.best_epoch - record.epochs):
        record.add(epoch)
        together.end_epoch(detector)
        if saved and together.rank == 0:
            saved.offer(functools.partial(record.state, detector, clock))
    measured = measure(detector, job, images, data, task.considered)
    facts = {"params": dataclasses.asdict(detector.hparams), "batch": record.batch, **data_facts(images, data)}
    row = _row(task, facts, {**clock.stop(), **record.throughput(), **measured.figures})
    files = checkpoint.files(detector, row, measured)
    return Refitted(row, measured.scores, measured.pictures), files


def with_checkpoint(refitted: Refitted, checkpoint_files: dict[str, bytes]) -> Refitted:
    """The same with the files of its checkpoint, whose place its row then names. Whether they are to lie there is for
    those to say who know whether the job is still theirs: they `keep` it."""
    place, size = "/".join(checkpoint_folder(refitted.row.job_id)), sum(map(len, checkpoint_files.values()))
    row = dataclasses.replace(refitted.row, checkpoint=place, checkpoint_bytes=size)
    return dataclasses.replace(refitted, row=row, checkpoint_files=checkpoint_files)


def keep(output: Output, refitted: Refitted) -> None:
    """Writes all that a refit leaves, the job's row last: it says that all else is there."""
    output.write_checkpoint(refitted.row.job_id, refitted.checkpoint_files)
    output.write_scores(refitted.row, refitted.scores)
    output.write_pictures(refitted.row, refitted.pictures)
    output.write_job(refitted.row)


def refit_id(job_id: str) -> str:
    """What a job's refit is called, as its trials are by their ids."""
    return f"{job_id}-refit"


def saved_state(storage: Storage, task: RefitTask, every_s: float) -> SavedState:
    """Where the state of this refit is kept while it is under way."""
    trained = {name: getattr(task.winner, name) for name in ("trial_id", "params", "batch", "best_epoch")}
    identity = {**trained, "workers": task.job.workers}
    return SavedState(storage, refit_id(task.job.id), {**identity, "torch": str(torch.__version__)}, every_s)


def _row(task: RefitTask, facts: dict[str, Any], measured: dict[str, Any]) -> JobRow:
    return JobRow(
        **provenance(task.job, facts),
        **measured | {"note": _note(task.job, measured["note"])},
        trials=task.trials,
        failed_trials=task.failed_trials,
        stopped=task.stopped,
        best_trial=task.winner.trial_id,
        epochs=task.winner.best_epoch,
        status=COMPLETED,
    )


def _note(job: Job, trained: str | None) -> str | None:
    """What is noted of the training, and that there was no more to search."""
    is_small = job.space and job.trials < job.experiment.trials
    points = f"its search space has {count(job.trials, 'point')}, and got no more trials" if is_small else None
    return "; ".join(filter(None, (trained, points))) or None


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
