"""How much each detector counts: all of them, and more of those that raise the AUROC of the mean."""

import numpy as np
import pytest

from orchestrator.metrics.ensembling import MOST_ADDED, greedy_weights
from orchestrator.metrics.image import auroc

LABELS = np.array([0] * 40 + [1] * 20)


def scores(*strengths: float, seed: int = 0) -> np.ndarray:
    """Of detectors that err apart from each other; the defects lie so many deviations above the normals."""
    noise = np.random.default_rng(seed).normal(size=(len(LABELS), len(strengths)))
    return noise + LABELS[:, None] * np.array(strengths)


def test_where_nothing_can_be_raised_all_count_alike():
    assert greedy_weights(LABELS, scores(20.0, 20.0, 20.0)) == pytest.approx([1 / 3] * 3)


def test_weights_are_shares_and_no_worse_than_equal_ones_on_the_images_that_choose():
    for seed in range(20):
        given = scores(1.0, 0.2, 2.0, seed=seed)
        weights = greedy_weights(LABELS, given)
        assert weights.sum() == pytest.approx(1) and weights.min() > 0
        assert auroc(LABELS, given @ weights) >= auroc(LABELS, given.mean(axis=1))


def test_who_sees_nothing_counts_least():
    weights = greedy_weights(LABELS, scores(2.0, 0.0))
    assert weights[0] > 0.6 and weights[1] >= 1 / (MOST_ADDED + 2)


def test_together_those_that_err_apart_see_more_than_the_best_alone():
    """By weights of some images, on others."""
    gains = []
    for seed in range(20):
        weights, new = greedy_weights(LABELS, scores(1.5, 1.4, 1.3, seed=seed)), scores(1.5, 1.4, 1.3, seed=100 + seed)
        gains.append(auroc(LABELS, new @ weights) - auroc(LABELS, new[:, 0]))
    assert np.mean(gains) > 0.05
