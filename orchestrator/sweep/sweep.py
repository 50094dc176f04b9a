"""A sweep in progress: what its ledger of rows says is next, and each new row on disk first.

Both backends drive it the same way: ask for trials until there are none, record each row; a job whose search is over is
refitted, and its row closes it. Nothing here is state that the rows do not hold, so a sweep that is killed and built
again goes on where it stood. A job is claimed before its first trial, and the claim is looked at before each row: a
job that was lost by sleeping is claimed anew, and its rows read again. One that another sweep holds is waited for, and
taken over if that sweep dies.
"""

import logging
import math
import time

from orchestrator.estimate import time_left
from orchestrator.estimate.schedule import Place
from orchestrator.estimate.time_left import UnderWay
from orchestrator.experiment import plan, search
from orchestrator.experiment.job import Job, TrialTask
from orchestrator.experiment.race import Goal
from orchestrator.results import compaction
from orchestrator.results.output import Output, state_file
from orchestrator.results.rows import JobRow, TrialRow
from orchestrator.sweep.claims import BEAT_S, Claims
from orchestrator.sweep.ledger import Ledger
from orchestrator.training import refit
from orchestrator.training.refit import RefitTask, Refitted

log = logging.getLogger("defectsweep")


class Listener:
    """Who wants to know what happens in a sweep, and overrides what it wants to hear. Called in the driver's main
    thread, when what happened is on disk."""

    def progressed(self, task: TrialTask, epoch: int, val_auc: float | None) -> None:
        """A trial has ended an epoch, counted from 1."""

    def recorded(self, row: TrialRow) -> None:
        """A trial has left its row."""

    def closed(self, row: JobRow) -> None:
        """A job has left its row."""

    def changed(self) -> None:
        """Anything but an epoch has ended or begun, or it is time for another look."""


class Sweep:
    """The work of one run. Not thread-safe: only the driver's main thread may call it."""

    def __init__(self, ledger: Ledger, output: Output, claims: Claims, place: Place, deadline: float = math.inf):
        """`deadline` is of time.monotonic."""
        self.ledger, self.output, self.claims = ledger, output, claims
        self.place, self.deadline, self.is_out_of_time = place, deadline, False
        self.listeners: list[Listener] = []
        self.running: dict[str, dict[int, UnderWay]] = {job.id: {} for job in ledger.todo}
        self.refitting: dict[str, float] = {}  # job id -> when its refit began, in time.monotonic
        self.elsewhere: dict[str, str] = {}  # job id -> the sweep that holds it
        self.looked_at = time.monotonic()

    # -- the search

    def next_trial(self) -> TrialTask | None:
        """The next trial to start; None if there is none now."""
        self._look_elsewhere()
        while not self.out_of_time():
            task = plan.next_trial(
                self._open(), self.ledger.rows, self.running, self.goals(), self.place.parallel_trials
            )
            if task is None:
                return None
            if self.claims.holds(task.job.id):
                self.running[task.job.id][task.index] = UnderWay(time.monotonic())
                log.info("trial %s starts", task.job.trial_id(task.index))
                self.on_change()
                return task
            self._claim(task.job)
        return None

    def progressed(self, task: TrialTask, epoch: int, val_auc: float | None) -> None:
        """A trial under way has ended an epoch."""
        running = self.running[task.job.id]
        running[task.index] = running[task.index].after(epoch, val_auc, time.monotonic())
        for listener in self.listeners:
            listener.progressed(task, epoch, val_auc)

    def record(self, task: TrialTask, row: TrialRow) -> None:
        """A trial has ended: its row is on disk before anyone is told. There is none where its job has gone to another
        sweep, or that one has left it already."""
        if not self._holds(task.job) or task.index in self.ledger.rows[task.job.id]:
            return self.abandon(task)
        self.output.write_trial(row)
        self.output.delete(*state_file(row.trial_id))
        self.ledger.add(row)
        self.running[task.job.id].pop(task.index, None)
        log.info("trial %s ends: %s", row.trial_id, row.error or row.status)
        for listener in self.listeners:
            listener.recorded(row)
        self.on_change()

    def abandon(self, task: TrialTask) -> None:
        """A trial has ended without a row, by the clock, by its worker's death, or as its job is another sweep's now:
        it will be started again, in this run or in a later one, from its saved state."""
        self.running[task.job.id].pop(task.index, None)
        if task.job.id in self.ledger.closed:
            self.output.delete(*state_file(task.job.trial_id(task.index)))
        log.info("trial %s ends without a row", task.job.trial_id(task.index))

    def is_to_end(self, task: TrialTask) -> bool:
        """Whether a trial under way is to end without a row: the time is up, or its job has gone to another sweep."""
        return self.out_of_time() or not (task.job.id in self.claims.mine or self._holds(task.job))

    def all_handed_out(self) -> bool:
        """Whether no trial will be started unless another sweep goes on with its jobs or lets one go."""
        goals, open_jobs = self.goals(), self._open()
        missing = [job for job in open_jobs if self._done(job) < goals[job.id].now]
        is_startable = any(self._done(job) + len(self.running[job.id]) < goals[job.id].now for job in missing)
        may_rise = bool(missing) and not all(goals[job.id].is_final for job in open_jobs)
        return self.out_of_time() or not (is_startable or may_rise)

    def goals(self) -> dict[str, Goal]:
        """How many trials each job gets, by job id."""
        return self.ledger.goals()

    def _done(self, job: Job) -> int:
        goal = self.goals()[job.id]
        return sum(index < goal.now for index in self.ledger.rows[job.id])

    def out_of_time(self) -> bool:
        """Whether what time is left is needed for the refits of what was found; trials under way end after an epoch, so
        the longest of theirs is needed too. Once true, it stays so."""
        if self.deadline < math.inf and not self.is_out_of_time:
            winners = [search.best(self.ledger.searched_rows(job)) for job in self._open()]
            refits_s = time_left.refits_s([row for row in winners if row is not None], self.place)
            running = [one for trials in self.running.values() for one in trials.values()]
            epoch_s = max((one.epoch_s or 0.0 for one in running), default=0.0)
            self.is_out_of_time = time.monotonic() + epoch_s + refits_s > self.deadline
        return self.is_out_of_time

    # -- the refits

    def next_refit(self) -> tuple[Job, RefitTask | None] | None:
        """A job whose search is over and whose refit has not begun; its task is None if no trial completed. None: no
        such job now."""
        self._look_elsewhere()
        for job in self._open():
            if job.id in self.refitting or self.running[job.id] or not self._is_searched(job):
                continue
            if not self.claims.holds(job.id) and not (self._claim(job) and self._is_searched(job)):
                continue
            self.refitting[job.id] = time.monotonic()
            log.info("refit of %s starts", job.id)
            self.on_change()
            return job, refit.refit_task(job, self.ledger.searched_rows(job), self.goals()[job.id].why)
        return None

    def close(self, result: Refitted) -> None:
        """Records a finished job, unless it has gone to another sweep: nothing of it is written then."""
        if self._may_close(result.row.job_id):
            refit.keep(self.output, result)
            self._close(result.row)

    def fail(self, job: Job, error: str | None = None) -> None:
        """Records a job without a result: its refit failed with `error`, or all of its trials did."""
        if self._may_close(job.id):
            rows = self.ledger.searched_rows(job)
            first = next((row.error for row in rows if row.error), None)
            row = refit.failed_row(job, rows, error or f"all {len(rows)} trials failed, the first with {first}")
            self.output.write_job(row)
            self._close(row)

    def _may_close(self, job_id: str) -> bool:
        """Whether a refit that has ended is to leave its rows: its job may have gone to another sweep."""
        job = next(job for job in self.ledger.todo if job.id == job_id)
        holds = self._holds(job)
        if not holds:
            del self.refitting[job_id]
            if job_id in self.ledger.closed:
                self.output.delete(*state_file(refit.refit_id(job_id)))
            log.info("refit of %s ends without a row", job_id)
        return holds

    def _close(self, row: JobRow) -> None:
        self.output.delete(*state_file(refit.refit_id(row.job_id)))
        rows = self.ledger.rows[row.job_id].values()
        compaction.merge_job(self.output, row.dataset, row.category, row.model, row.job_id, rows)
        self.ledger.close(row)
        self.claims.drop(row.job_id)
        log.info("job %s ends: %s", row.job_id, row.error or row.status)
        self._tell_closed(row)

    def _tell_closed(self, row: JobRow) -> None:
        for listener in self.listeners:
            listener.closed(row)
        self.on_change()

    # -- other sweeps on the same output

    def waits_for_others(self) -> bool:
        """Whether a job is left that another sweep holds."""
        return bool(self.elsewhere) and not self.out_of_time()

    def _holds(self, job: Job) -> bool:
        """Whether a job is this sweep's still, or again: one that it has lost by sleeping is claimed anew where it is
        free."""
        if self.claims.holds(job.id):
            return True
        return job.id not in self.elsewhere and job.id not in self.ledger.closed and self._claim(job)

    def _claim(self, job: Job) -> bool:
        """Claims a job and reads its rows again: another sweep may have trained some, or have finished it. False where
        there is nothing left to do, or another one holds it."""
        if not self.claims.take(job.id):
            self.elsewhere[job.id] = self.claims.holder(job.id)
            log.info("job %s is with %s", job.id, self.elsewhere[job.id])
            self.on_change()
            return False
        self.ledger.read_again(job, self.output)
        if self.ledger.is_finished(job):
            row = self.ledger.job_rows[job.id]
            self.ledger.close(row, elsewhere=True)
            self.claims.drop(job.id)
            self._tell_closed(row)
            return False
        return True

    def _look_elsewhere(self) -> None:
        """From time to time: which jobs others have let go, and which of this sweep's have turned out to be theirs."""
        if time.monotonic() - self.looked_at < BEAT_S:
            return
        self.looked_at = time.monotonic()
        for job in self._open():
            if self.running[job.id] and job.id in self.claims.others and job.id not in self.claims.mine:
                self.elsewhere[job.id] = self.claims.holder(job.id)
        for job_id in self.elsewhere.keys() - self.claims.others.keys():
            del self.elsewhere[job_id]
        for job in self.ledger.todo:
            if job.experiment.race and job.id in self.elsewhere:  # it may hold up its rivals here
                self.ledger.read_again(job, self.output)

    # -- what there is

    def on_change(self) -> None:
        """Tells who listens that something has changed, or that it is time for another look."""
        for listener in self.listeners:
            listener.changed()

    def _open(self) -> list[Job]:
        """The jobs that this sweep may work on."""
        return [job for job in self.ledger.todo if job.id not in self.ledger.closed and job.id not in self.elsewhere]

    def _is_searched(self, job: Job) -> bool:
        goal = self.goals()[job.id]
        is_over = goal.is_final and self._done(job) == goal.now
        return is_over or (self.out_of_time() and bool(self.ledger.searched_rows(job)))
