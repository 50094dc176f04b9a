"""Points of a ROC curve against their definition, and their intervals against the truth of simulations."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.metrics.operating_points import Point, fpr_at_recall, recall_at_fpr

LABELS = np.repeat([0, 1], [20, 10])
SCORES = np.concatenate([np.arange(20.0), [25, 24, 23, 22, 21, 20, 18.5, 17.5, 3.5, 0.5]])


@pytest.mark.parametrize(("fpr", "recall"), [(0.01, 0.6), (0.05, 0.7), (0.1, 0.8), (0.99, 1.0)])
def test_recall_is_what_the_lowest_threshold_with_so_few_false_alarms_finds(fpr, recall):
    """Of 20 good images none may be flagged at .01, one at .05, two at .1."""
    assert recall_at_fpr(LABELS, SCORES, fpr).value == pytest.approx(recall)


@pytest.mark.parametrize(("recall", "fpr"), [(0.6, 0.0), (0.61, 0.05), (0.8, 0.1), (0.9, 0.8), (0.95, 0.95)])
def test_false_alarms_are_those_of_the_highest_threshold_that_finds_so_much(recall, fpr):
    assert fpr_at_recall(LABELS, SCORES, recall).value == pytest.approx(fpr)


def test_equal_scores_are_on_one_side_of_a_threshold():
    flat = np.zeros(30)
    assert recall_at_fpr(LABELS, flat, 0.05).value == 0 and fpr_at_recall(LABELS, flat, 0.95).value == 1


def test_of_two_perfect_halves_the_many_tell_more():
    few, many = (recall_at_fpr(np.repeat([0, 1], n), np.repeat([0.0, 1.0], n), 0.05) for n in (20, 200))
    assert few == Point(1.0, 0.0, 1.0), "20 good images do not bound the threshold of 5 %"
    assert many.value == many.high == 1 and 0.95 < many.low < 1


@pytest.mark.parametrize("good, defective", [(20, 60), (100, 50), (300, 100)])
@pytest.mark.parametrize("distance", [1.5, 3.0])
def test_the_intervals_hold_the_truth(good, defective, distance):
    """In 95 % of 400 draws or more, but for two standard errors."""
    labels, rng = np.repeat([0, 1], [good, defective]), np.random.default_rng(0)
    recall, fpr = stats.norm.sf(stats.norm.isf(0.05) - distance), stats.norm.sf(stats.norm.isf(0.9) + distance)
    held = np.zeros(2)
    for _ in range(400):
        scores = rng.normal(size=len(labels)) + distance * labels
        points = recall_at_fpr(labels, scores, 0.05), fpr_at_recall(labels, scores, 0.9)
        held += [point.low <= truth <= point.high for point, truth in zip(points, (recall, fpr), strict=True)]
        assert all(0 <= point.low <= point.value <= point.high <= 1 for point in points)
    assert (held / 400 > 0.928).all()
