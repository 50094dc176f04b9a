"""Intervals of shares against published numbers, exact probabilities, and cases whose answer is plain."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.metrics import shares

LABELS = np.array([0] * 10 + [1] * 30)


def flags(hits: int, alarms: int) -> np.ndarray:
    return np.array([1] * alarms + [0] * (10 - alarms) + [1] * hits + [0] * (30 - hits), float)


def test_wilson_as_published():
    # Newcombe 1998, table I
    assert shares.share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert shares.share_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert shares.share_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert shares.share_interval(29, 29) == pytest.approx((0.8830, 1), abs=5e-5)


def test_of_nothing_nothing_is_known():
    assert shares.share_interval(0, 0) == (0, 1)


def test_the_intervals_of_one_run_are_those_of_its_counts():
    found = shares.verdict_intervals(LABELS, flags(hits=24, alarms=1)[:, None])
    assert found["recall"] == pytest.approx(shares.share_interval(24, 30))
    assert found["false_alarm_rate"] == pytest.approx(shares.share_interval(1, 10))
    assert found["precision"] == pytest.approx(shares.share_interval(24, 25))
    assert found["accuracy"] == pytest.approx(shares.share_interval(33, 40))
    assert found["f1"][0] < 48 / 55 < found["f1"][1]


def test_f1_holds_the_truth_as_often_as_it_says():
    rng, truth, held = np.random.default_rng(0), 2 * 0.55 / (2 * 0.55 + 0.2 + 0.05), 0
    for hits, misses, alarms, rights in rng.multinomial(60, [0.55, 0.2, 0.05, 0.2], size=500):
        labels = np.array([1] * (hits + misses) + [0] * (alarms + rights))
        flagged = np.array([1] * hits + [0] * misses + [1] * alarms + [0] * rights, float)
        low, high = shares.verdict_intervals(labels, flagged[:, None])["f1"]
        held += low <= truth <= high
    assert held / 500 == pytest.approx(stats.norm.cdf(1.96) * 2 - 1, abs=0.025)


def test_copies_of_a_run_are_no_more_evidence_and_runs_that_differ_are_less():
    alike, unlike = (np.stack([flags(hits, 1), flags(other, 1)], 1) for hits, other in ((20, 20), (10, 30)))
    once = shares.verdict_intervals(LABELS, flags(20, 1)[:, None])["recall"]
    assert shares.verdict_intervals(LABELS, alike)["recall"] == pytest.approx(once)
    low, high = shares.verdict_intervals(LABELS, unlike)["recall"]
    assert low < once[0] and high > once[1]


def test_images_outside_a_runs_test_part_do_not_count():
    flagged = flags(24, 1)
    flagged[[0, 39]] = np.nan  # an alarm and a miss
    found = shares.verdict_intervals(LABELS, flagged[:, None])
    assert found["recall"] == pytest.approx(shares.share_interval(24, 29))
    assert found["false_alarm_rate"] == pytest.approx(shares.share_interval(0, 9))


def test_where_nothing_is_flagged_precision_is_unknown():
    assert shares.verdict_intervals(LABELS, flags(0, 0)[:, None])["precision"] == (0, 1)


def test_clopper_and_pearson_as_published():
    # Newcombe 1998, table I
    assert shares.exact_interval(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert shares.exact_interval(15, 148) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert shares.exact_interval(0, 20) == pytest.approx((0, 0.1684), abs=5e-5)
    assert shares.exact_interval(29, 29) == pytest.approx((0.8806, 1), abs=5e-5)
    assert shares.exact_interval(0, 0) == (0, 1)
