"""Figures against numbers worked out by hand, and against slow definitions written out here."""

import numpy as np
import pytest
from scipy import ndimage

from orchestrator import metrics

LABELS = np.array([0, 0, 1, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.2, 0.8, 0.4])


# -- image level


def test_auroc_by_hand():
    # pairs (defective, normal) won: .35 beats .1 .2; .8 beats all three; .4 beats .1 .2 and ties .4
    assert metrics.auroc(LABELS, SCORES) == pytest.approx((2 + 3 + 2.5) / 9)


def test_average_precision_by_hand():
    # from the top: .8 hit (1/1), then .4 .4 together (2 of 3), then .35 hit (3/4); recall grows by 1/3 each time
    assert metrics.average_precision(LABELS, SCORES) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


@pytest.mark.parametrize("figure", [metrics.auroc, metrics.average_precision])
def test_undefined_figures_are_none(figure):
    assert figure(np.zeros(3, int), np.arange(3.0)) is None, "one class"
    assert figure(np.ones(3, int), np.arange(3.0)) is None
    assert figure(np.array([0, 1]), np.array([0.0, np.nan])) is None
    assert figure(np.array([0, 1]), np.array([0.0, np.inf])) is None


def test_perfect_reversed_and_constant_scores():
    labels = np.array([0, 0, 1, 1])
    assert metrics.auroc(labels, np.array([1.0, 2, 3, 4])) == 1
    assert metrics.auroc(labels, np.array([4.0, 3, 2, 1])) == 0
    assert metrics.auroc(labels, np.ones(4)) == 0.5


# -- threshold and verdicts


def test_the_best_f1_threshold_lies_midway_below_the_scores_it_flags():
    # flagged from .35 up: 3 hits of 4, F1 6/7; from .4 up: 2 of 3, 4/6; from .2 up: 3 of 5, 6/8; only .8: 2/4
    assert metrics.best_f1_threshold(LABELS, SCORES) == pytest.approx((0.2 + 0.35) / 2)


def test_of_equally_good_thresholds_the_lowest_is_taken():
    # flagging {.9} gives 2/(1+2), flagging all four 4/(4+2): equal; flagging the top two 2/4, the top three 2/5
    assert metrics.best_f1_threshold(np.array([1, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.9])) == 0.1


def test_one_score_for_all_flags_all():
    assert metrics.best_f1_threshold(np.array([0, 1]), np.array([0.5, 0.5])) == 0.5


def test_the_threshold_is_the_best_of_all_there_are():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, scores = rng.integers(0, 2, 15) | (np.arange(15) == 0), rng.normal(size=15).round(1)
        every = [metrics.verdicts(labels, scores, cut).f1 for cut in np.unique(scores)]
        found = metrics.verdicts(labels, scores, metrics.best_f1_threshold(labels, scores)).f1
        assert found == pytest.approx(max(every))


def test_verdicts_by_hand():
    # flagged from .4 up: .4 (normal), .8 and .4 (defective); .35 is missed, .1 and .2 are right
    assert metrics.verdicts(LABELS, SCORES, 0.4) == metrics.Verdicts(
        accuracy=4 / 6, precision=2 / 3, recall=2 / 3, f1=2 / 3
    )


def test_verdicts_where_nothing_is_flagged():
    assert metrics.verdicts(LABELS, SCORES, 2.0) == metrics.Verdicts(accuracy=0.5, precision=0, recall=0, f1=0)


# -- the interval


def two_normals(count: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 2
    return labels, np.random.default_rng(seed).normal(size=count) + shift * labels


def test_the_interval_brackets_the_auroc_and_narrows_with_more_images():
    widths = []
    for count in (20, 80, 320):
        labels, scores = two_normals(count, 1.0, seed=count)
        low, high = metrics.auroc_interval(labels, scores, seed=0)
        assert 0 <= low < metrics.auroc(labels, scores) < high <= 1
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_it_is_a_function_of_its_seed():
    labels, scores = two_normals(40, 1.0, seed=1)
    assert metrics.auroc_interval(labels, scores, 5) == metrics.auroc_interval(labels, scores, 5)
    assert metrics.auroc_interval(labels, scores, 5) != metrics.auroc_interval(labels, scores, 6)


def test_on_many_images_it_has_the_width_of_normal_theory():
    labels, scores = two_normals(1000, 1.0, seed=2)
    wins = (scores[labels == 1][:, None] > scores[labels == 0][None, :]).astype(float)  # no ties
    by_defective, by_normal = wins.mean(1), wins.mean(0)
    sigma = np.sqrt(by_defective.var(ddof=1) / 500 + by_normal.var(ddof=1) / 500)  # DeLong et al. 1988
    low, high = metrics.auroc_interval(labels, scores, seed=0)
    assert high - low == pytest.approx(2 * 1.96 * sigma, rel=0.07)
    assert (high + low) / 2 == pytest.approx(wins.mean(), abs=0.2 * sigma)


def test_wider_coverage_is_a_wider_interval():
    labels, scores = two_normals(100, 1.0, seed=3)
    low, high = metrics.auroc_interval(labels, scores, 0, coverage=0.95)
    lower, higher = metrics.auroc_interval(labels, scores, 0, coverage=0.99)
    assert lower < low and high < higher


def test_ties_count_half_in_every_resample():
    assert metrics.auroc_interval(np.array([0, 0, 1, 1]), np.ones(4), 0) == (0.5, 0.5)


def test_no_interval_without_an_auroc():
    assert metrics.auroc_interval(np.zeros(4), np.arange(4.0), 0) == (None, None)


# -- the mean of several runs


def test_the_resamples_of_one_run_are_those_of_its_interval():
    labels, scores = two_normals(40, 1.0, seed=4)
    resamples = metrics.resampled_mean_auroc(labels, scores[:, None], seed=5)
    assert metrics.central(resamples) == metrics.auroc_interval(labels, scores, seed=5)


def test_copies_of_a_run_are_no_more_evidence_than_the_run():
    labels, scores = two_normals(40, 1.0, seed=4)
    once, thrice = (metrics.resampled_mean_auroc(labels, scores[:, None].repeat(n, 1), seed=0) for n in (1, 3))
    np.testing.assert_allclose(thrice, once)


def test_runs_that_differ_widen_the_interval_even_where_each_is_certain():
    labels = np.arange(40) % 2
    perfect, reversed_ = labels * 1.0, labels * -1.0
    resamples = metrics.resampled_mean_auroc(labels, np.stack([perfect, reversed_], 1), seed=0)
    assert metrics.central(resamples) == (0.0, 1.0)
    assert set(resamples) == {0.0, 0.5, 1.0} and np.mean(resamples == 0.5) == pytest.approx(0.5, abs=0.05)


def test_a_resample_is_its_definition():
    """Drawn runs, each judged on the drawn images that are in its test part, as often as they were drawn."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 12 + [1] * 9)
    scores = (rng.normal(size=(21, 3)) + labels[:, None]).round(1)  # with ties
    scores[rng.permutation(21)[:6], 0] = np.nan
    scores[rng.permutation(21)[:6], 2] = np.nan
    resamples = metrics.resampled_mean_auroc(labels, scores, seed=7)
    rng = np.random.default_rng(7)
    drawn_d, drawn_n, drawn_runs = (rng.multinomial(n, [1 / n] * n, size=metrics.BOOTSTRAPS) for n in (9, 12, 3))
    for b in range(50):
        images = np.repeat(np.arange(21), np.concatenate([drawn_n[b], drawn_d[b]]))
        aucs = []
        for run in np.repeat(np.arange(3), drawn_runs[b]):
            own = images[~np.isnan(scores[images, run])]
            aucs.append(metrics.auroc(labels[own], scores[own, run]))
        assert resamples[b] == pytest.approx(np.mean(aucs))


def test_a_resample_of_verdicts_is_its_definition_too():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 12 + [1] * 9)
    flagged = (rng.random((21, 2)) < 0.3 + 0.4 * labels[:, None]).astype(float)
    flagged[rng.permutation(21)[:6], 0] = np.nan
    resamples = metrics.resampled_mean_verdicts(labels, flagged, seed=7)
    rng = np.random.default_rng(7)
    drawn_d, drawn_n, drawn_runs = (rng.multinomial(n, [1 / n] * n, size=metrics.BOOTSTRAPS) for n in (9, 12, 2))
    for b in range(50):
        images = np.repeat(np.arange(21), np.concatenate([drawn_n[b], drawn_d[b]]))
        found = []
        for run in np.repeat(np.arange(2), drawn_runs[b]):
            own = images[~np.isnan(flagged[images, run])]
            found.append(metrics.verdicts(labels[own], flagged[own, run], threshold=1.0))
        for name, values in resamples.items():
            assert values[b] == pytest.approx(np.mean([getattr(verdict, name) for verdict in found])), name


def test_a_run_without_one_of_the_classes_has_no_mean():
    labels = np.array([0, 0, 1, 1])
    alone = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, np.nan], [0.4, np.nan]])
    assert metrics.resampled_mean_auroc(labels, alone, seed=0) is None
    assert metrics.resampled_mean_auroc(np.zeros(4), alone[:, :1], seed=0) is None


def test_resamples_that_leave_a_run_without_a_class_are_left_out_of_the_interval():
    labels = np.array([0, 0, 1, 1])
    apart = np.array([[0.1, np.nan], [np.nan, 0.1], [0.3, np.nan], [np.nan, 0.3]])
    resamples = metrics.resampled_mean_auroc(labels, apart, seed=0)
    assert 0 < np.isnan(resamples).mean() < 1
    assert metrics.central(resamples) == (1.0, 1.0)


# -- pixel level


def test_pixel_auroc_is_over_all_pixels_of_all_images():
    masks = np.zeros((2, 2, 2), bool)
    masks[0, 0, 0] = True
    maps = np.array([[[0.9, 0.1], [0.1, 0.1]], [[0.1, 0.1], [0.95, 0.1]]])
    assert metrics.pixel_auroc(masks, maps) == pytest.approx(6 / 7), "one of seven normal pixels is above"
    assert metrics.pixel_auroc(np.zeros((1, 2, 2), bool), maps[:1]) is None


def test_au_pro_by_hand():
    """Two regions in ten pixels, so eight normal ones; the limit .25 is the second of them."""
    masks = np.zeros((1, 2, 6), bool)
    masks[0, 0, 0:3] = True  # three pixels
    masks[0, 0, 5] = True  # one pixel
    maps = np.zeros((1, 2, 6))
    maps[0, 0, 0:2] = 9  # first, two of three pixels: overlap (2/3 + 0) / 2 = 1/3 at FPR 0
    maps[0, 1, 0] = 8  # a false positive: FPR 1/8
    maps[0, 0, 5] = 7  # the small region: overlap (2/3 + 1) / 2 = 5/6
    maps[0, 1, 1:3] = 6  # two more: FPR 3/8, beyond the limit
    # from FPR 0 to 1/8 at 1/3; then from 1/8 to 1/4 at 5/6
    assert metrics.au_pro(masks, maps, max_fpr=0.25) == pytest.approx((1 / 3 / 8 + 5 / 6 / 8) / 0.25)


def test_small_regions_count_as_much_as_large_ones():
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :6, :6] = True
    masks[1, 0, 0] = True
    large, small = masks.copy(), masks.copy()
    large[1], small[0] = False, False
    assert metrics.au_pro(masks, large * 1.0) == pytest.approx(metrics.au_pro(masks, small * 1.0))


def test_touching_corners_are_one_region():
    diagonal, apart = np.zeros((1, 5, 5), bool), np.zeros((1, 5, 5), bool)
    diagonal[0, 0, 0] = diagonal[0, 1, 1] = diagonal[0, 2, 2] = True
    apart[0, 0, 0] = apart[0, 1, 1] = apart[0, 4, 4] = True
    for masks, expected in ((diagonal, 1 / 3), (apart, 1 / 4)):
        maps = np.zeros((1, 5, 5))
        maps[0, 0, 0] = 2.0
        maps[~masks] = 1.0  # all normal pixels at once: a straight line from (0, overlap) to (1, overlap)
        assert metrics.au_pro(masks, maps, max_fpr=0.3) == pytest.approx(expected)


def slow_au_pro(masks: np.ndarray, maps: np.ndarray, max_fpr: float) -> float:
    """The definition: for every threshold the regions' mean overlap and the false positive rate, then trapezoids."""
    regions = []
    for image, mask in enumerate(masks):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [(image, labels == k) for k in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel()), reverse=True):
        flagged = maps >= threshold
        overlap = np.mean([flagged[image][region].mean() for image, region in regions])
        points.append((flagged[~masks].mean(), overlap))
    area = 0.0
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x0 < max_fpr and x1 > x0:
            end = min(x1, max_fpr)
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / max_fpr


@pytest.mark.parametrize("max_fpr", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("decimals", [1, 2, 8])
def test_au_pro_is_its_definition_with_and_without_ties(max_fpr, decimals):
    rng = np.random.default_rng(decimals)
    masks = ndimage.gaussian_filter(rng.normal(size=(3, 12, 12)), (0, 1.5, 1.5)) > 0.2
    maps = (masks * 0.5 + rng.normal(size=masks.shape)).round(decimals)
    assert metrics.au_pro(masks, maps, max_fpr) == pytest.approx(slow_au_pro(masks, maps, max_fpr))


def test_au_pro_of_a_perfect_map_is_one_and_of_a_useless_one_half_the_limit():
    masks = np.zeros((1, 8, 8), bool)
    masks[0, 2:5, 2:5] = True
    assert metrics.au_pro(masks, masks * 1.0) == 1
    assert metrics.au_pro(masks, np.zeros((1, 8, 8)), max_fpr=0.3) == pytest.approx(0.15)
    assert metrics.au_pro(masks, 1.0 - masks) == 0


def test_au_pro_is_none_without_regions_without_normal_pixels_or_with_nan():
    maps = np.zeros((1, 4, 4))
    some = np.zeros((1, 4, 4), bool)
    some[0, 0, 0] = True
    assert metrics.au_pro(np.zeros((1, 4, 4), bool), maps) is None
    assert metrics.au_pro(np.ones((1, 4, 4), bool), maps) is None
    assert metrics.au_pro(some, np.full((1, 4, 4), np.nan)) is None
