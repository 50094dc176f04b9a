"""Jobs and their rows -> what is left, and what to run next. Pure: no files, no cluster, no clock."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.experiment import race, search
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Job, TrialTask
from orchestrator.experiment.race import Goal
from orchestrator.hashes import seed_of
from orchestrator.results.rows import COMPLETED, FAILED, JobRow, TrialRow


@dataclass(frozen=True)
class Left:
    """What is still to be done of one job."""

    job: Job
    trials: int
    refits: int  # 0 or 1

    def steps(self) -> int:
        """Optimisation steps, at most."""
        return (self.trials + self.refits) * self.job.trial_steps()

    def images(self) -> int:
        """Passed through the model by training, repeats included."""
        return round((self.trials + self.refits) * self.job.trial_cost())


def left(jobs: Sequence[Job], closing: Mapping[str, JobRow], rows: Collection[TrialRow]) -> list[Left]:
    """Of every job, finished ones too. `closing` are the rows of jobs that have ended, by job id; `rows` those of
    trials."""
    done = {job.id: {} for job in jobs}
    for row in rows:
        if row.job_id in done and counts(row, closing.get(row.job_id)):
            done[row.job_id][row.index] = row
    goals = race.goals(jobs, done, ended(closing.values()), jobs[0].experiment.parallel_trials or 1) if jobs else {}
    return [
        Left(job, 0, 0)
        if finished(goals[job.id], closing.get(job.id))
        else Left(job, goals[job.id].most - sum(index < goals[job.id].most for index in done[job.id]), 1)
        for job in jobs
    ]


def ended(rows: Iterable[JobRow]) -> set[str]:
    """The ids of the jobs that have a result."""
    return {row.job_id for row in rows if row.status == COMPLETED}


def counts(row: TrialRow, closing: JobRow | None) -> bool:
    """Whether a trial is done: a failed one of a failed job is tried again."""
    return row.status != FAILED or closing is None or closing.status != FAILED


def parallel_trials(experiment: Experiment, job_count: int, slots: int) -> int:
    """Trials of one job at a time: as asked, else as few as keep every slot busy."""
    return experiment.parallel_trials or max(1, -(-slots // max(1, job_count)))


def next_trial(
    todo: Sequence[Job],
    rows: Mapping[str, Mapping[int, TrialRow]],
    running: Mapping[str, Collection[int]],
    goals: Mapping[str, Goal],
    parallel_trials: int,
) -> TrialTask | None:
    """The next trial to start, of those that `goals` give; None if none is ready. Models that take no training first,
    so that there is soon something to look at; then the job with the longest remaining work."""
    ready = []
    for order, job in enumerate(todo):
        done, busy = rows.get(job.id, {}), running.get(job.id, set())
        trials = goals[job.id].now
        index = next((i for i in range(trials) if i not in done and i not in busy), None)
        if index is not None and search.visible(done, index, parallel_trials) is not None:
            remaining = (trials - len(done) - len(busy)) * job.trial_pixels()
            ready.append((job.takes_steps, -remaining, order, job, index))
    if not ready:
        return None
    *_, job, index = min(ready)
    return trial_task(job, index, rows.get(job.id, {}), parallel_trials)


def trial_task(job: Job, index: int, done: Mapping[int, TrialRow], parallel_trials: int) -> TrialTask:
    """Trial `index` of `job`: a pure function of the rows that it may see."""
    seen = search.visible(done, index, parallel_trials)
    asked = job.experiment
    preset, params = search.suggest(job.space, job.presets, seen, index, seed_of(job.config_hash), asked.sampler)
    bars = search.bars(seen, job.epochs, preset is not None, asked.scheduler)
    chosen = {**params, **dict(job.fixed)}
    batch = min([asked.batch, *(row.batch for row in seen)])
    seed = seed_of(job.config_hash, index)
    return TrialTask(job, index, preset, tuple(chosen.items()), tuple(bars.items()), seed, batch)


def finished(goal: Goal, row: JobRow | None) -> bool:
    """Whether a job's row is all that is asked for: a failed job, or one of fewer trials, is taken up again."""
    return row is not None and row.status == COMPLETED and row.trials >= goal.most
