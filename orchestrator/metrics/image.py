"""Labels and scores of images -> figures of a detector. Label 1 is defective; a higher score is more anomalous."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from orchestrator.metrics import is_defined


@dataclass(frozen=True)
class Verdicts:
    """Figures of a threshold on the image score. Where precision is undefined (nothing flagged) it is 0."""

    accuracy: float
    precision: float
    recall: float
    f1: float


def auroc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve, in [0, 1]; None unless both classes are there and every score is finite."""
    return float(roc_auc_score(labels, scores)) if is_defined(labels, scores) else None


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Average precision, in [0, 1]: the step-wise area under the precision-recall curve. None where `auroc` is."""
    return float(average_precision_score(labels, scores)) if is_defined(labels, scores) else None


def verdicts(labels: np.ndarray, scores: np.ndarray, threshold: float | np.ndarray) -> Verdicts:
    """Accuracy, precision, recall and F1 of flagging each image whose score (N,) is at least `threshold`, one or each
    image's own (N,)."""
    flagged = scores >= threshold
    precision, recall, f1, _ = precision_recall_fscore_support(labels, flagged, average="binary", zero_division=0)
    return Verdicts(float((flagged == (labels == 1)).mean()), float(precision), float(recall), float(f1))
