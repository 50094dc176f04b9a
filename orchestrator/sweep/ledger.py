"""What a run knows of its jobs: the rows that the output held when it began, and those that have come since."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from orchestrator.experiment import plan, race
from orchestrator.experiment.job import Decoding, Job
from orchestrator.experiment.race import Goal
from orchestrator.results import parts
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED, JobRow, TrialRow


def closed(jobs: Sequence[Job], output: Output) -> tuple[list[JobRow], dict[str, str]]:
    """The rows of those jobs that have ended and whose parts are there; and of the others by id, what is damaged."""
    rows = output.jobs(of={job.id for job in jobs})
    damaged = parts.damaged(output, rows)
    return [row for row in rows if row.job_id not in damaged], damaged


class Ledger:
    """The jobs of one run and their rows: none at first where the jobs begin anew. The end of a run is told by it."""

    def __init__(
        self,
        jobs: Sequence[Job],
        closing: Iterable[JobRow] = (),
        trials: Iterable[TrialRow] = (),
        damaged: Mapping[str, str] | None = None,
    ):
        self.jobs, self.damaged = list(jobs), dict(damaged or {})  # job id -> what of it has to be made again
        self.job_rows = {row.job_id: row for row in closing}
        self.rows: dict[str, dict[int, TrialRow]] = {job.id: {} for job in self.jobs}  # job id -> index -> row
        self._goals: dict[str, Goal] | None = None  # by job id, by the rows of now
        self._take(trials)
        self.todo = [job for job in self.jobs if not self.is_finished(job)]
        self.skipped = len(self.jobs) - len(self.todo)
        self.resumed_trials = sum(len(self.searched_rows(job)) for job in self.todo)
        self.closed: set[str] = set()  # ids of jobs of todo
        self.closed_elsewhere: set[str] = set()  # of these, by another sweep

    @classmethod
    def read(cls, jobs: Sequence[Job], output: Output) -> "Ledger":
        """What the output holds of the jobs; of trials, those that are looked at: of rivals, or of jobs to be done."""
        closing, damaged = closed(jobs, output)
        racing = any(job.experiment.race for job in jobs)
        looked_at = jobs if racing else cls(jobs, closing).todo
        return cls(jobs, closing, output.trials(of={job.id for job in looked_at}), damaged)

    def read_again(self, job: Job, output: Output) -> None:
        """Learns what another sweep has left of a job."""
        place = (job.category.dataset, job.category.name, job.model)
        rows = output.jobs(*place, of=[job.id])
        self.job_rows |= {row.job_id: row for row in rows if not parts.damaged(output, [row])}
        self.rows[job.id] = {}
        self._take(output.trials(*place, of=[job.id]))

    def leave_out(self, decodings: Collection[Decoding]) -> None:
        """The jobs on these images are none of this run."""
        self.jobs = [job for job in self.jobs if job.decoding not in decodings]
        self.todo = [job for job in self.todo if job.decoding not in decodings]
        self.rows = {job.id: self.rows[job.id] for job in self.jobs}
        self._goals = None
        self.resumed_trials = sum(len(self.searched_rows(job)) for job in self.todo)

    def _take(self, trials: Iterable[TrialRow]) -> None:
        self._goals = None
        for row in trials:
            if plan.counts(row, self.job_rows.get(row.job_id)):
                self.rows[row.job_id][row.index] = row

    def add(self, row: TrialRow) -> None:
        """A trial has left its row."""
        self.rows[row.job_id][row.index] = row
        self._goals = None

    def close(self, row: JobRow, elsewhere: bool = False) -> None:
        """A job has left its row, here or in another sweep."""
        self.job_rows[row.job_id] = row
        self._goals = None
        self.closed.add(row.job_id)
        if elsewhere:
            self.closed_elsewhere.add(row.job_id)

    def is_finished(self, job: Job) -> bool:
        """Whether the job's row is all that is asked for."""
        return plan.finished(self.goals()[job.id], self.job_rows.get(job.id))

    def goals(self) -> dict[str, Goal]:
        """How many trials each job gets, by job id, as the rows of now have it."""
        if self._goals is None:
            self._goals = race.goals(self.jobs, self.rows, plan.ended(self.job_rows.values()))
        return self._goals

    def searched_rows(self, job: Job) -> list[TrialRow]:
        """A job's trial rows in order, of those that this run asks for."""
        return [row for index, row in sorted(self.rows[job.id].items()) if index < job.trials]

    def trial_rows(self) -> list[TrialRow]:
        """Those of all jobs that were not finished."""
        return [row for job in self.todo for row in self.rows[job.id].values()]

    def is_over(self) -> bool:
        """Whether every job has its row."""
        return len(self.closed) == len(self.todo)

    def failed_jobs(self) -> list[JobRow]:
        """The rows of the jobs that ended without a result."""
        rows = [self.job_rows[job.id] for job in self.jobs if job.id in self.job_rows]
        return [row for row in rows if row.status != COMPLETED]
