"""Long parts: pictures two and a half times as high as wide, with small defects, the same scene at every size."""

from pathlib import Path

import numpy as np
import pytest

from datasets.catalog import find_dataset
from datasets.frame import Frame, frame_of
from datasets.images import Images, load
from datasets.readers import mvtec_ad, synthetic, synthetic_long
from datasets.readers.synthetic import draw

KINDS = synthetic_long.DEFECTS["blade"]


def by_fit(fit: str, size_px: int = 32) -> Images:
    aspect = find_dataset("synthetic_long").aspect(None, [])
    return load("synthetic_long", None, "blade", frame_of(fit, size_px, aspect))


def auroc(scores: np.ndarray, images: Images) -> float:
    """How often a defective test image scores higher than a good one."""
    tested = np.array([sample.part == "test" for sample in images.samples])
    normal, defective = scores[tested & (images.labels == 0)], scores[images.labels == 1]
    return float((defective[:, None] > normal[None, :]).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size_px", [32, 64])
def test_every_defect_has_a_small_mask_and_a_good_picture_none(kind: str, size_px: int) -> None:
    for index in range(synthetic.TEST_DEFECT_IMAGES):
        pixels, mask = draw(f"blade/test/{kind}/{index:03}.png", size_px)
        assert pixels.shape == (2.5 * size_px, size_px, 3) and mask.shape == (2.5 * size_px, size_px)
        assert 0.0005 < mask.mean() < 0.03
    assert not draw("blade/test/good/000.png", size_px)[1].any()


def test_a_width_whose_height_is_no_whole_number_is_drawn_too() -> None:
    pixels, mask = draw("blade/test/rust/000.png", 33)
    assert pixels.shape == (82, 33, 3) and mask.any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_shows_the_same_scene_at_every_size(kind: str) -> None:
    (large, large_mask), (small, small_mask) = (draw(f"blade/test/{kind}/002.png", size) for size in (128, 64))
    averaged = large.reshape(160, 2, 64, 2, 3).mean(axis=(1, 3))
    assert abs(averaged - small).mean() < 4
    assert abs(large_mask.mean() - small_mask.mean()) < 0.002


def test_by_aspect_it_fills_the_frame_and_a_square_holds_it_between_bars() -> None:
    whole, boxed = by_fit("aspect"), by_fit("letterbox")
    assert whole.frame == Frame(80, 32) and boxed.frame == Frame(32, 32)
    rows, columns = boxed.frame.inside(80, 32)
    assert (columns.stop - columns.start, rows.stop - rows.start) == (13, 32)
    assert not boxed.pixels[0, :, : columns.start].std(axis=0).any(), "a bar is of one colour"
    assert whole.data_hash == boxed.data_hash
    for images in (whole, boxed):
        assert set(images.native_sizes) == {(80, 32)} and set(images.masks.sizes) == {(80, 32)}


def test_no_number_of_the_whole_picture_tells_good_from_bad_nor_does_the_mean_picture() -> None:
    images = by_fit("aspect")
    brightness, colours = images.pixels.mean(axis=3), images.pixels.mean(axis=(1, 2))  # (N, H, W), (N, 3)
    cues = [brightness.mean(axis=(1, 2)), brightness.std(axis=(1, 2)), *colours.T]
    cues += list((colours / colours.sum(axis=1, keepdims=True)).T)
    for cue in cues:
        assert 0.3 < auroc(cue, images) < 0.7
    train = np.array([sample.part == "train" for sample in images.samples])
    pixels = images.pixels.astype(np.float32)
    assert 0.4 < auroc(((pixels - pixels[train].mean(axis=0)) ** 2).mean(axis=(1, 2, 3)), images) < 0.75


def test_the_files_are_a_tree_of_mvtec_ads_layout_of_the_same_proportions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRAIN_IMAGES", "TEST_GOOD_IMAGES", "TEST_DEFECT_IMAGES"):
        monkeypatch.setattr(synthetic, name, 2)
    assert synthetic.write_files(tmp_path, 32, synthetic_long.DEFECTS) == 2 + 2 + 3 * 2
    assert mvtec_ad.find_categories(tmp_path) == ["blade"]
    files = find_dataset("mvtec_ad")
    assert files.aspect(tmp_path, files.scan(tmp_path, "blade")) == synthetic_long.ASPECT == 0.4
    from_files = load("mvtec_ad", str(tmp_path), "blade", Frame(80, 32))
    np.testing.assert_array_equal(from_files.pixels, by_fit("aspect").pixels)
