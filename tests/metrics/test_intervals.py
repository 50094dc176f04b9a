"""Intervals of AUROCs against the truth of simulations, DeLong's definition, and cases whose answer is plain."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.metrics import image, intervals


def two_normals(count: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 2
    return labels, np.random.default_rng(seed).normal(size=count) + shift * labels


def estimated(labels: np.ndarray, *runs: np.ndarray) -> intervals.Estimate:
    """Of runs whose scores are NaN where an image is not in their test part."""
    placed = np.full((len(labels), len(runs)), np.nan)
    for run, scores in enumerate(runs):
        own = ~np.isnan(scores)
        placed[own, run] = intervals.placements(labels[own], scores[own])
    return intervals.estimate(labels, placed)


# -- one run


def test_the_auroc_is_the_mean_placement_of_either_class_ties_a_half():
    labels, scores = np.array([0, 0, 1, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.2, 0.8, 0.4])
    placed = intervals.placements(labels, scores)
    np.testing.assert_allclose(placed[labels == 1], [2 / 3, 1, 2.5 / 3])
    assert placed[labels == 0].mean() == placed[labels == 1].mean() == pytest.approx(image.auroc(labels, scores))


def test_the_interval_brackets_the_auroc_and_narrows_with_more_images():
    widths = []
    for count in (20, 80, 320):
        labels, scores = two_normals(count, 1.0, seed=count)
        low, high = intervals.auroc_interval(labels, scores)
        assert 0 <= low < image.auroc(labels, scores) < high <= 1
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_the_variance_is_delongs():
    labels, scores = two_normals(100, 1.0, seed=2)
    wins = (scores[labels == 1][:, None] > scores[labels == 0][None, :]).astype(float)  # no ties
    found = estimated(labels, scores)
    assert found.variance == pytest.approx(wins.mean(1).var(ddof=1) / 50 + wins.mean(0).var(ddof=1) / 50)
    assert found.variances[0] == pytest.approx(wins.mean(1).var(ddof=1) / 50), "of the defective images"
    assert 49 < found.quantile_freedom < 98


@pytest.mark.parametrize(("normal", "defective", "low"), [(10, 31, 0.867), (6, 15, 0.772), (20, 60, 0.933)])
def test_a_perfect_auroc_has_a_width_that_its_images_allow(normal, defective, low):
    labels = np.array([0] * normal + [1] * defective)
    assert intervals.auroc_interval(labels, labels * 1.0) == pytest.approx((low, 1.0), abs=5e-4)
    assert intervals.auroc_interval(labels, labels * -1.0) == pytest.approx((0.0, 1 - low), abs=5e-4)


def test_one_lost_pair_tells_no_more_than_none():
    labels = np.array([0] * 10 + [1] * 31)
    scores = np.arange(41.0)
    perfect = intervals.auroc_interval(labels, scores)
    scores[[9, 10]] = scores[[10, 9]]
    assert intervals.auroc_interval(labels, scores)[0] == perfect[0]


@pytest.mark.parametrize(("normal", "defective", "separation"), [(10, 31, 1.0), (30, 20, 1.5), (60, 60, 0.8)])
def test_the_interval_by_counts_alone_is_nearly_that_of_the_scores(normal, defective, separation):
    """Of normal scores, in the mean over draws; at 1 it is the same."""
    labels, rng = np.array([0] * normal + [1] * defective), np.random.default_rng(0)
    ends = []
    for _ in range(200):
        scores = rng.normal(size=len(labels)) + separation * labels
        by_counts = intervals.of_counts(image.auroc(labels, scores), defective, normal)
        ends.append([*by_counts, *intervals.auroc_interval(labels, scores)])
    by_counts, by_scores = np.mean(ends, axis=0).reshape(2, 2)
    assert by_counts == pytest.approx(by_scores, abs=0.03)
    assert intervals.of_counts(1.0, defective, normal) == pytest.approx(intervals.auroc_interval(labels, labels * 1.0))


def test_there_is_none_without_two_images_of_each_class():
    assert intervals.auroc_interval(np.zeros(4), np.arange(4.0)) == (None, None)
    assert intervals.auroc_interval(np.array([0, 1, 1]), np.arange(3.0)) == (None, None)
    assert intervals.auroc_interval(np.array([0, 0, 1, 1]), np.array([0, 1, np.nan, 2])) == (None, None)


@pytest.mark.parametrize(
    ("normal", "defective", "auroc"), [(10, 31, 0.95), (10, 31, 0.99), (6, 15, 0.99), (20, 60, 0.8)]
)
def test_it_holds_the_truth_as_often_as_it_says(normal, defective, auroc):
    rng, labels = np.random.default_rng(0), np.array([0] * normal + [1] * defective)
    shift = np.sqrt(2) * stats.norm.ppf(auroc)
    found = [intervals.auroc_interval(labels, rng.normal(size=len(labels)) + shift * labels) for _ in range(400)]
    assert np.mean([low <= auroc <= high for low, high in found]) > 0.93
    assert all(low < high for low, high in found)


# -- several runs


def test_copies_of_a_run_are_no_more_evidence_than_the_run():
    labels, scores = two_normals(40, 1.0, seed=4)
    once, thrice = estimated(labels, scores), estimated(labels, scores, scores, scores)
    assert intervals.of_auroc(thrice) == pytest.approx(intervals.of_auroc(once))


def test_runs_on_images_of_their_own_are_more_evidence():
    labels, scores = two_normals(40, 1.0, seed=4)
    thrice, nowhere = np.tile(labels, 3), np.full(80, np.nan)
    apart = estimated(thrice, *(np.roll(np.concatenate([scores, nowhere]), 40 * run) for run in range(3)))
    assert apart.variance == pytest.approx(estimated(labels, scores).variance / 3)


def test_runs_that_differ_widen_the_interval_even_where_each_is_certain():
    labels = np.arange(40) % 2
    found = estimated(labels, labels * 1.0, labels * -1.0)
    assert found.variances == pytest.approx((0, 0, 0.25)) and found.freedom[-1] == 1
    low, high = intervals.of_auroc(found)
    assert low < 0.01 and high > 0.99


def test_what_the_images_of_its_own_explain_of_a_runs_difference_is_not_put_down_to_its_seed():
    labels, scores = two_normals(40, 1.0, seed=4)
    other = np.where(labels == 1, scores - 0.2, scores)
    twice, nowhere = np.tile(labels, 2), np.full(40, np.nan)
    apart = estimated(twice, np.concatenate([scores, nowhere]), np.concatenate([nowhere, other]))
    assert apart.variances[-1] == 0 < estimated(labels, scores, other).variances[-1]


def test_over_seeds_it_holds_the_expected_auroc_of_a_training():
    """Three seeds that judge random halves of the same images, as `holdout` does."""
    rng, labels = np.random.default_rng(0), np.array([0] * 20 + [1] * 62)
    skills = 1.2 + 0.3 * rng.normal(size=100_000)
    truth, held = stats.norm.cdf(skills / np.sqrt(2)).mean(), 0
    for _ in range(300):
        image_luck, runs = rng.normal(size=82) * np.sqrt(0.7), []
        for skill in 1.2 + 0.3 * rng.normal(size=3):
            scores = skill * labels + image_luck + rng.normal(size=82) * np.sqrt(0.3)
            scores[np.concatenate([rng.permutation(20)[:10], 20 + rng.permutation(62)[:31]])] = np.nan
            runs.append(scores)
        low, high = intervals.of_auroc(estimated(labels, *runs))
        held += low <= truth <= high
    assert 0.92 < held / 300 < 0.99


def test_a_mean_over_categories_adds_their_variances():
    parts = [estimated(*two_normals(40, shift, seed=5)) for shift in (0.5, 1.0)]
    both = intervals.mean(parts)
    assert both.value == pytest.approx((parts[0].value + parts[1].value) / 2)
    assert both.variance == pytest.approx((parts[0].variance + parts[1].variance) / 4)


# -- differences


def difference(labels: np.ndarray, one: np.ndarray, other: np.ndarray) -> intervals.Estimate:
    placed = intervals.placements(labels, one) - intervals.placements(labels, other)
    return intervals.estimate(labels, placed[:, None])


def test_equally_good_detectors_are_told_apart_by_chance_only():
    rng, labels, p_values = np.random.default_rng(1), np.array([0] * 20 + [1] * 60), []
    for _ in range(400):
        luck = rng.normal(size=80)
        one, other = (luck + 0.7 * rng.normal(size=80) + 1.2 * labels for _ in range(2))
        found = difference(labels, one, other)
        low, high = intervals.of_difference(found)
        p_values.append(intervals.p_value(found))
        assert (p_values[-1] < 0.05) == (not low <= 0 <= high)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.08


def test_two_perfect_detectors_are_not_known_to_be_equal():
    labels = np.array([0] * 10 + [1] * 31)
    found = difference(labels, labels * 1.0, labels * 2.0)
    low, high = intervals.of_difference(found)
    assert low == pytest.approx(-high) and 0.1 < high < 0.2 and intervals.p_value(found) == 1


def test_the_best_against_the_worst_stays_within_one():
    labels = np.arange(40) % 2
    found = difference(labels, labels * 1.0, labels * -1.0)
    low, high = intervals.of_difference(found)
    assert 0.5 < low < high == 1 and intervals.p_value(found) < 1e-6


def test_holm_by_hand():
    # the least times 4, the next times 3, ..., never below one before it
    assert intervals.holm([0.04, 0.01, 0.03, 0.5]).tolist() == pytest.approx([0.09, 0.04, 0.09, 0.5])
    assert intervals.holm([0.6, 0.9]).tolist() == [1, 1] and intervals.holm([]).tolist() == []


@pytest.mark.parametrize(("normal", "defective"), [(30, 20), (5, 1), (1, 5)])
def test_the_area_by_placements_is_that_of_the_curve(normal, defective):
    labels = np.array([0] * normal + [1] * defective)
    scores = np.random.default_rng(0).integers(0, 6, len(labels)) + labels  # with ties
    assert intervals.auroc(labels, scores) == pytest.approx(image.auroc(labels, scores))
    assert intervals.auroc(labels[:normal], scores[:normal]) is None
