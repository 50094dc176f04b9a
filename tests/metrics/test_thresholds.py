"""Thresholds against counts by hand, slow definitions, and what they promise of further normals."""

import time

import numpy as np
import pytest

from orchestrator.metrics import image
from orchestrator.metrics.thresholds import for_best_f1, for_cost, for_false_alarms, for_recall, normals_needed

LABELS = np.array([0, 0, 1, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.2, 0.8, 0.4])


# -- false alarms


def test_of_39_normals_one_may_be_flagged_for_5_percent():
    normals = np.arange(39.0)
    found = for_false_alarms(np.zeros(39), normals, 0.05)  # 2 / 40
    assert 37 < found.value <= 38 and (normals >= found.value).sum() == 1
    assert found.most_false_alarms == pytest.approx(0.11595, abs=1e-5), "the 95 % quantile of Beta(2, 38)"


def test_ten_normals_cannot_show_5_percent_and_say_how_much_it_may_be():
    found = for_false_alarms(np.zeros(10), np.arange(10.0), 0.05)
    assert found.value > 9, "none of them is flagged"
    assert found.most_false_alarms == pytest.approx(1 - 0.05**0.1)
    assert normals_needed(0.05) == 19 and normals_needed(0.1) == 9 and normals_needed(0.5) == 1


def test_it_lies_midway_to_the_next_higher_score_of_any_image():
    labels, scores = np.array([0] * 19 + [1, 1]), np.array([*range(19), 17.5, 22.0])
    assert for_false_alarms(labels, scores, 0.05).value == 20


def test_equal_scores_of_normals_are_on_one_side():
    scores = np.array([1.0] * 20 + [2.0] * 19)
    assert for_false_alarms(np.zeros(39), scores, 0.05).value > 2


@pytest.mark.parametrize(("normals", "share"), [(39, 0.05), (60, 0.1), (25, 0.3)])
def test_further_normals_exceed_it_as_rarely_as_promised(normals, share):
    rng, rates, held = np.random.default_rng(0), [], 0
    for _ in range(2000):
        scores = rng.random(normals)
        found = for_false_alarms(np.zeros(normals), scores, share)
        rates.append(1 - found.value)
        held += rates[-1] <= found.most_false_alarms
    assert share - 1.5 / (normals + 1) < np.mean(rates) < share + 0.005
    assert held / 2000 > 0.94


# -- best F1


def test_it_lies_midway_below_the_scores_it_flags():
    # flagged from .35 up: 3 hits of 4, F1 6/7; from .4 up: 2 of 3, 4/6; from .2 up: 3 of 5, 6/8; only .8: 2/4
    assert for_best_f1(LABELS, SCORES).value == pytest.approx((0.2 + 0.35) / 2)


def test_of_equally_good_thresholds_the_lowest_is_taken():
    # flagging {.9} gives 2/(1+2), flagging all four 4/(4+2): equal; flagging the top two 2/4, the top three 2/5
    assert for_best_f1(np.array([1, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.9])).value == 0.1


def test_one_score_for_all_flags_all():
    assert for_best_f1(np.array([0, 1]), np.array([0.5, 0.5])).value == 0.5


def test_neighbouring_floats_are_told_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    assert for_best_f1(np.array([0, 1]), np.array([low, high])).value == high


def test_the_threshold_is_the_best_of_all_there_are():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, scores = rng.integers(0, 2, 15) | (np.arange(15) == 0), rng.normal(size=15).round(1)
        every = [image.verdicts(labels, scores, cut).f1 for cut in np.unique(scores)]
        found = image.verdicts(labels, scores, for_best_f1(labels, scores).value).f1
        assert found == pytest.approx(max(every))


def test_many_images_take_no_square_of_them():
    rng, start = np.random.default_rng(0), time.process_time()
    for_best_f1(rng.integers(0, 2, 300_000), rng.normal(size=300_000))
    assert time.process_time() - start < 5


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_scores_that_are_not_finite_give_no_threshold(score):
    scores = np.array([0.1, 0.4, 0.35, 0.2, 0.8, score])
    for choose in (for_best_f1, lambda *known: for_false_alarms(*known, 0.05)):
        with pytest.raises(FloatingPointError, match="not finite"):
            choose(LABELS, scores)


# -- recall, and cost


def test_of_39_defects_one_may_be_missed_for_95_percent():
    defects = np.arange(39.0)
    found = for_recall(np.ones(39), defects, 0.95)  # 2 / 40
    assert 0 < found.value <= 1 and (defects < found.value).sum() == 1
    assert found.most_missed == pytest.approx(0.11595, abs=1e-5) and found.most_false_alarms is None


@pytest.mark.parametrize(("defects", "recall"), [(39, 0.95), (60, 0.9), (25, 0.7)])
def test_further_defects_reach_it_as_often_as_promised(defects, recall):
    rng, missed, held = np.random.default_rng(0), [], 0
    for _ in range(2000):
        found = for_recall(np.ones(defects), rng.random(defects), recall)
        missed.append(found.value)
        held += missed[-1] <= found.most_missed
    assert 1 - recall - 1.5 / (defects + 1) < np.mean(missed) < 1 - recall + 0.005
    assert held / 2000 > 0.94


def test_the_least_cost_is_that_of_trying_every_threshold():
    rng = np.random.default_rng(0)
    for escape, false_alarm in ((1, 1), (10, 1), (1, 10), (3, 2)):
        labels, scores = rng.integers(0, 2, 40), rng.integers(0, 12, 40).astype(float)
        tried = np.array([for_cost(labels, scores, escape, false_alarm).value, *np.unique(scores), 99.0])
        flagged = scores >= tried[:, None]
        costs = escape * (~flagged & (labels == 1)).sum(axis=1) + false_alarm * (flagged & (labels == 0)).sum(axis=1)
        assert costs[0] == costs.min()


def test_where_stopping_costs_more_than_all_defects_nothing_is_flagged():
    assert (for_cost(LABELS, SCORES, 1, 1000).value > SCORES).sum() == 5, "but for the highest, which is defective"
    assert for_cost(1 - LABELS, SCORES, 1, 1000).value > SCORES.max()
