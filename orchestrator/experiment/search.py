"""The search, as pure functions of rows: which parameters a trial tries, and how good it must be to go on.

A job's trials 0, 1, ... are the model's presets, then Optuna's choices. Suggestion i sees the rows 0..i-k only (k
trials of a job may run at once), so it is the same whatever finished first, on any number of slots, and after any
restart: no sampler is kept alive or saved. A point that one of these rows tried is not suggested again.
"""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.experiment.studies import new_study
from orchestrator.hashes import seed_of
from orchestrator.results.rows import COMPLETED, FAILED, TrialRow

Params = dict[str, float | int | str]
GP_TRIALS = 100  # beyond, the Gaussian process's cubic cost is not worth it; TPE goes on
STARTUP_TRIALS = 6  # rows that a sampler wants before it models anything
CHANCE = 0.5  # validation AUROC of a detector that knows nothing
ASKED = 3  # times that a sampler is asked for a new point, before random ones are taken
DRAWN = 1000  # random points at most
ETA = 3  # successive halving: the top 1/ETA goes on


def visible(rows: Mapping[int, TrialRow], index: int, parallel_trials: int) -> list[TrialRow] | None:
    """The rows that suggestion `index` may see, in order; None while one of them is missing."""
    last = index - parallel_trials
    return [rows[i] for i in range(last + 1)] if all(i in rows for i in range(last + 1)) else None


def suggest(
    space: Mapping[str, BaseDistribution],
    presets: Mapping[str, Params],
    rows: Sequence[TrialRow],
    index: int,
    seed: int,
    sampler: str,
) -> tuple[str | None, Params]:
    """Returns (preset's name or None, parameters) of trial `index`, from the rows that it may see."""
    if index < len(presets):
        name = list(presets)[index]
        return name, {key: presets[name][key] for key in space}
    reached = [row.val_auc for row in rows if row.status != FAILED and row.val_auc is not None]
    told = [_as_optuna(space, row, worst=min([CHANCE, *reached])) for row in rows]
    return None, _new(_suggestions(space, told, index, seed, sampler), [trial.params for trial in told])


def _new(suggestions: Iterator[Params], tried: Sequence[Params]) -> Params:
    """The first suggestion that was not tried; where all were, the first: its weights will be others."""
    first = next(suggestions)
    return next((params for params in itertools.chain([first], suggestions) if params not in tried), first)


def _suggestions(
    space: Mapping[str, BaseDistribution], told: Sequence[FrozenTrial], index: int, seed: int, sampler: str
) -> Iterator[Params]:
    """The sampler's, by one seed after the other; then random ones."""
    for attempt in range(ASKED):
        study = _study(sampler, index, seed_of(seed, index, attempt) if attempt else seed_of(seed, index))
        study.add_trials(told)
        yield study.ask(dict(space)).params
    study = _study("random", index, seed_of(seed, index, ASKED))
    for _ in range(DRAWN):
        yield study.ask(dict(space)).params


def bars(rows: Sequence[TrialRow], epochs: int, is_preset: bool, scheduler: str) -> dict[int, float]:
    """Asynchronous successive halving (Li et al. 2020): {epoch: the running-best validation AUROC needed to go on}.

    A rung's bar is the (1 - 1/ETA) quantile of the visible rows' values there, as in Ray Tune's
    AsyncHyperBandScheduler. It is known when a trial starts, so the trial carries it and stops itself. Presets run to
    the end: a tuned detector is never worse than known settings. Failed rows set no bar, so the first trial that does
    not fail is never stopped, and every job with one such trial has a best.
    """
    if scheduler == "none" or is_preset:
        return {}
    found = {}
    for rung in rungs(epochs):
        values = [best_so_far(row.curve[:rung]) for row in rows if row.status != FAILED and len(row.curve) >= rung]
        reached = [value for value in values if value is not None]
        if reached:
            found[rung] = float(np.percentile(reached, (1 - 1 / ETA) * 100))
    return found


def best_so_far(curve: Sequence[float | None]) -> float | None:
    """The highest validation AUROC of a curve; None before the first epoch after which the model could score."""
    return max((value for value in curve if value is not None), default=None)


def rungs(epochs: int) -> list[int]:
    """The epochs after which a trial may be stopped: epochs/ETA^2 (at least 1), then times ETA, below `epochs`."""
    first = max(1, epochs // ETA**2)
    return [first * ETA**k for k in range(math.ceil(math.log(max(epochs, 2), ETA)) + 1) if first * ETA**k < epochs]


def best(rows: Sequence[TrialRow]) -> TrialRow | None:
    """The completed row of highest validation AUROC, the earliest among equals; None if no trial completed."""
    done = [row for row in rows if row.status == COMPLETED and row.val_auc is not None]
    return min(done, key=lambda row: (-row.val_auc, row.index)) if done else None


def _study(sampler: str, index: int, seed: int) -> optuna.Study:
    if sampler == "gp" and index < GP_TRIALS:
        gp = optuna.samplers.GPSampler
        return new_study(gp, seed=seed, n_startup_trials=STARTUP_TRIALS, deterministic_objective=False)
    if sampler == "random":
        return new_study(optuna.samplers.RandomSampler, seed=seed)
    return new_study(optuna.samplers.TPESampler, seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True)


def _as_optuna(space: Mapping[str, BaseDistribution], row: TrialRow, worst: float) -> FrozenTrial:
    """A stopped trial counts with the best value it reached, a failed one with the `worst` of all: GPSampler learns
    from complete trials only, and must not return to bad regions."""
    tried = json.loads(row.params)
    return create_trial(
        state=TrialState.COMPLETE,
        value=worst if row.status == FAILED or row.val_auc is None else row.val_auc,
        params={name: tried[name] for name in space},
        distributions=dict(space),
    )
