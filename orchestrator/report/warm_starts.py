"""Rows -> what a warm start saved: each warm search beside the cold one of the same job, and their figure. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from orchestrator.experiment.warm_start import PREFIX
from orchestrator.report.plot_style import DEFECT, GOOD, axis, figure
from orchestrator.report.tables import numbers
from orchestrator.results.rows import COMPLETED

ALIKE = ["dataset", "category", "model", "seed", "protocol", "size_px", "batch", "epochs"]


@dataclass(frozen=True)
class Search:
    """One job's trials, in order."""

    job_id: str
    warm_start: str | None
    running_best: list[float | None]  # after each trial, of completed ones; None before the first
    test_auc: float | None

    @property
    def trials(self) -> int:
        """How many there were."""
        return len(self.running_best)

    @property
    def best(self) -> float:
        """The highest validation AUROC of a completed trial."""
        return self.running_best[-1]

    def trials_to(self, val_auc: float) -> int | None:
        """How many trials it took to reach at least this; None where it never did."""
        reached = (i for i, best in enumerate(self.running_best, 1) if best is not None and best >= val_auc)
        return next(reached, None)


@dataclass(frozen=True)
class Pair:
    """A warm search and a cold one that agree in everything of ALIKE."""

    alike: dict
    warm: Search
    cold: Search

    @property
    def cold_trials(self) -> int:
        """To the cold search's best."""
        return self.cold.trials_to(self.cold.best)

    @property
    def warm_trials(self) -> int | None:
        """To as much; None where the warm search never reached it."""
        return self.warm.trials_to(self.cold.best)


def summary(pairs: Sequence[Pair]) -> str:
    """What all pairs come to: who is ahead at first, and how often and how soon the warm search has caught up."""
    both = [(pair.warm.running_best[0], pair.cold.running_best[0]) for pair in pairs]
    first = [(warm, cold) for warm, cold in both if warm is not None and cold is not None]
    reached = [(pair.warm_trials, pair.cold_trials) for pair in pairs if pair.warm_trials is not None]
    sentences = []
    if first:
        warm, cold = (statistics.mean(values) for values in zip(*first, strict=True))
        ahead = sum(warm > cold for warm, cold in first)
        sentences.append(
            f"After its first trial the warm search is ahead in {ahead} of {len(first)} "
            f"(mean validation AUROC {warm:.3f}, cold {cold:.3f})."
        )
    sentences.append(f"It reaches the cold search's best in {len(reached)} of {len(pairs)}")
    if reached:
        warm, cold = (statistics.median(trials) for trials in zip(*reached, strict=True))
        sentences[-1] += f", there after {warm:g} trials (median), where the cold search took {cold:g}"
    return " ".join(sentences) + "."


def pairs(jobs: pd.DataFrame, trials: pd.DataFrame) -> list[Pair]:
    """Every warm job with every cold one like it. Jobs without a completed trial are left out, and those that had no
    earlier job to begin with."""
    test_auc = dict(zip(jobs.job_id, jobs.test_auc, strict=True))
    groups: dict[tuple, list[Search]] = {}
    for job_id, own in trials.groupby("job_id"):
        own = own.sort_values("index")
        curve = running_best(own.val_auc.where(own.status == COMPLETED))
        if curve[-1] is None:
            continue
        first = own.iloc[0]
        if isinstance(first.warm_start, str) and not str(first.preset).startswith(PREFIX):
            continue
        warm_start = first.warm_start if isinstance(first.warm_start, str) else None
        # A trial that is not stopped runs all epochs; one that ran out of memory goes on with half the batch.
        key = tuple(int(own[name].max()) if name in ("batch", "epochs") else first[name] for name in ALIKE)
        groups.setdefault(key, []).append(Search(job_id, warm_start, curve, test_auc.get(job_id)))
    return [
        Pair(dict(zip(ALIKE, key, strict=True)), warm, cold)
        for key, searches in sorted(groups.items())
        for warm in searches
        if warm.warm_start is not None
        for cold in searches
        if cold.warm_start is None
    ]


def running_best(values: Sequence[float | None]) -> list[float | None]:
    """The running maximum; None until there is a value."""
    running = pd.Series(values, dtype=float).cummax().ffill()
    return [None if pd.isna(value) else float(value) for value in running]


def by_trial(pair: Pair) -> dict:
    """The best validation AUROC after each trial, warm against cold."""
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": list(range(1, search.trials + 1)),
            "y": numbers(search.running_best),
            "line": {"shape": "hv", "color": colour, "dash": dash, "width": 2},
            "marker": {"symbol": symbol, "size": 6, "color": colour},
            "hovertemplate": "after %{x} trials: %{y:.3f}",
        }
        for name, search, colour, dash, symbol in (
            ("warm", pair.warm, DEFECT, "solid", "diamond"),
            ("cold", pair.cold, GOOD, "dash", "circle"),
        )
    ]
    layout = {"xaxis": axis("trials", zeroline=False), "yaxis": axis("best validation AUROC"), "hovermode": "x"}
    return figure(data, layout, 320, "Best validation AUROC by trial, warm against cold")
