"""Scores, labels and masks -> figures. Pure. Label 1 is defective; a higher score is more anomalous. A figure that is
undefined is None."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Verdicts:
    """Figures of a threshold on the image score. Where precision is undefined (nothing flagged) it is 0."""

    accuracy: float
    precision: float
    recall: float
    f1: float


def auroc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve, in [0, 1]; None unless both classes are there and every score is finite."""
    if len(np.unique(labels)) < 2 or not np.isfinite(scores).all():
        return None
    return float(roc_auc_score(labels, scores))


def auroc_interval(
    labels: np.ndarray, scores: np.ndarray, seed: int, coverage: float = 0.95
) -> tuple[float | None, float | None]:
    """Percentile bootstrap interval of the AUROC, resampled within each class."""
    if auroc(labels, scores) is None:
        return None, None
    normal, defective = scores[labels == 0], scores[labels == 1]
    wins = (defective[:, None] > normal[None, :]) + 0.5 * (defective[:, None] == normal[None, :])
    rng = np.random.default_rng(seed)
    draws_d = _counts(rng, len(defective))
    draws_n = _counts(rng, len(normal))
    aucs = np.einsum("bd,dn,bn->b", draws_d, wins, draws_n, optimize=True) / wins.size
    tail = (1 - coverage) / 2
    low, high = np.quantile(aucs, [tail, 1 - tail])
    return float(low), float(high)


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float | None:
    return None if auroc(labels, scores) is None else float(average_precision_score(labels, scores))


def best_f1_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold (flag where score >= it) of the highest F1, midway between two neighbouring scores; the lowest
    among equals."""
    cuts = np.unique(scores)
    middles = np.concatenate([cuts[:1], (cuts[:-1] + cuts[1:]) / 2])
    flagged = scores[None, :] >= middles[:, None]
    hits = (flagged & (labels == 1)).sum(1)
    f1 = 2 * hits / (flagged.sum(1) + (labels == 1).sum())
    return float(middles[int(np.argmax(f1))])


def verdicts(labels: np.ndarray, scores: np.ndarray, threshold: float) -> Verdicts:
    flagged = scores >= threshold
    precision, recall, f1, _ = precision_recall_fscore_support(labels, flagged, average="binary", zero_division=0)
    return Verdicts(float((flagged == (labels == 1)).mean()), float(precision), float(recall), float(f1))


def pixel_auroc(masks: np.ndarray, maps: np.ndarray) -> float | None:
    """AUROC over every pixel of (N, H, W) masks and maps."""
    return auroc(masks.ravel().astype(np.int8), maps.ravel())


def au_pro(masks: np.ndarray, maps: np.ndarray, max_fpr: float = 0.3) -> float | None:
    """Area under the per-region-overlap curve up to `max_fpr`, normalised to [0, 1] (Bergmann et al. 2021, MVTec AD,
    section 5.2).

    Each 8-connected region of ground truth counts alike, however small; false positives are counted over all normal
    pixels.
    """
    masks = masks.astype(bool)
    if not masks.any() or masks.all() or not np.isfinite(maps).all():
        return None
    weight = _region_weights(masks)  # of a defective pixel: 1 / (its region's area * number of regions)
    order = np.argsort(-maps, axis=None, kind="stable")
    value = maps.ravel()[order]
    negative = ~masks.ravel()[order]
    fpr = np.cumsum(negative) / negative.sum()
    overlap = np.cumsum(weight.ravel()[order])
    last = np.append(value[1:] != value[:-1], True)  # tied pixels are flagged together
    fpr, overlap = np.append(0.0, fpr[last]), np.append(0.0, overlap[last])
    grid = fpr <= max_fpr
    at_limit = np.interp(max_fpr, fpr, overlap)
    area = np.trapezoid(np.append(overlap[grid], at_limit), np.append(fpr[grid], max_fpr))
    return min(1.0, float(area / max_fpr))  # rounding may pass 1


def _region_weights(masks: np.ndarray) -> np.ndarray:
    weight = np.zeros(masks.shape)
    regions = 0
    for mask, out in zip(masks, weight, strict=True):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        areas = np.bincount(labels.ravel(), minlength=count + 1)
        out[mask] = 1.0 / areas[labels[mask]]
        regions += count
    return weight / regions


def _counts(rng: np.random.Generator, n: int) -> np.ndarray:
    """(BOOTSTRAPS, n): how often each of n items is drawn in a resample of n."""
    return rng.multinomial(n, np.full(n, 1 / n), size=BOOTSTRAPS).astype(np.float64)
