"""What is left of an experiment, and how long that takes by what was measured. Pure: no files, no clock.

the pace of each model at each size -> slot seconds of each job -> wall time on so many slots.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.estimate import pace
from orchestrator.estimate.pace import Measured, Pace
from orchestrator.estimate.schedule import Place, Work, at_least_s, at_most_s, played_s
from orchestrator.experiment import search
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Sized, label
from orchestrator.experiment.plan import Left

PROBE_S = 5  # about what the probe of a model takes in all
PROBES_SHARE = 0.1  # of a time budget, at most, for probes


@dataclass(frozen=True)
class Outlook:
    """What is left, what is known of the models' paces, and where it will be done."""

    lefts: Sequence[Left]
    known: Sequence[Measured]
    place: Place

    def paces(self) -> dict[Sized, Pace]:
        """Of every source."""
        return {sized: pace for measured in self.known for sized, pace in measured.paces.items()}

    def failed(self) -> dict[Sized, str]:
        """Why it could not be measured."""
        return {sized: error for measured in self.known for sized, error in measured.failed.items()}

    def unmeasured(self) -> list[Sized]:
        """Those with work left that no source tells of."""
        paces = self.paces()
        return list(dict.fromkeys(left.job.sized for left in self.lefts if left.refits and left.job.sized not in paces))

    def measured(self) -> list[tuple[Left, Pace]]:
        """The unfinished jobs whose models' paces are known."""
        paces = self.paces()
        return [(left, paces[left.job.sized]) for left in self.lefts if left.refits and left.job.sized in paces]

    def held_s(self, measured: Measured) -> float:
        """Seconds of the source's unit that the work takes whose pace it tells."""
        return measured.held * sum(
            measured.paces[left.job.sized].slot_s(left) for left in self.lefts if left.job.sized in measured.paces
        )

    def chain_s(self, left: Left, pace: Pace) -> float:
        """Time that a job takes on any number of slots."""
        return self._work(left, pace).chain_s(self.place.parallel_trials)

    def wall_s(self) -> float:
        """Time until all that is measured is done."""
        return played_s(self._works(), self.place)

    def share(self, left_s: float, stopped_early: bool = False) -> float:
        """Of the trials that are left, how much `left_s` seconds buy if the refits must be done by then, as Sweep sees
        to it: where none is stopped early, or where every one is that may be."""
        works, slots = self._works(), self.place.slots
        if stopped_early:
            lefts = [left for left, _ in self.measured()]
            works = [
                dataclasses.replace(work, trial_s=work.trial_s * _least_share(left))
                for work, left in zip(works, lefts, strict=True)
            ]
        longest_s = max((work.search_s(self.place.parallel_trials) for work in works), default=0.0)
        search_s = at_least_s(sum(work.trials * work.trial_s for work in works), longest_s, slots)
        refits_s = at_most_s([work.refit_s for work in works], slots)
        return min(1.0, max(0.0, left_s - refits_s) / search_s) if search_s else 1.0

    def _works(self) -> list[Work]:
        return [self._work(*one) for one in self.measured()]

    def _work(self, left: Left, pace: Pace) -> Work:
        refit_s = self.place.refit_start_s + pace.refit_s(left.job)
        return Work(left.trials, pace.trial_s(left.job), refit_s, left.job.trial_pixels(), left.job.takes_steps)


def _least_share(left: Left) -> float:
    """Of the time of its trials, run to their ends, what those take if each but the presets is stopped at once."""
    job = left.job
    rungs = search.rungs(job.epochs) if job.experiment.scheduler != "none" and job.takes_steps else []
    if not rungs or not left.trials:
        return 1.0
    presets = min(left.trials, max(0, len(job.presets) - (job.trials - left.trials)))
    return (presets + (left.trials - presets) * rungs[0] / job.epochs) / left.trials


def complete(
    outlook: Outlook, experiment: Experiment, backend, say: Callable[[str], None], most_s: float = math.inf
) -> Outlook:
    """The outlook with the models that nothing told of, measured on a slot of the backend; unchanged where that would
    take about `most_s` or more."""
    unknown = outlook.unmeasured()
    if not unknown or PROBE_S * len(unknown) >= most_s:
        return outlook
    say(f"measuring by a few steps each: {', '.join(label(sized, experiment) for sized in unknown)}")
    probed = pace.by_probes({sized: backend.probe(experiment, sized) for sized in unknown})
    return dataclasses.replace(outlook, known=[*outlook.known, probed])
