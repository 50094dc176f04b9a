"""Labels, scores and masks -> figures. Pure. Label 1 is defective; a higher score is more anomalous. A figure that is
undefined is None."""

import numpy as np


def is_defined(labels: np.ndarray, scores: np.ndarray) -> bool:
    """Whether figures of a ranking are: both classes are there, and every score is finite."""
    return len(np.unique(labels)) == 2 and bool(np.isfinite(scores).all())
