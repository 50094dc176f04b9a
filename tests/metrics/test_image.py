"""Figures against numbers worked out by hand, and against slow definitions written out here."""

import numpy as np
import pytest

from orchestrator.metrics import image

LABELS = np.array([0, 0, 1, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.2, 0.8, 0.4])


def test_auroc_by_hand():
    # pairs (defective, normal) won: .35 beats .1 .2; .8 beats all three; .4 beats .1 .2 and ties .4
    assert image.auroc(LABELS, SCORES) == pytest.approx((2 + 3 + 2.5) / 9)


def test_average_precision_by_hand():
    # from the top: .8 hit (1/1), then .4 .4 together (2 of 3), then .35 hit (3/4); recall grows by 1/3 each time
    assert image.average_precision(LABELS, SCORES) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


@pytest.mark.parametrize("figure", [image.auroc, image.average_precision])
def test_undefined_figures_are_none(figure):
    assert figure(np.zeros(3, int), np.arange(3.0)) is None, "one class"
    assert figure(np.ones(3, int), np.arange(3.0)) is None
    assert figure(np.array([0, 1]), np.array([0.0, np.nan])) is None
    assert figure(np.array([0, 1]), np.array([0.0, np.inf])) is None


def test_perfect_reversed_and_constant_scores():
    labels = np.array([0, 0, 1, 1])
    assert image.auroc(labels, np.array([1.0, 2, 3, 4])) == 1
    assert image.auroc(labels, np.array([4.0, 3, 2, 1])) == 0
    assert image.auroc(labels, np.ones(4)) == 0.5


# -- verdicts


def test_verdicts_by_hand():
    # flagged from .4 up: .4 (normal), .8 and .4 (defective); .35 is missed, .1 and .2 are right
    assert image.verdicts(LABELS, SCORES, 0.4) == image.Verdicts(
        accuracy=4 / 6, precision=2 / 3, recall=2 / 3, f1=2 / 3
    )


def test_verdicts_where_nothing_is_flagged():
    assert image.verdicts(LABELS, SCORES, 2.0) == image.Verdicts(accuracy=0.5, precision=0, recall=0, f1=0)
