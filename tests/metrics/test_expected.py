"""What a threshold is said to come to, beside what it truly comes to on images that had no part in its choice."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.metrics import thresholds
from orchestrator.metrics.expected import PARTS, expected, flagged_by_others
from orchestrator.metrics.shares import exact_interval

CHOICES = {
    "5 % false alarms": lambda labels, scores: thresholds.for_false_alarms(labels, scores, 0.05).value,
    "90 % recall": lambda labels, scores: thresholds.for_recall(labels, scores, 0.9).value,
    "f1": lambda labels, scores: thresholds.for_best_f1(labels, scores).value,
    "cost 5:1": lambda labels, scores: thresholds.for_cost(labels, scores, 5, 1).value,
}


def above_all_normals(labels, scores) -> float:
    return np.nextafter(scores[labels == 0].max(), np.inf)


def test_the_highest_normal_is_an_alarm_once_it_has_no_say():
    labels, scores = np.array([0, 0, 0, 1, 1]), np.array([1.0, 2.0, 4.0, 3.0, 5.0])
    assert flagged_by_others(labels, scores, above_all_normals).tolist() == [False, False, True, False, True]


def test_shares_are_by_the_others_and_intervals_by_the_threshold_itself():
    labels, scores = np.array([0, 0, 0, 1, 1]), np.array([1.0, 2.0, 4.0, 3.0, 5.0])
    found = expected(labels, scores, above_all_normals)
    alarms, escapes = found.false_alarms, found.escapes
    assert (alarms.share, alarms.images, alarms.low) == (pytest.approx(1 / 3), 3, 0)
    assert alarms.high == pytest.approx(1 - 0.025 ** (1 / 3)), "none of three is above all three"
    assert (escapes.share, escapes.low, escapes.high) == (0.5, *exact_interval(1, 2))


def test_many_images_are_left_out_several_at_a_time():
    asked = []
    labels = np.repeat([0, 1], [500, 3])

    def choose(labels, scores):
        asked.append(len(labels))
        return 0.5

    scores = np.arange(503) / 503
    assert flagged_by_others(labels, scores, choose).tolist() == (scores >= 0.5).tolist()
    assert len(asked) == PARTS and min(asked) == 503 - 4


@pytest.mark.parametrize(("normals", "defective", "apart"), [(40, 40, 2.0), (10, 30, 3.5), (60, 20, 1.0)])
@pytest.mark.parametrize("choice", CHOICES)
def test_it_is_right_in_the_mean_and_its_interval_holds_the_truth(choice, normals, defective, apart):
    rng, held, said, true = np.random.default_rng(0), [], [], []
    labels = np.repeat([0, 1], [normals, defective])
    for _ in range(150):
        scores = rng.normal(loc=apart * labels)
        value, found = CHOICES[choice](labels, scores), expected(labels, scores, CHOICES[choice])
        truth = stats.norm.sf(value), stats.norm.cdf(value, loc=apart)
        wrong = found.false_alarms, found.escapes
        held.append([one.low <= is_so <= one.high for one, is_so in zip(wrong, truth, strict=True)])
        said.append([one.share for one in wrong])
        true.append(truth)
    assert np.mean(said, axis=0) == pytest.approx(np.mean(true, axis=0), abs=0.03)
    assert np.mean(held, axis=0).min() > 0.9


def test_the_counts_of_those_that_chose_would_flatter_it():
    rng, labels, shown, true = np.random.default_rng(0), np.repeat([0, 1], 15), [], []
    for _ in range(200):
        scores = rng.normal(loc=labels)
        value = CHOICES["f1"](labels, scores)
        flagged = scores >= value
        shown.append(flagged[labels == 0].mean() + (~flagged[labels == 1]).mean())
        true.append(stats.norm.sf(value) + stats.norm.cdf(value, loc=1))
    assert np.mean(shown) < np.mean(true) - 0.05
