"""What a sweep looked like at one moment: plain values that any thread may read while the sweep goes on."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orchestrator.estimate import time_left
from orchestrator.estimate.time_left import JobState, UnderWay
from orchestrator.experiment import search
from orchestrator.experiment.job import Job, label
from orchestrator.results.rows import TrialRow
from orchestrator.sweep.sweep import Sweep

Key = tuple[str, str]  # of a category: dataset and name


class JobLine(NamedTuple):
    """A job under way, in words."""

    category: str
    model: str
    seed: str
    trials: str  # finished of all
    epoch: str  # of its trials under way, or what else is done with it
    val_auc: str  # its best


class BestLine(NamedTuple):
    """The highest validation AUROC on a category so far, and whose it is."""

    category: str
    val_auc: str
    model: str


@dataclass(frozen=True)
class Snapshot:
    """Counts are (done, of how many); times are of time.monotonic."""

    at: float
    jobs: tuple[int, int]
    trials: tuple[int, int]
    slots: tuple[int, int]  # busy
    epoch: str  # of the trials under way
    refits: int  # under way
    lines: tuple[JobLine, ...]
    best: tuple[BestLine, ...]
    elsewhere: tuple[str, ...]  # sweeps that hold other jobs, one a job
    left_s: float | None
    is_racing: bool  # some jobs may get fewer trials than are counted

    def left_at(self, now: float) -> float | None:
        """Seconds left at a later time; None while they are unknown."""
        return None if self.left_s is None else max(0.0, self.left_s - (now - self.at))


def take(sweep: Sweep) -> Snapshot:
    """Of the sweep as it is; to be called where the sweep may be."""
    now, slots, todo, closed = time.monotonic(), sweep.place.slots, sweep.ledger.todo, sweep.ledger.closed
    rows, goals = {job.id: sweep.ledger.searched_rows(job) for job in todo}, sweep.goals()
    running = {job.id: list(sweep.running[job.id].values()) for job in todo}
    refitting = {job_id for job_id in sweep.refitting if job_id not in closed}
    under_way = [job for job in todo if running[job.id] or job.id in refitting]
    trials = [one for those in running.values() for one in those]
    with_others = [job for job in todo if job.id in sweep.elsewhere and not running[job.id]]
    names = _names(map(_place, todo))
    return Snapshot(
        at=now,
        jobs=(len(closed), len(todo)),
        trials=(sum(map(len, rows.values())), sum(goals[job.id].most for job in todo)),
        slots=(min(slots, len(trials) + len(refitting)), slots),
        epoch=_epochs(trials, max((job.epochs for job in under_way), default=0)),
        refits=len(refitting),
        lines=tuple(
            JobLine(
                names[_place(job)],
                label(job.sized, job.experiment),
                str(job.seed),
                f"{len(rows[job.id])}/{goals[job.id].most}",
                "refit" if job.id in refitting else _epochs(running[job.id], job.epochs) or "elsewhere",
                _auc(_best(rows[job.id], running[job.id])),
            )
            for job in [*under_way, *with_others]
        ),
        best=_leaders(todo, names, rows, running),
        elsewhere=tuple(sweep.elsewhere.values()),
        left_s=_left_s(sweep, rows, running, now),
        is_racing=not all(goals[job.id].is_final for job in todo if job.id not in closed),
    )


def _left_s(
    sweep: Sweep, rows: dict[str, list[TrialRow]], running: dict[str, list[UnderWay]], now: float
) -> float | None:
    """Of this sweep's own work, and at most what its time budget leaves."""
    states, goals = [], sweep.goals()
    for job in sweep.ledger.todo:
        is_open = job.id not in sweep.ledger.closed and job.id not in sweep.elsewhere
        to_start = 0 if sweep.is_out_of_time else max(0, goals[job.id].most - len(rows[job.id]) - len(running[job.id]))
        states.append(
            JobState(
                job,
                rows[job.id],
                running[job.id],
                unstarted=to_start if is_open else 0,
                refits=int(is_open),
                refitting_s=now - sweep.refitting.get(job.id, now),
            )
        )
    left_s = time_left.left_s(states, sweep.place)
    return None if left_s is None else min(left_s, max(0.0, sweep.deadline - now))


def _leaders(
    jobs: Sequence[Job], names: dict[Key, str], rows: dict[str, list[TrialRow]], running: dict[str, list[UnderWay]]
) -> tuple[BestLine, ...]:
    """In the order of the categories."""
    found: dict[Key, tuple[float, str]] = {}
    for job in jobs:
        value = _best(rows[job.id], running[job.id])
        if value is not None and value > found.get(_place(job), (-1.0, ""))[0]:
            found[_place(job)] = value, label(job.sized, job.experiment)
    return tuple(BestLine(names[place], _auc(value), model) for place, (value, model) in found.items())


def _best(rows: Sequence[TrialRow], running: Sequence[UnderWay]) -> float | None:
    return search.best_so_far([one.val_auc for one in (*rows, *running)])


def _place(job: Job) -> Key:
    return job.category.dataset, job.category.name


def _names(places: Iterable[Key]) -> dict[Key, str]:
    """Of categories, with their datasets where two have a category of one name."""
    found = dict.fromkeys(places)
    times = Counter(name for _, name in found)
    return {(dataset, name): name if times[name] == 1 else f"{dataset}/{name}" for dataset, name in found}


def _epochs(running: Sequence[UnderWay], epochs: int) -> str:
    """Epochs done, from the least to the most; "" where nothing is under way."""
    done = sorted({one.epochs for one in running})
    return f"{'-'.join(map(str, dict.fromkeys([done[0], done[-1]])))}/{epochs}" if done else ""


def _auc(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
