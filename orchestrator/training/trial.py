"""One trial: a task and its category's images -> epochs -> a Row. What goes wrong in it is in the row, not raised.

A trial that ran out of memory is trained again with half the batch, down to one image; later trials of its job begin
there. One that was cut short goes on from its saved state, and its row is then the same as if it had not been.
"""

import dataclasses
import functools
import gc
import json
from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from datasets.images import Images
from model.contract import Detector
from model.parts.remembered import remembering
from orchestrator.errors import describe
from orchestrator.experiment import search
from orchestrator.experiment.job import TrialTask
from orchestrator.results.rows import COMPLETED, FAILED, PRUNED, TrialRow
from orchestrator.results.storage import Storage
from orchestrator.training import detectors, fit
from orchestrator.training.measure import validate
from orchestrator.training.provenance import Clock, provenance
from orchestrator.training.record import Record, Resumed, resume
from orchestrator.training.saved_state import SavedState
from orchestrator.training.selection import Selection, Selections, data_facts


@dataclass(frozen=True)
class EpochEnd:
    """Where a trial stands after an epoch, counted from 1; the AUROC is None where its model cannot score yet."""

    epoch: int
    val_auc: float | None


def train(
    task: TrialTask, images: Images, selections: Selections, gpu_share: float, saved: SavedState | None = None
) -> Generator[EpochEnd, None, TrialRow]:
    """Trains one trial, yielding after each epoch; returns its row. A trial below a bar of its task stops itself.

    Closed before its end, it saves its state (where there is a place for it), and leaves no row.
    """
    trial = _Trial(task, Clock(selections.device, gpu_share), saved)
    status, error = COMPLETED, None
    try:
        status = yield from trial.train(images, selections)
    except Exception as exception:  # a failing trial is a row; the sweep goes on
        status, error = FAILED, describe(exception)
    return trial.row(status, error)


def saved_state(storage: Storage, task: TrialTask, every_s: float) -> SavedState:
    """Where the state of this trial is kept while it is under way."""
    identity = {"params": dict(task.params), "seed": task.seed, "torch": str(torch.__version__)}
    return SavedState(storage, task.job.trial_id(task.index), identity, every_s)


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


def is_out_of_memory(exception: Exception) -> bool:
    """On a GPU, or in torch's allocator on CPU."""
    return isinstance(exception, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(exception)


class _Trial:
    """A trial under way, and what it has learnt so far: whenever it ends, that is its row."""

    def __init__(self, task: TrialTask, clock: Clock, saved: SavedState | None):
        self.task, self.clock, self.saved = task, clock, saved
        asked = task.job.experiment.batch
        note = f"batch {task.batch}, as earlier trials were out of memory with {asked}" if task.batch < asked else None
        self.record, self.resumed = resume(saved, clock.device, Record(task.batch, note=note))
        clock.goes_on_after(self.record.wall_s)
        self.params: dict[str, Any] = dict(task.params)  # those asked for; from the detector on, all of them
        self.facts: dict[str, Any] = {}  # which images

    def train(self, images: Images, selections: Selections) -> Generator[EpochEnd, None, str]:
        """Trains to the end, if need be with half the batch, and half of that; returns the status."""
        data = selections.of(self.task.job, images)
        self.facts = data_facts(images, data)
        while True:
            try:
                with nullcontext() if self.task.job.takes_steps else remembering():
                    return (yield from self._epochs(data))
            except Exception as exception:
                if self.record.batch == 1 or not is_out_of_memory(exception):
                    raise
            asked, half = self.task.job.experiment.batch, self.record.batch // 2
            self.record = Record(half, note=f"out of memory with batch {asked}: trained with {half}")
            self.resumed = Resumed()
            gc.collect()  # the detector that did not fit
            torch.cuda.empty_cache()

    def row(self, status: str, error: str | None) -> TrialRow:
        """What the trial came to."""
        task, record = self.task, self.record
        best = search.best_so_far(record.curve)
        return TrialRow(
            **provenance(task.job, {"params": self.params, **self.facts, "batch": record.batch}),
            **self.clock.stop(),
            **record.throughput(),
            trial_id=task.job.trial_id(task.index),
            index=task.index,
            preset=task.preset,
            val_auc=best,
            best_epoch=None if best is None else record.curve.index(best) + 1,
            last_val_auc=record.curve[-1] if record.curve else None,
            curve=record.curve,
            val_scores=record.val_scores or None,
            losses=json.dumps(record.losses),
            epochs=record.epochs,
            status=status,
            error=error,
        )

    def _epochs(self, data: Selection) -> Generator[EpochEnd, None, str]:
        """Trains from the state, or from the start."""
        task, job, record = self.task, self.task.job, self.record
        detector = detectors.of_job(job, dict(task.params), data, task.seed)
        self.params = dataclasses.asdict(detector.hparams)
        if self.resumed.detector is not None:
            detector.load_state_dict(self.resumed.detector)
        state_now = functools.partial(record.state, detector, self.clock)

        def on_step(within: fit.Within) -> None:
            if self.saved:
                self.saved.offer(functools.partial(state_now, within))

        where = {"done": record.epochs, "within": self.resumed.within, "on_step": on_step}
        for epoch in fit.of_job(job, detector, data, record.batch, task.seed, **where):
            is_ready = detector.is_ready(epoch.number / job.epochs)
            record.add(epoch)
            self._validate(detector, data, is_ready)
            if self._is_below_its_bar():
                return PRUNED
            if self.saved:
                self.saved.offer(state_now)
            try:
                yield EpochEnd(record.epochs, record.curve[-1])
            except GeneratorExit:
                if self.saved:
                    self.saved.save(state_now)
                raise
        return COMPLETED

    def _validate(self, detector: Detector, data: Selection, is_ready: bool) -> None:
        """Adds to the curve; cross-fitting chooses among all epochs by their scores, so there they are kept."""
        value, scores = validate(detector, data) if is_ready else (None, np.full(len(data.val), np.nan))
        self.record.curve.append(value)
        if len(data.split.fold):
            self.record.val_scores += scores.tolist()

    def _is_below_its_bar(self) -> bool:
        best = search.best_so_far(self.record.curve)
        return best is not None and best < dict(self.task.bars).get(self.record.epochs, -1.0)
