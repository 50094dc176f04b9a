"""Points of a ROC curve, as a factory asks for them: what is found at so many false alarms, and what finding so much
costs in false alarms.

Their threshold is the test part's own, so they say what the scores allow, not what a threshold that was chosen before
reaches: that is `recall` and `false_alarm_rate`.

The interval has two parts. With the threshold as given, a share of images is Wilson's. The threshold, by order
statistics, lies between two scores of the images that it is set by, whatever their distribution; both ends of it give
shares. Both distances from the figure are added in quadrature, as of two independent groups (Newcombe 1998).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from orchestrator.metrics.intervals import COVERAGE
from orchestrator.metrics.shares import share_interval

ROUNDING = 1e-9


@dataclass(frozen=True)
class Point:
    """A share of images, in [0, 1], with its 95 % interval."""

    value: float
    low: float
    high: float


def recall_at_fpr(labels: np.ndarray, scores: np.ndarray, fpr: float) -> Point:
    """Share of the defective images that is found at the lowest threshold that flags at most `fpr` of the good ones, by
    labels and finite scores (N,) of both classes.

    Fewer than 72 good images do not say how high the threshold of 5 % may lie: the interval then begins at 0.
    """
    return _share_beyond(scores[labels == 0], scores[labels == 1], fpr)


def fpr_at_recall(labels: np.ndarray, scores: np.ndarray, recall: float) -> Point:
    """Share of the good images that is flagged at the highest threshold that finds at least `recall` of the defective
    ones, likewise."""
    passed = _share_beyond(-scores[labels == 1], -scores[labels == 0], 1 - recall)
    return Point(1 - passed.value, 1 - passed.high, 1 - passed.low)


def _share_beyond(setting: np.ndarray, counted: np.ndarray, share: float) -> Point:
    """Share of `counted` above the lowest threshold that at most `share` of `setting` lies above."""
    highest_first = np.sort(setting)[::-1]
    value = _above(counted, highest_first, math.floor(share * len(setting) + ROUNDING))
    low, high = share_interval(value * len(counted), len(counted))
    at_most = special.bdtr(np.arange(len(setting) + 1), len(setting), share)  # so many lie above the true threshold
    least, most = np.searchsorted(at_most, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    at_highest = (counted >= highest_first[least - 1]).mean() if least > 0 else 0.0
    at_lowest = _above(counted, highest_first, most)
    return Point(
        value,
        max(0.0, value - math.hypot(value - low, value - at_highest)),
        min(1.0, value + math.hypot(high - value, at_lowest - value)),
    )


def _above(counted: np.ndarray, highest_first: np.ndarray, beyond: int) -> float:
    """Share of `counted` above the threshold that no more than `beyond` of the others lie above."""
    return float((counted > highest_first[beyond]).mean()) if beyond < len(highest_first) else 1.0
