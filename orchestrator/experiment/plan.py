"""Jobs and their rows -> what is left, and what to run next. Pure: no files, no cluster, no clock."""

import math
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
    goals = race.goals(jobs, done, ended(closing.values()))
    return [
        Left(job, 0, 0)
        if finished(goals[job.id], closing.get(job.id))
        else Left(job, goals[job.id].most - sum(index < goals[job.id].most for index in done[job.id]), 1)
        for job in jobs
    ]


def ended(rows: Iterable[JobRow]) -> dict[str, int]:
    """The trials of the jobs that have a result, by job id."""
    return {row.job_id: row.trials for row in rows if row.status == COMPLETED}


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
    """The next trial to start, of those that `goals` give; None if none is ready."""
    found = next_up(todo, rows, running, goals, parallel_trials)
    return trial_task(*found, rows.get(found[0].id, {}), parallel_trials) if found else None


def next_up(
    todo: Sequence[Job],
    rows: Mapping[str, Mapping[int, TrialRow]],
    running: Mapping[str, Collection[int]],
    goals: Mapping[str, Goal],
    parallel_trials: int,
) -> tuple[Job, int] | None:
    """Its job and index. Models that take no training first, so that there is soon something to look at; of these, as
    of the others, the job with the longest remaining work. In a race that order is of the presets; after them comes the
    job whose next trial is expected to raise the leader most in a second."""
    ready = []
    for order, job in enumerate(todo):
        done, busy = rows.get(job.id, {}), running.get(job.id, set())
        goal = goals[job.id]
        index = next((i for i in range(goal.now) if i not in done and i not in busy), None)
        if index is not None and search.visible(done, index, parallel_trials) is not None:
            remaining = (goal.now - len(done) - len(busy)) * job.trial_pixels()
            is_known = goal.gain < math.inf
            urgency = (is_known, -_gain_per_s(goal, done.values()) if is_known else 0.0, -remaining)
            ready.append((job.takes_steps, *urgency, order, job, index))
    return min(ready)[-2:] if ready else None


def _gain_per_s(goal: Goal, done: Collection[TrialRow]) -> float:
    """What a job's next trial is expected to add to the leader's validation AUROC, by the seconds of those before."""
    seconds = [row.wall_s for row in done if row.wall_s]
    return goal.gain / (sum(seconds) / len(seconds)) if seconds else goal.gain


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
