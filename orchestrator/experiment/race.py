"""The race: how many trials each job of a category gets. Pure.

All jobs of one category and seed choose on the same images, so they race. Each tries its presets; when all have, a
trained model whose best validation AUROC has a 95 % interval that the leader's lies above gets no more trials. No
trained one goes on before that, so who goes on is a function of rows, whatever ended first, on any number of slots; and
the leader only rises, so who is out stays out. Models that take no training wait for nobody and are never out: they
cost next to nothing, and are the answer that soon stands there.

Nor does a job get more once a trial has judged every pair of the images that choose rightly: none can do better, and
the earliest of equals wins.

Under protocol `synthetic` nobody is out: a lead on forged anomalies says little of one on defects.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.experiment import search
from orchestrator.experiment.job import Job
from orchestrator.metrics import intervals
from orchestrator.results.rows import COMPLETED, TrialRow

Rows = Mapping[int, TrialRow]  # a job's, by index


@dataclass(frozen=True)
class Goal:
    """How many trials a job gets."""

    now: int  # as far as is known
    most: int  # more than `now` where that hangs on its rivals' presets
    why: str | None = None  # it gets fewer than were asked for

    @property
    def is_final(self) -> bool:
        """Whether no row of a rival can raise it."""
        return self.now == self.most


def goals(
    jobs: Sequence[Job], rows: Mapping[str, Rows], ended: Collection[str], parallel_trials: int
) -> dict[str, Goal]:
    """By job id. `rows` are those of trials, by job id; `ended` the ids of jobs that have a result, whatever is left of
    their trials' rows."""
    found = {}
    for _, rivals in itertools.groupby(sorted(jobs, key=_track), key=_track):
        found |= _of_rivals(list(rivals), rows, ended, parallel_trials)
    return found


def _track(job: Job) -> tuple[str, str, int]:
    return job.category.dataset, job.category.name, job.seed


def _of_rivals(
    jobs: Sequence[Job], rows: Mapping[str, Rows], ended: Collection[str], parallel_trials: int
) -> dict[str, Goal]:
    perfect = {job.id: _perfect(job, rows[job.id], parallel_trials) for job in jobs}
    heats = {job.id: min(_heat(job), perfect[job.id]) for job in jobs}
    tried = {job.id: [row for index, row in sorted(rows[job.id].items()) if index < heats[job.id]] for job in jobs}
    through = {job.id for job in jobs if len(tried[job.id]) == heats[job.id] or job.id in ended}
    bests = [best for job in jobs if (best := search.best(tried[job.id]))]
    lead = max((best.val_auc for best in bests), default=0.0)
    found = {}
    for job in jobs:
        if not job.experiment.race or heats[job.id] == job.trials:
            found[job.id] = Goal(job.trials, job.trials)
        elif perfect[job.id] < job.trials:
            found[job.id] = Goal(perfect[job.id], perfect[job.id], "its validation AUROC is 1, which none can beat")
        elif job.experiment.protocol == "synthetic" or not job.takes_steps:
            found[job.id] = Goal(job.trials, job.trials)
        elif job.id in through and (why := _beaten(search.best(tried[job.id]), lead)):
            found[job.id] = Goal(heats[job.id], heats[job.id], why)
        else:
            found[job.id] = Goal(job.trials if len(through) == len(jobs) else heats[job.id], job.trials)
    return found


def _heat(job: Job) -> int:
    """The trials that every job gets: its presets."""
    return min(job.trials, max(1, len(job.presets)))


def _perfect(job: Job, rows: Rows, parallel_trials: int) -> int:
    """The trials that may begin before the first one is known that was never wrong; all where there is none."""
    right = (index for index, row in sorted(rows.items()) if row.status == COMPLETED and row.val_auc == 1)
    return min(job.trials, next(right, job.trials) + parallel_trials)


def _beaten(own: TrialRow | None, lead: float) -> str | None:
    """Why a job is out, in words that no later row of a rival changes; None where it is not."""
    if own is None:
        return "none of its presets could be trained, and a rival's could" if lead else None
    if own.val_normals is None:  # a row that is older than the race
        return None
    high = intervals.of_counts(own.val_auc, own.val_images - own.val_normals, own.val_normals)[1]
    if high >= lead:
        return None
    return f"its validation AUROC of {own.val_auc:.3f} (95 % up to {high:.3f}) is below the leader's"
