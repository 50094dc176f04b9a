"""How long the rest of a sweep takes, learnt from its finished trials and from the epochs of those under way. Pure.

A model's trial takes what its finished trials of the same size took on average: presets, which run to the end, as
presets did, and the others as those, stopped early or not, with one preset against the chance of the first few. A
category of more images takes more in proportion. The slots share that work; no job ends sooner than its own trials and
refit, one after the other or `parallel_trials` at a time, allow.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from model.catalog import takes_steps
from orchestrator.estimate.schedule import Place, at_least_s, at_most_s
from orchestrator.experiment import search
from orchestrator.experiment.job import Job, Sized
from orchestrator.results.rows import TrialRow


@dataclass(frozen=True)
class UnderWay:
    """A trial under way, as far as its epochs have been heard of. Times are of any one clock, in seconds."""

    began: float
    epochs: int = 0  # done, by earlier processes too
    val_auc: float | None = None  # the highest heard of
    epoch_s: float | None = None  # of one epoch
    first: tuple[int, float] | None = None  # the first epoch heard of, and when

    def after(self, epoch: int, val_auc: float | None, now: float) -> "UnderWay":
        """The same, one epoch later. The first one heard of takes a start with it, and so counts only until the next;
        a trial that starts over is timed anew."""
        first = self.first if self.first and epoch > self.epochs else (epoch, now)
        epoch_s = (now - first[1]) / (epoch - first[0]) if epoch > first[0] else self.epoch_s or now - self.began
        return UnderWay(self.began, epoch, search.best_so_far([self.val_auc, val_auc]), epoch_s, first)


@dataclass(frozen=True)
class JobState:
    """A job, its finished trials, and what it still needs; nothing, where it is closed."""

    job: Job
    rows: Sequence[TrialRow]
    running: Sequence[UnderWay] = ()
    unstarted: int = 0  # trials
    refits: int = 0  # 0 or 1
    refitting_s: float = 0.0  # since its refit began


def left_s(states: Sequence[JobState], place: Place) -> float | None:
    """Seconds until all is done; None before a trial or epoch has ended of each kind of model that is left: those that
    are trained, and the others."""
    paces = _trial_times(states)
    states = [state for state in states if state.running or state.unstarted or state.refits]
    if not paces or any(state.job.sized not in paces for state in states):
        return None
    work, longest = 0.0, 0.0
    for state in states:
        pace, pixels = paces[state.job.sized], state.job.trial_pixels()
        trial_s, preset_s = pace.searched_s * pixels, pace.preset_s * pixels
        presets = min(state.unstarted, max(0, len(state.job.presets) - len(state.rows) - len(state.running)))
        unstarted_s = presets * preset_s + (state.unstarted - presets) * trial_s
        running = [_running_s(one, state.job, trial_s, pace.epochs) for one in state.running]
        refit_s = _refit_s(state, trial_s, place)
        work += sum(running) + unstarted_s + refit_s
        one_trial_s = max([*running, trial_s if state.unstarted else 0.0])
        at_once = min(place.parallel_trials, place.slots)
        last_s = (1 - 1 / at_once) * pace.spread_s * pixels if len(running) + state.unstarted > at_once else 0.0
        search_s = max(one_trial_s, (sum(running) + unstarted_s) / at_once + last_s)
        longest = max(longest, search_s + refit_s)
    return at_least_s(work, longest, place.slots)


def refits_s(winners: Iterable[TrialRow], place: Place) -> float:
    """At most how long the refits of these winners take."""
    return at_most_s([winner_refit_s(winner, place) for winner in winners], place.slots)


def winner_refit_s(winner: TrialRow, place: Place) -> float:
    """A refit trains its winner again up to its best epoch, once it has started."""
    return place.refit_start_s + (winner.wall_s or 0.0) * winner.best_epoch / winner.epochs


@dataclass(frozen=True)
class TrialTimes:
    """What a model's trials take: seconds for each of the pixels that a full one passes through it."""

    searched_s: float  # of trials that may be stopped early
    preset_s: float
    spread_s: float  # standard deviation of the first: how far apart trials that run side by side end
    epochs: Sequence[int]  # of those that have ended


def _trial_times(states: Sequence[JobState]) -> dict[Sized, TrialTimes]:
    """Of each model at each size: from its finished trials, or else from those under way, or else the mean over all of
    its kind, if there is one."""
    searched, presets, begun = defaultdict(list), defaultdict(list), defaultdict(list)  # [(seconds, pixels)]
    epochs = defaultdict(list)
    for state in states:
        sized, pixels = state.job.sized, state.job.trial_pixels()
        searched[sized] += [(row.wall_s, pixels) for row in state.rows if row.wall_s and not row.preset]
        presets[sized] += [(row.wall_s, pixels) for row in state.rows if row.wall_s and row.preset]
        begun[sized] += [(one.epoch_s * state.job.epochs, pixels) for one in state.running if one.epoch_s]
        epochs[sized] += [row.epochs for row in state.rows]
    own = {sized: [*searched[sized], *presets[sized][:1]] or begun[sized] for sized in searched}
    of_kind = defaultdict(list)
    for sized, trials in own.items():
        of_kind[takes_steps(sized.model)] += trials
    known = {sized: trials or of_kind[takes_steps(sized.model)] for sized, trials in own.items()}
    return {
        sized: TrialTimes(
            _mean(trials),
            _mean(presets[sized] or trials),
            statistics.pstdev(seconds / pixels for seconds, pixels in trials),
            epochs[sized],
        )
        for sized, trials in known.items()
        if trials
    }


def _mean(trials: Sequence[tuple[float, float]]) -> float:
    seconds, pixels = map(sum, zip(*trials, strict=True))
    return seconds / pixels


def _running_s(one: UnderWay, job: Job, trial_s: float, ended: Sequence[int]) -> float:
    """A trial goes on for as many epochs as those that came as far did on average, or to the end if none did."""
    if not one.epochs:
        return trial_s
    longer = [epochs - one.epochs for epochs in ended if epochs > one.epochs] or [job.epochs - one.epochs]
    return sum(longer) / len(longer) * (one.epoch_s or trial_s / job.epochs)


def _refit_s(state: JobState, trial_s: float, place: Place) -> float:
    """Of a refit whose winner is not known, a whole trial is expected."""
    if not state.refits:
        return 0.0
    winner = search.best(state.rows)
    whole_s = place.refit_start_s + trial_s if winner is None else winner_refit_s(winner, place)
    return max(0.0, whole_s - state.refitting_s)
