"""Forged anomalies: visible, inside their masks, of several shapes, and a function of pixels and seed."""

import numpy as np
import pytest

from datasets.forge import forge_defects
from datasets.readers.synthetic import draw

PRODUCTS = np.stack([draw(f"washer/train/good/{i:03}.png", 48)[0] for i in range(40)])
FLAT = np.full((12, 32, 32, 3), 255, np.uint8)  # nothing to cut out that would look different
OBLONG = PRODUCTS[:9, :20]


@pytest.mark.parametrize("pixels", [PRODUCTS, FLAT, FLAT * 0, OBLONG, PRODUCTS[:1], PRODUCTS[:2, :, :, :1]])
def test_every_image_gets_a_visible_anomaly_and_nothing_changes_outside_its_mask(pixels: np.ndarray) -> None:
    before = pixels.copy()
    for seed in range(8):
        forged, masks = forge_defects(pixels, seed)
        assert forged.shape == pixels.shape and forged.dtype == np.uint8
        assert masks.shape == pixels.shape[:3] and masks.dtype == bool
        assert masks.any(axis=(1, 2)).all()
        change = abs(forged.astype(int) - pixels).max(axis=3)
        assert change[~masks].max() == 0
        assert min(of_one[mask].mean() for of_one, mask in zip(change, masks, strict=True)) >= 20
        np.testing.assert_array_equal(pixels, before)


def test_anomalies_are_local() -> None:
    shares = forge_defects(PRODUCTS, 0)[1].mean(axis=(1, 2))
    assert shares.max() <= 0.11 and shares.min() < 0.02


def test_equal_seeds_give_equal_anomalies_and_others_do_not() -> None:
    forged, masks = forge_defects(PRODUCTS, 7)
    again, masks_again = forge_defects(PRODUCTS.copy(), 7)
    np.testing.assert_array_equal(forged, again)
    np.testing.assert_array_equal(masks, masks_again)
    assert (forge_defects(PRODUCTS, 8)[1] != masks).any()
    assert len({mask.tobytes() for mask in masks}) == len(masks)


def test_all_three_kinds_of_shape_occur() -> None:
    """Rectangles fill their bounding box, scars are thin and tilted, Perlin patches are ragged."""
    _, masks = forge_defects(PRODUCTS, 0)
    fills = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        fills.append(mask.sum() / (np.ptp(rows) + 1) / (np.ptp(columns) + 1))
    assert sum(fill == 1 for fill in fills) >= 8
    assert sum(fill < 1 for fill in fills) >= 16
    assert any(fill < 0.25 for fill in fills)


def test_grey_images_get_grey_anomalies() -> None:
    grey = np.repeat(PRODUCTS[:, :, :, :1], 3, axis=3)
    forged, _ = forge_defects(grey, 0)
    assert (forged == forged[:, :, :, :1]).all()


def test_anomalies_lie_on_the_product_and_not_on_plain_background() -> None:
    """A letterbox's bars, say: the middle third is the product."""
    barred = np.full((60, 48, 48, 3), 128, np.uint8)
    barred[:, :, 16:32] = np.random.default_rng(0).integers(0, 255, size=(60, 48, 16, 3), dtype=np.uint8)
    _, masks = forge_defects(barred, 0)
    assert masks[:, :, 16:32].any(axis=(1, 2)).all()


def test_no_image_at_all_gives_none() -> None:
    forged, masks = forge_defects(PRODUCTS[:0], 0)
    assert forged.shape == (0, 48, 48, 3) and masks.shape == (0, 48, 48)
