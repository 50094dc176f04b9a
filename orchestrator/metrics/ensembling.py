"""How much each of several detectors counts in their mean: chosen on the images that choose.

Greedy selection with replacement (Caruana et al., ICML 2004), begun with all of them: where validation cannot tell
detectors apart, as at an AUROC of 1, all then count alike. Begun with the best alone it stayed with it there, and the
test AUROC was .9745 in place of .9764 (nine runs on three real categories; docs/results/ensemble.md). Pure.

Letters: V images that choose, K detectors.
"""

import numpy as np

from orchestrator.metrics.image import auroc

MOST_ADDED = 20  # to the first K


def greedy_weights(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(K,) shares above 0 that sum to 1: each detector once, and then again and again the one that raises the AUROC of
    the mean most, as long as any does; of equals the first.

    `scores` (V, K) are comparable: each detector's in units of what normal images vary by.
    """
    counts = np.ones(scores.shape[1])
    reached = auroc(labels, scores @ counts)
    for _ in range(MOST_ADDED):
        values = [auroc(labels, scores @ counts + own) for own in scores.T]
        best = int(np.argmax(values))
        if values[best] <= reached:
            break
        counts[best] += 1
        reached = values[best]
    return counts / counts.sum()
