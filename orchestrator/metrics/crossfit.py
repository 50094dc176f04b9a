"""Cross-fitting: every labelled image has a say in the choice, and none in the choice that it is judged by.

folds of the labelled images; candidates, such as every epoch of every trial, each with its scores of all of them -> for
each fold the candidate that is best on the others, and the threshold that the others choose -> what both say of the
fold. So the figures are those of choosing as such, on nearly all images, not of one detector; the detector that is
deployed was chosen once more, on all of them.

Candidates have scales of their own. A fold's scores are brought to the scale of the deployed one by the mean and the
deviation of both on the other folds' good images.

Letters: C candidates, V labelled images, K folds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class CrossFitted:
    """What the choice comes to, image by image, on the scale of the deployed candidate."""

    scores: np.ndarray  # (V,)
    thresholds: np.ndarray  # (V,) of the image's fold: of this score or more it is flagged
    chosen: tuple[int, ...]  # a candidate for each fold
    values: tuple[float, ...]  # their AUROCs on all other folds


def judge(
    labels: np.ndarray,
    folds: np.ndarray,
    candidates: np.ndarray,
    deployed: int,
    threshold: Callable[[np.ndarray, np.ndarray], float],
) -> CrossFitted:
    """Of `candidates` (C, V), in order of preference among equals, on images of `labels` and `folds` (V,), counted from
    0. `threshold(labels, scores)` is chosen on a fold's others. A candidate with a score that is not finite has no
    part; `deployed` must not be one."""
    scores, thresholds = np.empty(len(labels)), np.empty(len(labels))
    chosen, values = [], []
    for fold in range(folds.max() + 1):
        within, others = folds == fold, folds != fold
        reached = aurocs(labels[others], candidates[:, others])
        best = int(np.argmax(reached))
        limit = threshold(labels[others], candidates[best, others])
        scale, shift = 1.0, 0.0
        if best != deployed:
            scale, shift = _onto(candidates[deployed], candidates[best], others & (labels == 0))
        scores[within] = scale * candidates[best, within] + shift
        thresholds[within] = scale * limit + shift
        chosen.append(best)
        values.append(float(reached[best]))
    return CrossFitted(scores, thresholds, tuple(chosen), tuple(values))


def aurocs(labels: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """(C,) of scores (C, V); -inf where one is not finite."""
    defective = labels == 1
    pairs = defective.sum() * (~defective).sum()
    is_sound = np.isfinite(candidates).all(axis=1)
    ranks = stats.rankdata(np.where(is_sound[:, None], candidates, 0.0), axis=1)[:, defective]
    beaten = ranks.sum(axis=1) - defective.sum() * (defective.sum() + 1) / 2
    return np.where(is_sound, beaten / pairs, -np.inf)


def _onto(target: np.ndarray, scores: np.ndarray, normals: np.ndarray) -> tuple[float, float]:
    """Scale and shift that give the normals' scores the mean and the deviation that they have in `target`."""
    spread = scores[normals].std()
    scale = target[normals].std() / spread if spread > 0 else 1.0
    return float(scale), float(target[normals].mean() - scale * scores[normals].mean())
