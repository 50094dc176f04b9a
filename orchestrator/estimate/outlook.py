"""What is left of an experiment, and how long that takes by what was measured. Pure: no files, no clock.

the pace of each model -> slot seconds of each job -> wall time on so many slots.
"""

import dataclasses
import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.estimate import pace
from orchestrator.estimate.pace import Measured, Pace
from orchestrator.experiment import plan
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.plan import Left

PROBE_S = 5  # about what the probe of a model takes in all
PROBES_SHARE = 0.1  # of a time budget, at most, for probes


def at_most_s(each: Sequence[float], slots: int) -> float:
    """How long pieces of work of `each` seconds take on several slots, whatever their order (Graham's bound)."""
    return max(each, default=0.0) + sum(each) / slots


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
class Outlook:
    """What is left, what is known of the models' paces, and where it will be done."""

    lefts: Sequence[Left]
    known: Sequence[Measured]
    place: Place

    def paces(self) -> dict[str, Pace]:
        """By model, of every source."""
        return {model: pace for measured in self.known for model, pace in measured.paces.items()}

    def failed(self) -> dict[str, str]:
        """Model -> why it could not be measured."""
        return {model: error for measured in self.known for model, error in measured.failed.items()}

    def unmeasured(self) -> list[str]:
        """The models with work left that no source tells of."""
        paces = self.paces()
        return list(dict.fromkeys(left.job.model for left in self.lefts if left.refits and left.job.model not in paces))

    def measured(self) -> list[tuple[Left, Pace]]:
        """The unfinished jobs whose models' paces are known."""
        paces = self.paces()
        return [(left, paces[left.job.model]) for left in self.lefts if left.refits and left.job.model in paces]

    def held_s(self, measured: Measured) -> float:
        """Seconds of the source's unit that the work takes whose pace it tells."""
        return measured.held * sum(
            measured.paces[left.job.model].slot_s(left) for left in self.lefts if left.job.model in measured.paces
        )

    def chain_s(self, left: Left, pace: Pace) -> float:
        """Time that a job takes on any number of slots: its trials wait for one another, and its refit for them."""
        rounds = -(-left.trials // self.place.parallel_trials)
        return rounds * pace.trial_s(left.job) + left.refits * self._refit_s(left, pace)

    def _refit_s(self, left: Left, pace: Pace) -> float:
        return self.place.refit_start_s + pace.refit_s(left.job)

    def share(self, left_s: float) -> float:
        """Of the trials that are left, how much `left_s` seconds buy if the refits must be done by then, as Sweep sees
        to it; of those that are stopped early there will be more."""
        work, slots = self.measured(), self.place.slots
        refits = [self._refit_s(left, pace) for left, pace in work]
        trials_s = sum(left.trials * pace.trial_s(left.job) for left, pace in work)
        chains = [self.chain_s(*one) - refit_s for one, refit_s in zip(work, refits, strict=True)]
        search_s = max(trials_s / slots, *chains)
        return min(1.0, max(0.0, left_s - at_most_s(refits, slots)) / search_s) if search_s else 1.0

    def wall_s(self) -> float:
        """Time until all that is measured is done, found by playing it through: a free slot takes a trial of the job
        with the longest remaining work, as plan.next_trial does; a refit follows its job's last trial."""
        work, place = self.measured(), self.place
        trials, refits, running = [left.trials for left, _ in work], [left.refits for left, _ in work], [0] * len(work)
        waiting: list[tuple[float, int]] = []  # (less remaining work, job), each job once
        ends: list[tuple[float, int]] = []  # (when, job) of what is under way
        now_s = 0.0

        def offer(i: int) -> None:
            can_start = running[i] < place.parallel_trials if trials[i] else refits[i] and not running[i]
            entry = (-trials[i] * work[i][0].job.trial_cost(), i)
            if can_start and entry not in waiting:
                heapq.heappush(waiting, entry)

        def start(i: int) -> float:
            left, pace = work[i]
            running[i] += 1
            if trials[i]:
                trials[i] -= 1
                return pace.trial_s(left.job)
            refits[i] -= 1
            return self._refit_s(left, pace)

        for i in range(len(work)):
            offer(i)
        while waiting or ends:
            while waiting and len(ends) < place.slots:
                _, i = heapq.heappop(waiting)
                heapq.heappush(ends, (now_s + start(i), i))
                offer(i)
            now_s, i = heapq.heappop(ends)
            running[i] -= 1
            offer(i)
        return now_s


def complete(
    outlook: Outlook, experiment: Experiment, backend, say: Callable[[str], None], most_s: float = math.inf
) -> Outlook:
    """The outlook with the models that nothing told of, measured on a slot of the backend; unchanged where that would
    take about `most_s` or more."""
    models = outlook.unmeasured()
    if not models or PROBE_S * len(models) >= most_s:
        return outlook
    say(f"measuring by a few steps each: {', '.join(models)}")
    probed = pace.by_probes({model: backend.probe(experiment, model) for model in models})
    return dataclasses.replace(outlook, known=[*outlook.known, probed])
