"""How sure shares of images are, from counts: recall, false alarms and the like, at a threshold.

Letters: U images, R runs.
"""

import math

import numpy as np
from scipy import special

from orchestrator.metrics.intervals import COVERAGE, Z


def share_interval(hits: float, of: float) -> tuple[float, float]:
    """95 % interval of a share, from counts (Wilson 1927); 0 to 1 where nothing was counted."""
    if of <= 0:
        return 0.0, 1.0
    share = hits / of
    middle = (share + Z**2 / (2 * of)) / (1 + Z**2 / of)
    reach = Z / (1 + Z**2 / of) * math.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    return (0.0 if hits <= 0 else middle - reach), (1.0 if hits >= of else middle + reach)


def exact_interval(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share, from counts, which holds the truth in no fewer cases than that (Clopper and Pearson
    1934); 0 to 1 where nothing was counted."""
    tail = (1 - COVERAGE) / 2
    low = float(special.betaincinv(hits, of - hits + 1, tail)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, of - hits, 1 - tail)) if hits < of else 1.0
    return low, high


def verdict_intervals(labels: np.ndarray, flagged: np.ndarray) -> dict[str, tuple[float, float]]:
    """95 % intervals of the mean accuracy, precision, recall, F1 and false-alarm rate of R runs on U images.

    `flagged` (U, R), by each run's own threshold, which is taken as given, is 1, 0, or NaN where an image is not in its
    test part.

    Wilson's, from the mean counts of a run: runs on the same images are no more evidence than one. What several runs
    differ by lowers the count that the interval is made of. F1 is 2 S / (1 + S) of the share S of hits among hits,
    misses and false alarms.
    """
    defective = (labels == 1)[:, None]
    hits, alarms = ((flagged == 1) & defective).sum(0), ((flagged == 1) & ~defective).sum(0)
    positives, judged = (~np.isnan(flagged) & defective).sum(0), (~np.isnan(flagged)).sum(0)
    negatives = judged - positives
    s_low, s_high = _mean_share(hits, positives + alarms)
    return {
        "accuracy": _mean_share(hits + negatives - alarms, judged),
        "precision": _mean_share(hits, hits + alarms),
        "recall": _mean_share(hits, positives),
        "f1": (2 * s_low / (1 + s_low), 2 * s_high / (1 + s_high)),
        "false_alarm_rate": _mean_share(alarms, negatives),
    }


def _mean_share(hits: np.ndarray, of: np.ndarray) -> tuple[float, float]:
    """Of the mean of R shares (R,), from the mean count, less where they spread."""
    shares, count = hits / np.maximum(of, 1), float(of.mean())
    share = float(shares.mean())
    binomial = share * (1 - share)
    if len(shares) > 1 and binomial > 0 and count > 0:
        count = binomial / (binomial / count + float(shares.var(ddof=1)) / len(shares))
    return share_interval(share * count, count)
