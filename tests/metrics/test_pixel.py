"""Figures against numbers worked out by hand, and against slow definitions written out here."""

import numpy as np
import pytest
from scipy import ndimage

from orchestrator.metrics import image, pixel


def test_pixel_auroc_is_over_all_pixels_of_all_images():
    masks = np.zeros((2, 2, 2), bool)
    masks[0, 0, 0] = True
    maps = np.array([[[0.9, 0.1], [0.1, 0.1]], [[0.1, 0.1], [0.95, 0.1]]])
    assert pixel.pixel_auroc(masks, maps) == pytest.approx(6 / 7), "one of seven normal pixels is above"
    assert pixel.pixel_auroc(np.zeros((1, 2, 2), bool), maps[:1]) is None


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
    assert pixel.au_pro(masks, maps, max_fpr=0.25) == pytest.approx((1 / 3 / 8 + 5 / 6 / 8) / 0.25)


def test_small_regions_count_as_much_as_large_ones():
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :6, :6] = True
    masks[1, 0, 0] = True
    large, small = masks.copy(), masks.copy()
    large[1], small[0] = False, False
    assert pixel.au_pro(masks, large * 1.0) == pytest.approx(pixel.au_pro(masks, small * 1.0))


def test_touching_corners_are_one_region():
    diagonal, apart = np.zeros((1, 5, 5), bool), np.zeros((1, 5, 5), bool)
    diagonal[0, 0, 0] = diagonal[0, 1, 1] = diagonal[0, 2, 2] = True
    apart[0, 0, 0] = apart[0, 1, 1] = apart[0, 4, 4] = True
    for masks, expected in ((diagonal, 1 / 3), (apart, 1 / 4)):
        maps = np.zeros((1, 5, 5))
        maps[0, 0, 0] = 2.0
        maps[~masks] = 1.0  # all normal pixels at once: a straight line from (0, overlap) to (1, overlap)
        assert pixel.au_pro(masks, maps, max_fpr=0.3) == pytest.approx(expected)


def slow_au_pro(masks: np.ndarray, maps: np.ndarray, max_fpr: float) -> float:
    """The definition: for every threshold the regions' mean overlap and the false positive rate, then trapezoids."""
    regions = []
    for place, mask in enumerate(masks):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [(place, labels == k) for k in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel()), reverse=True):
        flagged = maps >= threshold
        overlap = np.mean([flagged[place][region].mean() for place, region in regions])
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
    assert pixel.au_pro(masks, maps, max_fpr) == pytest.approx(slow_au_pro(masks, maps, max_fpr))


def test_images_may_be_of_several_sizes():
    rng = np.random.default_rng(3)
    masks = [rng.random(size) < 0.2 for size in ((6, 9), (12, 4), (5, 5))]
    maps = [mask * 0.3 + rng.random(mask.shape) for mask in masks]
    flat = [np.concatenate([array.ravel() for array in arrays]) for arrays in (masks, maps)]
    assert pixel.pixel_auroc(masks, maps) == pytest.approx(image.auroc(*flat))
    assert pixel.au_pro(masks[:1], maps[:1]) == pytest.approx(slow_au_pro(*map(np.stack, (masks[:1], maps[:1])), 0.3))


def test_au_pro_of_a_perfect_map_is_one_and_of_a_useless_one_half_the_limit():
    masks = np.zeros((1, 8, 8), bool)
    masks[0, 2:5, 2:5] = True
    assert pixel.au_pro(masks, masks * 1.0) == 1
    assert pixel.au_pro(masks, np.zeros((1, 8, 8)), max_fpr=0.3) == pytest.approx(0.15)
    assert pixel.au_pro(masks, 1.0 - masks) == 0


def test_au_pro_is_none_without_regions_without_normal_pixels_or_with_nan():
    maps = np.zeros((1, 4, 4))
    some = np.zeros((1, 4, 4), bool)
    some[0, 0, 0] = True
    assert pixel.au_pro(np.zeros((1, 4, 4), bool), maps) is None
    assert pixel.au_pro(np.ones((1, 4, 4), bool), maps) is None
    assert pixel.au_pro(some, np.full((1, 4, 4), np.nan)) is None
