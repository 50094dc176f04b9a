"""How sure a mean test AUROC is, and which models are told apart, over seeds and test images. Pure.

`runs` are completed rows of one model, on one category or several; `judged` are the scores that they left.
"""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestrator.errors import InputError
from orchestrator.metrics import intervals, operating_points, shares
from orchestrator.metrics.intervals import Estimate, Interval
from orchestrator.metrics.operating_points import Point

CATEGORY = ["dataset", "category"]
SAME_IMAGES = [*CATEGORY, "seed", "data_hash", "split_hash"]  # two runs that agree in these share their test part

POINTS = ("recall_at_fpr", "fpr_at_recall")  # of the test part's ROC curve
RUN = ["job_id", *SAME_IMAGES, "test_auc", "test_auc_low", "test_auc_high", "threshold"]  # columns that are read here


@dataclass(frozen=True)
class Judgement:
    """What one run says of its test part: (N,) arrays in the order of the images' paths."""

    images: np.ndarray  # a number for each path, the same for all runs
    labels: np.ndarray
    scores: np.ndarray
    thresholds: np.ndarray  # NaN in rows that do not say it

    @functools.cached_property
    def placed(self) -> np.ndarray | None:
        """(N,) placements; None where its AUROC has no interval."""
        return intervals.placements(self.labels, self.scores)


Judged = dict[str, Judgement]  # by job id


@dataclass(frozen=True)
class Wish:
    """The shares that `operating_points` are taken at."""

    fpr: float = 0.05
    recall: float = 0.95

    def __post_init__(self):
        for name, share in (("--at-fpr", self.fpr), ("--at-recall", self.recall)):
            if not 0 < share < 1:
                raise InputError(f"{name} {share:g}: a share above 0 and below 1 is expected, as 0.05.")


USUAL = Wish()


@dataclass(frozen=True)
class Lead:
    """By how much the mean test AUROC of one model exceeds another's, over the jobs that they can be paired in."""

    difference: float
    low: float
    high: float
    p_value: float  # of no difference, by itself
    jobs: int  # of each model
    categories: int


@dataclass(frozen=True)
class Standing:
    """Where one of a ranking's lines may stand, by all comparisons of two lines together, with 95 % confidence."""

    best: int
    worst: int
    p_first: float | None  # adjusted, of no difference from the first line; None where they cannot be compared
    comparisons: int


def judged(scores: pd.DataFrame) -> Judged:
    """The table of scores, job by job."""
    numbered = scores.assign(image=pd.factorize(scores.path, sort=True)[0]).drop_duplicates(["job_id", "image"])
    ordered = numbered.sort_values(["job_id", "image"])
    jobs, starts = np.unique(ordered.job_id.to_numpy(str), return_index=True)
    columns = (np.split(ordered[name].to_numpy(), starts[1:]) for name in ("image", "label", "score", "threshold"))
    return {str(job): Judgement(*parts) for job, *parts in zip(jobs, *columns, strict=True)} if len(jobs) else {}


def interval(runs: pd.DataFrame, judged: Judged) -> Interval:
    """95 % interval of the mean test AUROC over categories, and over seeds within each; without scores a single run has
    its row's own, and several have (None, None).

    Categories are fixed: it speaks of other seeds and other images of these products, not of other products. Of a
    single run it speaks of other images only.
    """
    estimates = [_of_category(own, judged) for _, own in runs.groupby(CATEGORY)]
    if estimates and all(found is not None for found in estimates):
        return intervals.of_auroc(intervals.mean(estimates))
    return (runs.test_auc_low.iloc[0], runs.test_auc_high.iloc[0]) if len(runs) == 1 else (None, None)


def verdict_intervals(runs: pd.DataFrame, judged: Judged) -> dict[str, Interval]:
    """95 % intervals of the mean figures of shares.verdict_intervals of runs on one category, each run at its own
    threshold, or thresholds, which are taken as given; none without scores or thresholds."""
    if runs.empty or not set(runs.job_id) <= set(judged) or runs.threshold.isna().any():
        return {}
    parts = [judged[job] for job in runs.job_id]
    labels, scores = _by_image(parts, [part.scores for part in parts])
    _, own = _by_image(parts, [part.thresholds for part in parts])
    thresholds = np.where(np.isnan(own), runs.threshold.to_numpy(float), own)
    flagged = np.where(np.isnan(scores), np.nan, scores >= thresholds)
    return shares.verdict_intervals(labels, flagged)


def operating_point_means(runs: pd.DataFrame, judged: Judged, wish: Wish) -> dict[str, Point]:
    """`recall_at_fpr` and `fpr_at_recall`, means over categories, and over seeds within each; none without scores.

    The ends of the intervals are means too, as if all runs erred together: those of several seeds are no more evidence
    than one, those of several categories are, and have wider intervals than need be.
    """
    if runs.empty or not set(runs.job_id) <= set(judged):
        return {}
    means = [_points([judged[job] for job in own.job_id], wish) for _, own in runs.groupby(CATEGORY)]
    return {name: _mean([points[name] for points in means]) for name in POINTS if all(name in own for own in means)}


def lead(first: pd.DataFrame, second: pd.DataFrame, judged: Judged) -> Lead | None:
    """Of two models on the same seeds and images.

    Only jobs that both completed on the same images are compared; None where there are none, or no scores of them.
    """
    return _lead(_by_place(first), _by_place(second), judged)


def standings(ranking: Sequence[pd.DataFrame], judged: Judged) -> list[Standing]:
    """Of the lines of one ranking, best first, each by its runs. Lines that are not told apart may stand in any order:
    a line's best place is behind those that are told to be better, its worst before those told to be worse.

    Told apart are two lines whose difference has a p value below .05 after Holm's adjustment for all pairs of lines
    that can be compared: so all of it holds together.
    """
    places = [_by_place(runs) for runs in ranking]
    found = {(i, j): _lead(places[i], places[j], judged) for i, j in itertools.combinations(range(len(places)), 2)}
    found = {pair: lead for pair, lead in found.items() if lead is not None}
    adjusted = dict(zip(found, intervals.holm([lead.p_value for lead in found.values()]), strict=True))
    better, worse = np.zeros(len(places), int), np.zeros(len(places), int)  # than this line, how many
    for pair, p_value in adjusted.items():
        if p_value < 1 - intervals.COVERAGE:
            ahead, behind = pair if found[pair].difference > 0 else pair[::-1]
            better[behind] += 1
            worse[ahead] += 1
    return [
        Standing(1 + int(better[i]), len(places) - int(worse[i]), adjusted.get((0, i)), len(found))
        for i in range(len(places))
    ]


def _points(parts: Sequence[Judgement], wish: Wish) -> dict[str, Point]:
    """POINTS of the runs on one category; none where a score is not finite."""
    if any(part.placed is None for part in parts):
        return {}
    at_fpr = [operating_points.recall_at_fpr(part.labels, part.scores, wish.fpr) for part in parts]
    at_recall = [operating_points.fpr_at_recall(part.labels, part.scores, wish.recall) for part in parts]
    return dict(zip(POINTS, (_mean(at_fpr), _mean(at_recall)), strict=True))


def _mean(points: Sequence[Point]) -> Point:
    return Point(*(float(np.mean(ends)) for ends in zip(*map(dataclasses.astuple, points), strict=True)))


def _by_place(runs: pd.DataFrame) -> dict[tuple, tuple[str, float]]:
    """SAME_IMAGES -> the job id and the test AUROC of the run on them."""
    known = runs.dropna(subset=SAME_IMAGES)
    keys = zip(*(known[name].tolist() for name in SAME_IMAGES), strict=True)
    return dict(zip(keys, zip(known.job_id, known.test_auc, strict=True), strict=True))


def _lead(first: dict[tuple, tuple], second: dict[tuple, tuple], judged: Judged) -> Lead | None:
    common = sorted(first.keys() & second.keys())
    pairs = [(judged.get(first[place][0]), judged.get(second[place][0])) for place in common]
    if not pairs or not all(_can_be_paired(*pair) for pair in pairs):
        return None
    estimates, differences = [], []
    for _, own in itertools.groupby(zip(common, pairs, strict=True), key=lambda item: item[0][: len(CATEGORY)]):
        places, its = zip(*own, strict=True)
        placed = _by_image([a for a, _ in its], [a.placed - b.placed for a, b in its])
        estimates.append(intervals.estimate(*placed))
        differences.append(float(np.mean([first[place][1] - second[place][1] for place in places])))
    found = intervals.mean(estimates)
    low, high = intervals.of_difference(found)
    return Lead(float(np.mean(differences)), low, high, intervals.p_value(found), len(common), len(estimates))


def _can_be_paired(one: Judgement | None, other: Judgement | None) -> bool:
    if one is None or other is None or one.placed is None or other.placed is None:
        return False
    return np.array_equal(one.images, other.images)


def _of_category(runs: pd.DataFrame, judged: Judged) -> Estimate | None:
    """Of the runs on one category; None where scores are missing."""
    parts = [judged.get(job) for job in runs.job_id]
    if any(part is None or part.placed is None for part in parts):
        return None
    return intervals.estimate(*_by_image(parts, [part.placed for part in parts]))


def _by_image(parts: Sequence[Judgement], values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Of R runs on one category: the labels (U,) of their images, and the values (U, R) that each has for its own, NaN
    where an image is not in a run's test part."""
    images, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "labels"))
    _, first, place = np.unique(images, return_index=True, return_inverse=True)
    table = np.full((len(first), len(parts)), np.nan)
    table[place, np.repeat(np.arange(len(parts)), [len(part.images) for part in parts])] = np.concatenate(values)
    return labels[first], table
