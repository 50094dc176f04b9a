"""The race: how many trials each job of a category gets, and what its next one is worth. Pure.

All jobs of one category and seed choose on the same images, so they race, in laps: first each tries its presets, then
all go on to 4 trials, to 8, 16 and so on. When all have ended a lap, the rows up to there say who goes on:

- nobody whose best validation AUROC has a 95 % interval that the leader's lies above;
- nobody, the leader itself included, whose remaining trials together are expected to add less than WORTH to the
  leader's validation AUROC, by the mean and the spread of its trials so far.

There are two heats: of models that take no training, so that there is soon an answer, and then of the others, who may
try their presets meanwhile. Nobody begins a lap before all have ended the last, and no row beyond a lap counts at its
end. So who goes on follows from rows, whatever ended first, on any number of slots, and who is out stays out. The
seconds that trials took are others on every machine, and have no say in it: they order what is next, see
`plan.next_up`.

Under protocol `synthetic` nobody is out: a lead on forged anomalies says little of one on defects.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from orchestrator.experiment import search
from orchestrator.experiment.job import Job
from orchestrator.metrics import intervals
from orchestrator.results.rows import FAILED, TrialRow

Rows = Mapping[int, TrialRow]  # a job's, by index
SECOND_LAP = 4  # trials at its end; at the end of each further one there are twice as many
WORTH = 0.003  # of validation AUROC
SPREAD = 0.03  # standard deviation of a job's validation AUROCs before any is known,
SPREAD_ROWS = 3  # held as firmly as so many rows would


@dataclass(frozen=True)
class Goal:
    """How many trials a job gets."""

    now: int  # as far as is known
    most: int  # more than `now` where that hangs on rows to come
    why: str | None = None  # it gets fewer than were asked for
    gain: float = math.inf  # of the leader's validation AUROC, expected of the next trial; infinite before it is known

    @property
    def is_final(self) -> bool:
        """Whether no row can raise it."""
        return self.now == self.most


def goals(jobs: Sequence[Job], rows: Mapping[str, Rows], ended: Mapping[str, int]) -> dict[str, Goal]:
    """By job id. `rows` are those of trials, by job id; `ended` has the number of trials of each job that has a result,
    whatever is left of their rows."""
    found = {}
    for _, rivals in itertools.groupby(sorted(jobs, key=_track), key=_track):
        found |= _of_rivals(list(rivals), rows, ended)
    return found


def _track(job: Job) -> tuple[str, str, int]:
    return job.category.dataset, job.category.name, job.seed


def _of_rivals(jobs: Sequence[Job], rows: Mapping[str, Rows], ended: Mapping[str, int]) -> dict[str, Goal]:
    if not jobs[0].experiment.race or jobs[0].experiment.protocol == "synthetic":
        return {job.id: Goal(job.trials, job.trials) for job in jobs}
    untrained, seen = _heat([job for job in jobs if not job.takes_steps], rows, ended, [])
    trained, _ = _heat([job for job in jobs if job.takes_steps], rows, ended, seen)
    return untrained | trained


def _heat(
    jobs: Sequence[Job], rows: Mapping[str, Rows], ended: Mapping[str, int], before: list[list[TrialRow]] | None
) -> tuple[dict[str, Goal], list[list[TrialRow]] | None]:
    """The goals of jobs that race together and, when they have ended, the rows that counted. `before` are the rows of
    the heat before; None where that has not ended."""
    racing, found, seen = list(jobs), {}, {}
    gains = {job.id: math.inf for job in jobs}
    for lap in itertools.count():
        ends = {job.id: _end(job, lap) for job in racing}
        found |= {job.id: Goal(ends[job.id], job.trials, gain=gains[job.id]) for job in racing}
        seen |= {id: [row for i, row in sorted(rows[id].items()) if i < end] for id, end in ends.items()}
        if before is None or any(max(len(seen[id]), ended.get(id, 0)) < end for id, end in ends.items()):
            return found, None
        bests = [best for own in (*before, *seen.values()) if (best := search.best(own))]
        lead = max((best.val_auc for best in bests), default=None)
        racing = [job for job in racing if ends[job.id] < job.trials]
        for job in racing:
            gains[job.id] = gain(seen[job.id], lead)
            if why := _out(job, seen[job.id], lead, gains[job.id]):
                found[job.id] = Goal(ends[job.id], ends[job.id], why)
        racing = [job for job in racing if found[job.id].why is None]
        if not racing:
            return found, [*before, *seen.values()]


def _end(job: Job, lap: int) -> int:
    """The trials that a job has at the end of a lap, which are counted from 0."""
    presets = max(1, len(job.presets))
    return min(job.trials, max(presets, SECOND_LAP * 2 ** (lap - 1)) if lap else presets)


def gain(tried: Sequence[TrialRow], lead: float | None) -> float:
    """By how much a job's next trial is expected to raise the leader's validation AUROC, to 1 at most: as if its values
    were drawn from one normal distribution. Infinite where nobody leads."""
    if lead is None:
        return math.inf
    values = np.array([row.val_auc for row in tried if row.status != FAILED and row.val_auc is not None])
    if not len(values):
        return 0.0
    squares = SPREAD_ROWS * SPREAD**2 + ((values - values.mean()) ** 2).sum()
    spread = math.sqrt(squares / (SPREAD_ROWS + len(values) - 1) * (1 + 1 / len(values)))
    share = len(values) / len(tried)
    return share * (_above(values.mean(), spread, lead) - _above(values.mean(), spread, 1.0))


def _above(mean: float, spread: float, bar: float) -> float:
    """The expected excess over `bar` of a normal variable."""
    z = (mean - bar) / spread
    return float(spread * (z * stats.norm.cdf(z) + stats.norm.pdf(z)))


def _out(job: Job, tried: Sequence[TrialRow], lead: float | None, gain: float) -> str | None:
    """Why a job is out at the end of a lap; None where it is not."""
    own = search.best(tried)
    if lead is None:
        return None
    if own is None:
        return f"none of its first {len(tried)} trials could be trained, and a rival's could"
    if own.val_normals is not None:  # unlike in a row that is older than the race
        high = intervals.of_counts(own.val_auc, own.val_images - own.val_normals, own.val_normals)[1]
        if high < lead:
            return f"its validation AUROC of {own.val_auc:.3f} (95 % up to {high:.3f}) is below the leader's {lead:.3f}"
    rest = job.trials - len(tried)
    if rest * gain < WORTH:
        added = f"{rest * gain:.4f} at most to the leader's validation AUROC of {lead:.3f}"
        return f"{rest} more trials are expected to add {added}"
    return None
