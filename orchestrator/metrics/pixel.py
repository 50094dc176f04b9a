"""Masks and maps -> figures of where a detector sees defects.

Both figures follow from how many normal pixels are above each defective one, so only normal pixels are sorted, and the
curves are never drawn. Masks and maps are sequences, of equal shapes (h, w) one by one; the shapes may differ between
images.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

Arrays = np.ndarray | Sequence[np.ndarray]


def pixel_auroc(masks: Arrays, maps: Arrays) -> float | None:
    """AUROC over every pixel of all images; None unless both kinds are there and every value is finite."""
    ranks = _ranks(masks, maps)
    if ranks is None:
        return None
    above, up_to = ranks
    return float(1 - (above + up_to).mean() / 2)


def au_pro(masks: Arrays, maps: Arrays, max_fpr: float = 0.3) -> float | None:
    """Area under the per-region-overlap curve up to `max_fpr`, normalised to [0, 1] (Bergmann et al. 2021, MVTec AD,
    section 5.2).

    Each 8-connected region of ground truth counts alike, however small; false positives are counted over all normal
    pixels. None where `pixel_auroc` is.
    """
    ranks = _ranks(masks, maps)
    if ranks is None:
        return None
    above, up_to = ranks
    # A defective pixel is flagged from the false positive rate `above` on; with normal pixels tied to it, bit by bit
    # from there to `up_to`. Its part of the area: the mean, up to the limit, of how much of it is flagged.
    left, tied = np.maximum(max_fpr - above, 0), up_to - above
    rising = np.minimum(left, tied)
    flagged = left - rising + np.divide(rising**2, 2 * tied, out=np.zeros_like(tied), where=tied > 0)
    return min(1.0, float(_region_weights(masks) @ flagged / max_fpr))  # rounding may pass 1


def _ranks(masks: Arrays, maps: Arrays) -> tuple[np.ndarray, np.ndarray] | None:
    """(P,) and (P,): of each defective pixel the shares of the normal pixels above it, and above or equal."""
    pairs = list(zip(masks, maps, strict=True))
    defective = np.concatenate([heat[mask] for mask, heat in pairs])
    normal = np.concatenate([heat[~mask] for mask, heat in pairs])
    if not (len(defective) and len(normal) and np.isfinite(defective).all() and np.isfinite(normal).all()):
        return None
    normal.sort()
    up_to, above = (len(normal) - np.searchsorted(normal, defective, side) for side in ("left", "right"))
    return above / len(normal), up_to / len(normal)


def _region_weights(masks: Arrays) -> np.ndarray:
    """(P,) of each defective pixel: 1 / (its region's area * number of regions)."""
    weights, regions = [], 0
    for mask in masks:
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        weights.append(1.0 / np.bincount(labels.ravel(), minlength=count + 1)[labels[mask]])
        regions += count
    return np.concatenate(weights) / regions
