"""Scores of the images that choose -> the threshold from which on an image is flagged."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Threshold:
    """An image is flagged where its score is `value` or more."""

    value: float
    most_false_alarms: float | None = None  # with 95 % confidence, their share among normals like those that chose
    most_missed: float | None = None  # so much of defects like those that chose


def for_false_alarms(labels: np.ndarray, scores: np.ndarray, share: float) -> Threshold:
    """The lowest threshold of which further normals, like the N that chose, are expected to exceed `share` at most.

    A further normal exceeds the k-th highest of N with probability k / (N + 1), whatever their distribution: k is the
    largest whole number up to `share` (N + 1), and the threshold lies midway between that score and the next higher one
    of any image. The share that exceeds the k-th highest is Beta(k, N + 1 - k), hence the bound. Fewer than
    `normals_needed` cannot show the share: the threshold then lies above all of them (k = 1).

    Raises FloatingPointError where a score is not finite.
    """
    _require_finite(scores)
    normals = np.sort(scores[labels == 0])[::-1]
    rank = min(max(1, math.floor(share * (len(normals) + 1) + 1e-9)), len(normals))
    exceeded = normals[rank - 1]
    higher = scores[scores > exceeded]
    value = _between(exceeded, higher.min()) if len(higher) else np.nextafter(exceeded, np.inf)
    return Threshold(float(value), float(stats.beta.ppf(CONFIDENCE, rank, len(normals) + 1 - rank)))


def for_recall(labels: np.ndarray, scores: np.ndarray, recall: float) -> Threshold:
    """The highest threshold of which further defects, like those that chose, are expected to reach `recall` at least.

    As `for_false_alarms`, seen from the other side: a further defect lies below the k-th lowest of D with probability
    k / (D + 1), and the threshold midway between that score and the next lower one of any image.

    Raises FloatingPointError where a score is not finite.
    """
    mirrored = for_false_alarms(1 - labels, -scores, 1 - recall)
    return Threshold(float(np.nextafter(-mirrored.value, np.inf)), most_missed=mirrored.most_false_alarms)


def for_cost(labels: np.ndarray, scores: np.ndarray, escape: float, false_alarm: float) -> Threshold:
    """The threshold of the least cost on these images, where a defect that passes costs `escape` and a good part that
    is stopped `false_alarm`; midway between two neighbouring scores, the highest among equals; above all of them where
    flagging nothing costs least.

    Raises FloatingPointError where a score is not finite.
    """
    _require_finite(scores)
    order = np.argsort(scores)
    cuts, first = np.unique(scores[order], return_index=True)  # flagged are those from `first` on
    defective = np.concatenate([[0], np.cumsum(labels[order] == 1)])
    good = np.concatenate([[0], np.cumsum(labels[order] == 0)])
    first = np.append(first, len(scores))
    costs = escape * defective[first] + false_alarm * (good[-1] - good[first])
    best = len(costs) - 1 - int(np.argmin(costs[::-1]))
    if best == len(cuts):
        return Threshold(float(np.nextafter(cuts[-1], np.inf)))
    return Threshold(float(_between(cuts[best - 1], cuts[best]) if best else cuts[0]))


def normals_needed(share: float) -> int:
    """How many normals can show a share of false alarms: of fewer, the highest is exceeded more often."""
    return math.ceil(1 / share - 1 - 1e-9)


def for_best_f1(labels: np.ndarray, scores: np.ndarray) -> Threshold:
    """The threshold of the highest F1, midway between two neighbouring scores; the lowest among equals.

    Raises FloatingPointError where a score is not finite.
    """
    _require_finite(scores)
    order = np.argsort(scores)
    cuts, first = np.unique(scores[order], return_index=True)  # flagged are those from `first` on
    defective = (labels[order] == 1).astype(int)
    hits = defective.sum() - np.concatenate([[0], np.cumsum(defective)])[first]
    best = int(np.argmax(2 * hits / (len(scores) - first + defective.sum())))
    return Threshold(float(_between(cuts[best - 1], cuts[best]) if best else cuts[0]))


def _between(low: float, high: float) -> float:
    """Midway, and above `low` where no number lies between."""
    middle = low + (high - low) / 2
    return middle if middle > low else high


def _require_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        raise FloatingPointError("the scores that choose the threshold are not finite; a lower lr may help")
