"""Work on slots: how long jobs take there whose trials and refits last known seconds. Pure arithmetic.

A job's trials run `parallel_trials` at a time, and its refit follows the last of them.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.experiment import plan
from orchestrator.experiment.config import Experiment


@dataclass(frozen=True)
class Place:
    """Where the work is done."""

    slots: int
    parallel_trials: int = 1  # of one job
    refit_start_s: float = 0.0  # what a refit takes before it trains

    @classmethod
    def of(cls, experiment: Experiment, jobs: int, slots: int, refit_start_s: float = 0.0) -> "Place":
        """Where a first run of the experiment is done."""
        return cls(slots, plan.parallel_trials(experiment, jobs, slots), refit_start_s)


@dataclass(frozen=True)
class Work:
    """What is left of one job: its trials, then its refit."""

    trials: int
    trial_s: float
    refit_s: float  # with its start
    trial_pixels: float  # by which plan.next_trial compares jobs
    takes_steps: bool = True  # those that take none come first there

    def search_s(self, parallel_trials: int) -> float:
        """Time of the trials on any number of slots: they wait for one another."""
        return -(-self.trials // parallel_trials) * self.trial_s

    def chain_s(self, parallel_trials: int) -> float:
        """Time of the whole on any number of slots: the refit waits for the trials."""
        return self.search_s(parallel_trials) + self.refit_s


def at_least_s(work_s: float, longest_s: float, slots: int) -> float:
    """No schedule of `work_s` slot seconds is shorter, whose longest chain takes `longest_s`; a good one is little
    longer."""
    return max(work_s / slots, longest_s)


def at_most_s(each: Sequence[float], slots: int) -> float:
    """How long pieces of work of `each` seconds take on several slots, whatever their order (Graham's bound)."""
    return max(each, default=0.0) + sum(each) / slots


def played_s(works: Sequence[Work], place: Place) -> float:
    """Time until all is done, found by playing it through: a free slot takes a trial of the job with the longest
    remaining work, as plan.next_trial does; a refit follows its job's last trial."""
    trials, running = [work.trials for work in works], [0] * len(works)
    to_refit = [True] * len(works)
    waiting: list[tuple[bool, float, int]] = []  # (takes steps, less remaining work, job), each job once
    ends: list[tuple[float, int]] = []  # (when, job) of what is under way
    now_s = 0.0

    def offer(i: int) -> None:
        can_start = running[i] < place.parallel_trials if trials[i] else to_refit[i] and not running[i]
        entry = (works[i].takes_steps, -trials[i] * works[i].trial_pixels, i)
        if can_start and entry not in waiting:
            heapq.heappush(waiting, entry)

    def start(i: int) -> float:
        running[i] += 1
        if trials[i]:
            trials[i] -= 1
            return works[i].trial_s
        to_refit[i] = False
        return works[i].refit_s

    for i in range(len(works)):
        offer(i)
    while waiting or ends:
        while waiting and len(ends) < place.slots:
            *_, i = heapq.heappop(waiting)
            heapq.heappush(ends, (now_s + start(i), i))
            offer(i)
        now_s, i = heapq.heappop(ends)
        running[i] -= 1
        offer(i)
    return now_s
