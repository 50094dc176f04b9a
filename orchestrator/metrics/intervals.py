"""How sure AUROCs and their differences are, in closed form.

A placement is the share of the other class's images that an image stands on the right side of, ties a half; an AUROC is
their mean over either class. Its variance is that of the placements (DeLong, DeLong and Clarke-Pearson 1988), and the
interval is made on the logit scale, with Student's t where the images, or the seeds, are few (degrees of freedom by
Satterthwaite 1946).

Where every pair was judged rightly that variance is 0, and the truth may still lie below 1. There the lower end is the
score interval of Newcombe (2006, method 5), whose variance follows from the AUROC and from the number of images alone.
No interval is surer than that: a test part that lost a pair tells no more than one that lost none.

Letters: U images, R runs. benchmarks/coverage.py measures how often the intervals hold the truth.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from orchestrator.metrics import is_defined

COVERAGE = 0.95
Z = float(special.ndtri((1 + COVERAGE) / 2))
NOTHING = 1e-18  # a variance below it is rounding
Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class Estimate:
    """A mean AUROC, or a mean difference of two. Its variance is the sum of `variances`, each with its `freedom`."""

    value: float
    variances: tuple[float, ...]
    freedom: tuple[float, ...]  # degrees of freedom
    unseen: float  # so far from 1 may lie the truth of an AUROC of 1: the half-width where nothing varies

    @property
    def variance(self) -> float:
        """Of the value."""
        return sum(self.variances)

    @property
    def quantile_freedom(self) -> float:
        """Degrees of freedom of the sum (Satterthwaite); infinite where only known variances count."""
        spread = sum(v**2 / f for v, f in zip(self.variances, self.freedom, strict=True))
        return self.variance**2 / spread if spread else math.inf


def auroc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Of the scores (U,) of one run, as the mean placement; None unless both classes are there and all are finite."""
    if not is_defined(labels, scores):
        return None
    return float(_share_below(scores[labels == 0], scores[labels == 1]).mean())


def placements(labels: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
    """(U,) of the scores (U,) of one run; None unless it has two finite scores of each class."""
    is_defective = labels == 1
    defective, normal = scores[is_defective], scores[~is_defective]
    if min(len(defective), len(normal)) < 2 or not is_defined(labels, scores):
        return None
    placed = np.empty(len(scores))
    placed[is_defective] = _share_below(normal, defective)
    placed[~is_defective] = 1 - _share_below(defective, normal)
    return placed


def estimate(labels: np.ndarray, placed: np.ndarray) -> Estimate:
    """The mean AUROC of R runs on U images, from their placements (U, R): NaN where an image is not in a run's test
    part; or the mean difference of R pairs of runs, from the differences of their placements.

    Runs that judge the same image are no independent evidence of it: its placements are averaged over the runs before
    their variance is taken. What the runs differ by beyond that is the seeds' own variance, of R - 1 degrees of freedom
    (Obuchowski and Rockette 1995, with seeds as their readers). So an interval speaks of other images and, from two
    seeds on, of other seeds.
    """
    runs = placed.shape[1]
    covariances, freedom, sizes = [], [], []
    for label in (1, 0):
        own = placed[labels == label]
        there = ~np.isnan(own)
        count = there.sum(0)
        deviations = np.where(there, own - np.nanmean(own, axis=0), 0.0) / np.sqrt(count * (count - 1))
        covariances.append(deviations.T @ deviations)  # (R, R), of the runs' AUROCs, from this class's images
        freedom.append(float(there.any(1).sum() - 1))
        sizes.append(float(count.mean()))
    values = np.nanmean(placed[labels == 1], axis=0)
    variances = [float(covariance.sum()) / runs**2 for covariance in covariances]
    if runs > 1:
        variances.append(_seeds_variance(values, sum(covariances)) / runs)
        freedom.append(float(runs - 1))
    unseen = _unseen(*sizes)
    if sum(variances) < NOTHING:
        variances, freedom = [(unseen / Z) ** 2], [math.inf]
    return Estimate(float(values.mean()), tuple(variances), tuple(freedom), unseen)


def mean(estimates: Sequence[Estimate]) -> Estimate:
    """Of independent estimates, one at least, such as those of several categories."""
    count = len(estimates)
    return Estimate(
        sum(e.value for e in estimates) / count,
        tuple(v / count**2 for e in estimates for v in e.variances),
        tuple(f for e in estimates for f in e.freedom),
        math.hypot(*(e.unseen for e in estimates)) / count,
    )


def auroc_interval(labels: np.ndarray, scores: np.ndarray) -> Interval:
    """95 % interval of one run's AUROC; (None, None) where there are no `placements`."""
    placed = placements(labels, scores)
    return (None, None) if placed is None else of_auroc(estimate(labels, placed[:, None]))


def of_auroc(found: Estimate) -> tuple[float, float]:
    """95 % interval of a mean AUROC."""
    low, high = _on_logit(found.value, found.variance, found.quantile_freedom)
    return min(low, 1 - found.unseen), max(high, found.unseen)


def of_counts(auroc: float, defective: int, normal: int) -> tuple[float, float]:
    """95 % interval of an AUROC of which nothing is known but on how many images it was taken."""
    unseen = _unseen(defective, normal)
    low, high = _on_logit(auroc, variance_of_counts(auroc, defective, normal), math.inf)
    return min(low, 1 - unseen), max(high, unseen)


def of_difference(found: Estimate) -> tuple[float, float]:
    """95 % interval of a difference of AUROCs: of (1 + difference) / 2, which lies in [0, 1], on the logit scale."""
    low, high = _on_logit((1 + found.value) / 2, found.variance / 4, found.quantile_freedom)
    return 2 * low - 1, 2 * high - 1


def p_value(found: Estimate) -> float:
    """Two-sided, of a difference that is 0: below .05 where `of_difference` leaves 0 out."""
    share, deviation = (1 + found.value) / 2, math.sqrt(found.variance) / 2
    if 0 < share < 1:
        distance = abs(special.logit(share)) * share * (1 - share) / deviation
    else:
        distance = 0.5 / deviation
    return float(2 * special.stdtr(found.quantile_freedom, -distance))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjusted for their number (Holm 1979): those below .05 hold all together, with 95 % confidence."""
    values = np.asarray(p_values, float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return adjusted


def _share_below(others: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of each value, the share of others that are less; equal ones count a half."""
    others = np.sort(others)
    return (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / (2 * len(others))


def _seeds_variance(values: np.ndarray, covariance: np.ndarray) -> float:
    """Of R values (R,), what they vary by beyond what their images (R, R) explain."""
    runs = len(values)
    own = np.trace(covariance) / runs
    shared = (covariance.sum() - np.trace(covariance)) / (runs * (runs - 1))
    return max(0.0, float(values.var(ddof=1) - (own - shared)))


@functools.lru_cache
def _unseen(defective: float, normal: float) -> float:
    """1 less the lower end of Newcombe's 95 % interval (2006, method 5) of an AUROC of 1 on so many images."""

    def excess(auroc: float) -> float:
        return 1 - auroc - Z * math.sqrt(variance_of_counts(auroc, defective, normal))

    return 1 - float(optimize.brentq(excess, 1e-9, 1 - 1e-12))


def variance_of_counts(auroc: float, defective: float, normal: float) -> float:
    """Of an AUROC on so many images (Newcombe 2006, method 5)."""
    more = (defective + normal) / 2 - 1
    spread = 1 + more * (1 - auroc) / (2 - auroc) + more * auroc / (1 + auroc)
    return auroc * (1 - auroc) * spread / (defective * normal)


def _on_logit(share: float, variance: float, freedom: float) -> tuple[float, float]:
    """95 % interval of a share in [0, 1]; at an end, where there is no logit, on the plain scale."""
    reach = float(special.stdtrit(freedom, (1 + COVERAGE) / 2)) * math.sqrt(variance)
    if not 0 < share < 1:
        return max(0.0, share - reach), min(1.0, share + reach)
    middle, reach = special.logit(share), reach / (share * (1 - share))
    return float(special.expit(middle - reach)), float(special.expit(middle + reach))
