"""Bootstraps against their definitions, normal theory, and cases whose answer is plain."""

import numpy as np
import pytest

from orchestrator.metrics import image, intervals


def two_normals(count: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 2
    return labels, np.random.default_rng(seed).normal(size=count) + shift * labels


def test_the_interval_brackets_the_auroc_and_narrows_with_more_images():
    widths = []
    for count in (20, 80, 320):
        labels, scores = two_normals(count, 1.0, seed=count)
        low, high = intervals.auroc_interval(labels, scores, seed=0)
        assert 0 <= low < image.auroc(labels, scores) < high <= 1
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_it_is_a_function_of_its_seed():
    labels, scores = two_normals(40, 1.0, seed=1)
    assert intervals.auroc_interval(labels, scores, 5) == intervals.auroc_interval(labels, scores, 5)
    assert intervals.auroc_interval(labels, scores, 5) != intervals.auroc_interval(labels, scores, 6)


def test_on_many_images_it_has_the_width_of_normal_theory():
    labels, scores = two_normals(1000, 1.0, seed=2)
    wins = (scores[labels == 1][:, None] > scores[labels == 0][None, :]).astype(float)  # no ties
    by_defective, by_normal = wins.mean(1), wins.mean(0)
    sigma = np.sqrt(by_defective.var(ddof=1) / 500 + by_normal.var(ddof=1) / 500)  # DeLong et al. 1988
    low, high = intervals.auroc_interval(labels, scores, seed=0)
    assert high - low == pytest.approx(2 * 1.96 * sigma, rel=0.07)
    assert (high + low) / 2 == pytest.approx(wins.mean(), abs=0.2 * sigma)


def test_wider_coverage_is_a_wider_interval():
    labels, scores = two_normals(100, 1.0, seed=3)
    low, high = intervals.auroc_interval(labels, scores, 0, coverage=0.95)
    lower, higher = intervals.auroc_interval(labels, scores, 0, coverage=0.99)
    assert lower < low and high < higher


def test_ties_count_half_in_every_resample():
    assert intervals.auroc_interval(np.array([0, 0, 1, 1]), np.ones(4), 0) == (0.5, 0.5)


def test_no_interval_without_an_auroc():
    assert intervals.auroc_interval(np.zeros(4), np.arange(4.0), 0) == (None, None)


# -- the mean of several runs


def test_the_resamples_of_one_run_are_those_of_its_interval():
    labels, scores = two_normals(40, 1.0, seed=4)
    resamples = intervals.resampled_mean_auroc(labels, scores[:, None], seed=5)
    assert intervals.central(resamples) == intervals.auroc_interval(labels, scores, seed=5)


def test_copies_of_a_run_are_no_more_evidence_than_the_run():
    labels, scores = two_normals(40, 1.0, seed=4)
    once, thrice = (intervals.resampled_mean_auroc(labels, scores[:, None].repeat(n, 1), seed=0) for n in (1, 3))
    np.testing.assert_allclose(thrice, once)


def test_runs_that_differ_widen_the_interval_even_where_each_is_certain():
    labels = np.arange(40) % 2
    perfect, reversed_ = labels * 1.0, labels * -1.0
    resamples = intervals.resampled_mean_auroc(labels, np.stack([perfect, reversed_], 1), seed=0)
    assert intervals.central(resamples) == (0.0, 1.0)
    assert set(resamples) == {0.0, 0.5, 1.0} and np.mean(resamples == 0.5) == pytest.approx(0.5, abs=0.05)


def test_a_resample_is_its_definition():
    """Drawn runs, each judged on the drawn images that are in its test part, as often as they were drawn."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 12 + [1] * 9)
    scores = (rng.normal(size=(21, 3)) + labels[:, None]).round(1)  # with ties
    scores[rng.permutation(21)[:6], 0] = np.nan
    scores[rng.permutation(21)[:6], 2] = np.nan
    resamples = intervals.resampled_mean_auroc(labels, scores, seed=7)
    rng = np.random.default_rng(7)
    drawn_d, drawn_n, drawn_runs = (rng.multinomial(n, [1 / n] * n, size=intervals.BOOTSTRAPS) for n in (9, 12, 3))
    for b in range(50):
        images = np.repeat(np.arange(21), np.concatenate([drawn_n[b], drawn_d[b]]))
        aucs = []
        for run in np.repeat(np.arange(3), drawn_runs[b]):
            own = images[~np.isnan(scores[images, run])]
            aucs.append(image.auroc(labels[own], scores[own, run]))
        assert resamples[b] == pytest.approx(np.mean(aucs))


def test_a_resample_of_verdicts_is_its_definition_too():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 12 + [1] * 9)
    flagged = (rng.random((21, 2)) < 0.3 + 0.4 * labels[:, None]).astype(float)
    flagged[rng.permutation(21)[:6], 0] = np.nan
    resamples = intervals.resampled_mean_verdicts(labels, flagged, seed=7)
    rng = np.random.default_rng(7)
    drawn_d, drawn_n, drawn_runs = (rng.multinomial(n, [1 / n] * n, size=intervals.BOOTSTRAPS) for n in (9, 12, 2))
    for b in range(50):
        images = np.repeat(np.arange(21), np.concatenate([drawn_n[b], drawn_d[b]]))
        found = []
        for run in np.repeat(np.arange(2), drawn_runs[b]):
            own = images[~np.isnan(flagged[images, run])]
            found.append(image.verdicts(labels[own], flagged[own, run], threshold=1.0))
        for name, values in resamples.items():
            assert values[b] == pytest.approx(np.mean([getattr(verdict, name) for verdict in found])), name


def test_a_run_without_one_of_the_classes_has_no_mean():
    labels = np.array([0, 0, 1, 1])
    alone = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, np.nan], [0.4, np.nan]])
    assert intervals.resampled_mean_auroc(labels, alone, seed=0) is None
    assert intervals.resampled_mean_auroc(np.zeros(4), alone[:, :1], seed=0) is None


def test_resamples_that_leave_a_run_without_a_class_are_left_out_of_the_interval():
    labels = np.array([0, 0, 1, 1])
    apart = np.array([[0.1, np.nan], [np.nan, 0.1], [0.3, np.nan], [np.nan, 0.3]])
    resamples = intervals.resampled_mean_auroc(labels, apart, seed=0)
    assert 0 < np.isnan(resamples).mean() < 1
    assert intervals.central(resamples) == (1.0, 1.0)
