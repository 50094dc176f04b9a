"""A sweep in progress: the rows so far in memory, each new one on disk first, and what follows from them.

Both backends drive it the same way: ask for trials until there are none, record each row; a job whose search is over is
refitted, and its row closes it. Nothing here is state that the rows do not hold, so a sweep that is killed and built
again goes on where it stood.
"""

import time
from collections.abc import Callable, Sequence

from orchestrator import plan, refit
from orchestrator.plan import Job, TrialTask
from orchestrator.refit import RefitTask, Refitted
from orchestrator.results import Output
from orchestrator.rows import COMPLETED, FAILED, JobRow, TrialRow


class Sweep:
    """The jobs of one run and their rows. Not thread-safe: only the driver's main thread may call it."""

    def __init__(self, jobs: Sequence[Job], output: Output, fresh: bool = False):
        self.jobs, self.output, self.fresh = list(jobs), output, fresh
        self.on_change: Callable[[], None] = lambda: None
        self.parallel_trials = 1  # trials of one job at a time
        self.deadline = float("inf")
        known = set() if fresh else {job.id for job in jobs}
        self.job_rows: dict[str, JobRow] = {row.job_id: row for row in output.jobs() if row.job_id in known}
        self.todo = [job for job in jobs if not plan.finished(job, self.job_rows.get(job.id))]
        self.skipped = len(self.jobs) - len(self.todo)
        self.rows: dict[str, dict[int, TrialRow]] = {job.id: {} for job in self.todo}
        self.running: dict[str, set[int]] = {job.id: set() for job in self.todo}
        failed_jobs = {row.job_id for row in self.job_rows.values() if row.status == FAILED}
        for row in output.trials():
            if row.job_id in known & self.rows.keys() and not (row.status == FAILED and row.job_id in failed_jobs):
                self.rows[row.job_id][row.index] = row
        self.resumed_trials = sum(len(self.searched_rows(job)) for job in self.todo)
        self.closed: set[str] = set()
        self.refitting: set[str] = set()

    def begin(self, parallel_trials: int, time_budget_s: float) -> None:
        """The data is sound and the backend there: from here on the output changes."""
        self.parallel_trials, self.deadline = parallel_trials, time.monotonic() + time_budget_s
        for job in self.jobs if self.fresh else ():
            self.output.delete_job(job.category.dataset, job.category.name, job.model, job.id)

    # -- the search

    def next_trial(self) -> TrialTask | None:
        """The next trial to start; None if there is none now."""
        if self.out_of_time():
            return None
        task = plan.next_trial(self.todo, self.rows, self.running, self.parallel_trials)
        if task is not None:
            self.running[task.job.id].add(task.index)
            self.on_change()
        return task

    def record(self, task: TrialTask, row: TrialRow) -> None:
        self.output.write_trial(row)
        self.rows[task.job.id][task.index] = row
        self.running[task.job.id].discard(task.index)
        self.on_change()

    def all_handed_out(self) -> bool:
        """Whether no trial will ever be started again."""
        return self.out_of_time() or all(
            len(self.searched_rows(job)) + len(self.running[job.id]) >= job.trials for job in self.todo
        )

    def out_of_time(self) -> bool:
        return time.monotonic() > self.deadline

    # -- the refits

    def next_refit(self) -> tuple[Job, RefitTask | None] | None:
        """A job whose search is over and whose refit has not begun; its task is None if no trial completed. None: no
        such job now."""
        for job in self.todo:
            if job.id in self.refitting or self.running[job.id]:
                continue
            rows = self.searched_rows(job)
            if len(rows) == job.trials or (self.out_of_time() and rows):
                self.refitting.add(job.id)
                self.on_change()
                return job, refit.refit_task(job, rows)
        return None

    def close(self, result: Refitted) -> None:
        """Records a finished job. Its scores and pictures go first: a job's row says that all else is there."""
        self.output.write_scores(result.row, result.scores)
        self.output.write_pictures(result.row, result.pictures)
        self._close(result.row)

    def fail(self, job: Job, error: str | None = None) -> None:
        rows = self.searched_rows(job)
        first = next((row.error for row in rows if row.error), None)
        self._close(refit.failed_row(job, rows, error or f"all {len(rows)} trials failed, the first with {first}"))

    def _close(self, row: JobRow) -> None:
        self.output.write_job(row)
        self.job_rows[row.job_id] = row
        self.closed.add(row.job_id)
        self.on_change()

    # -- what there is

    def searched_rows(self, job: Job) -> list[TrialRow]:
        """A job's trial rows in order, of those that this run asks for."""
        return [row for index, row in sorted(self.rows[job.id].items()) if index < job.trials]

    def is_over(self) -> bool:
        return len(self.closed) == len(self.todo)

    def failed_jobs(self) -> list[JobRow]:
        return [
            self.job_rows[job.id]
            for job in self.jobs
            if job.id in self.job_rows and self.job_rows[job.id].status != COMPLETED
        ]
