"""Masks and maps -> figures of where a detector sees defects."""

import numpy as np
from scipy import ndimage

from orchestrator.metrics.image import auroc


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
