"""How sure a mean test AUROC is, and whether one model beats another: bootstraps over seeds and test images. Pure.

`runs` are completed rows of one model, on one category or several; `judged` are the scores that they left.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestrator.hashes import seed_of
from orchestrator.metrics import intervals

CATEGORY = ["dataset", "category"]
SAME_IMAGES = [*CATEGORY, "seed", "data_hash", "split_hash"]  # two runs that agree in these share their test part

RUN = ["job_id", *SAME_IMAGES, "test_auc", "test_auc_low", "test_auc_high"]  # the columns that are read here


@dataclass(frozen=True)
class Judgement:
    """What one run says of its test part: (N,) arrays in the order of the images' paths."""

    images: np.ndarray  # a number for each path, the same for all runs
    labels: np.ndarray
    scores: np.ndarray


Judged = dict[str, Judgement]  # by job id
Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class Lead:
    """By how much the mean test AUROC of one model exceeds another's, over the jobs that they can be paired in."""

    difference: float
    low: float
    high: float
    jobs: int  # of each model
    categories: int


def judged(scores: pd.DataFrame) -> Judged:
    """The table of scores, job by job."""
    numbered = scores.assign(image=pd.factorize(scores.path, sort=True)[0]).drop_duplicates(["job_id", "image"])
    ordered = numbered.sort_values(["job_id", "image"])
    jobs, starts = np.unique(ordered.job_id.to_numpy(str), return_index=True)
    columns = (np.split(ordered[name].to_numpy(), starts[1:]) for name in ("image", "label", "score"))
    return {str(job): Judgement(*parts) for job, *parts in zip(jobs, *columns, strict=True)} if len(jobs) else {}


def interval(runs: pd.DataFrame, judged: Judged) -> Interval:
    """95 % interval of the mean test AUROC over categories, and over seeds within each; (None, None) without scores.

    Categories are fixed: it speaks of other seeds and other images of these products, not of other products. Of a
    single run it is the run's own interval, which speaks of other images only.
    """
    if len(runs) == 1:
        return runs.test_auc_low.iloc[0], runs.test_auc_high.iloc[0]
    means = _resamples(runs, judged)
    return (None, None) if means is None else intervals.central(means)


def verdict_intervals(runs: pd.DataFrame, judged: Judged) -> dict[str, Interval]:
    """95 % intervals of the mean accuracy, precision, recall and F1 of runs on one category, each run at its own
    threshold, which is taken as given; (None, None) without scores or thresholds."""
    if not set(runs.job_id) <= set(judged) or runs.threshold.isna().any():
        return dict.fromkeys(("accuracy", "precision", "recall", "f1"), (None, None))
    runs = _ordered(runs)
    labels, scores, seed = _by_image(runs, judged)
    flagged = np.where(np.isnan(scores), np.nan, scores >= runs.threshold.to_numpy(float))
    resamples = intervals.resampled_mean_verdicts(labels, flagged, seed)
    return {name: intervals.central(values) for name, values in resamples.items()}


def lead(first: pd.DataFrame, second: pd.DataFrame, judged: Judged) -> Lead | None:
    """Paired bootstrap: both models on the same resampled seeds and the same resampled images.

    Only jobs that both completed on the same images are compared; None where there are none, or no scores of them.
    """
    first, second = _paired(first, second)
    if first.empty or not _same_images(first, second, judged):
        return None
    resamples = _resamples(first, judged), _resamples(second, judged)
    if any(means is None for means in resamples):
        return None
    low, high = intervals.central(resamples[0] - resamples[1])
    by_category = first.assign(ahead=first.test_auc - second.test_auc).groupby(CATEGORY).ahead.mean()
    return Lead(float(by_category.mean()), low, high, len(first), len(by_category))


def _paired(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs of each that have a partner on the same images, in the same order."""
    first, second = (
        runs.dropna(subset=SAME_IMAGES).drop_duplicates(SAME_IMAGES, keep="last").set_index(SAME_IMAGES)
        for runs in (first, second)
    )
    common = first.index.intersection(second.index)
    return first.loc[common].reset_index(), second.loc[common].reset_index()


def _same_images(first: pd.DataFrame, second: pd.DataFrame, judged: Judged) -> bool:
    return all(
        a in judged and b in judged and np.array_equal(judged[a].images, judged[b].images)
        for a, b in zip(first.job_id, second.job_id, strict=True)
    )


def _resamples(runs: pd.DataFrame, judged: Judged) -> np.ndarray | None:
    """(BOOTSTRAPS,) means over the categories, each resampled by itself; None where scores are missing."""
    parts = [_category_resamples(own, judged) for _, own in runs.groupby(CATEGORY)]
    return None if not parts or any(part is None for part in parts) else np.mean(parts, axis=0)


def _category_resamples(runs: pd.DataFrame, judged: Judged) -> np.ndarray | None:
    """The draws depend on the seeds and splits alone, so that models judged on the same images share them."""
    if not set(runs.job_id) <= set(judged):
        return None
    return intervals.resampled_mean_auroc(*_by_image(_ordered(runs), judged))


def _ordered(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.sort_values(["seed", "split_hash", "job_id"])


def _by_image(runs: pd.DataFrame, judged: Judged) -> tuple[np.ndarray, np.ndarray, int]:
    """Of R runs on one category: labels (U,) of their images, scores (U, R), NaN where an image is not in a run's test
    part, and the seed of their draws."""
    parts = [judged[job] for job in runs.job_id]
    images, labels, scores = (np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0]))
    _, first, place = np.unique(images, return_index=True, return_inverse=True)
    table = np.full((len(first), len(parts)), np.nan)
    table[place, np.repeat(np.arange(len(parts)), [len(p.images) for p in parts])] = scores
    return labels[first], table, seed_of("bootstrap", runs[SAME_IMAGES].values.tolist())
