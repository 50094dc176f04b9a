"""The embedded dataset: a function of its description, the same scene at every size, with local defects."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datasets.frame import Frame
from datasets.images import Images, load
from datasets.readers import mvtec_ad, synthetic
from datasets.readers.synthetic import CATEGORIES, DEFECTS, draw
from datasets.sample import DataError
from model.patch_forged import PatchForged
from model.patch_gaussian import PatchGaussian
from orchestrator.training import scoring

ALL_KINDS = [(category, defect) for category in CATEGORIES for defect in DEFECTS[category]]


@pytest.mark.parametrize(("category", "defect"), ALL_KINDS)
@pytest.mark.parametrize("size_px", [32, 64])
def test_every_defect_has_a_small_mask_and_a_good_picture_none(category: str, defect: str, size_px: int) -> None:
    for index in range(synthetic.TEST_DEFECT_IMAGES):
        pixels, mask = draw(f"{category}/test/{defect}/{index:03}.png", size_px)
        assert pixels.shape == (size_px, size_px, 3) and pixels.dtype == np.uint8
        assert mask.shape == (size_px, size_px) and mask.dtype == bool
        assert 0.002 < mask.mean() < 0.09
    assert not draw(f"{category}/test/good/000.png", size_px)[1].any()


@pytest.mark.parametrize("category", CATEGORIES)
def test_pictures_are_a_function_of_their_description_and_differ(category: str) -> None:
    names = [f"{category}/train/good/{index:03}.png" for index in range(6)]
    pictures = [draw(name, 32)[0] for name in names]
    np.testing.assert_array_equal(pictures[0], draw(names[0], 32)[0])
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


@pytest.mark.parametrize(("category", "defect"), ALL_KINDS)
def test_a_picture_shows_the_same_scene_at_every_size(category: str, defect: str) -> None:
    (large, large_mask), (small, small_mask) = (draw(f"{category}/test/{defect}/002.png", size) for size in (128, 64))
    averaged = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert abs(averaged - small).mean() < 4
    assert abs(large_mask.mean() - small_mask.mean()) < 0.01


def auroc(scores: np.ndarray, images: Images) -> float:
    """How often a defective test image scores higher than a good one."""
    tested = np.array([sample.part == "test" for sample in images.samples])
    normal, defective = scores[tested & (images.labels == 0)], scores[images.labels == 1]
    return float((defective[:, None] > normal[None, :]).mean())


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_trivial_control_does_not_win_but_is_no_coin_either(category: str) -> None:
    """AUROC of the squared distance to the mean training image."""
    images = load("synthetic", None, category, Frame(32, 32))
    pixels = images.pixels.astype(np.float32)
    train = np.array([sample.part == "train" for sample in images.samples])
    distance = ((pixels - pixels[train].mean(axis=0)) ** 2).mean(axis=(1, 2, 3))
    assert 0.5 < auroc(distance, images) < 0.75


@pytest.mark.slow
@pytest.mark.parametrize("category", ["board", "washer"])
def test_learning_what_is_harmless_beats_a_model_of_each_place(category: str) -> None:
    """AUROC of the detector trained on forged defects and of the control whose features it sees."""
    images = load("synthetic", None, category, Frame(64, 64))
    pixels = scoring.normalise(torch.from_numpy(images.pixels))
    normals = pixels[[sample.part == "train" for sample in images.samples]]
    generator = torch.Generator().manual_seed(0)
    reached = {}
    for cls, steps in ((PatchGaussian, 0), (PatchForged, 200)):
        torch.manual_seed(0)
        detector = cls(cls.HParams(), tuple(pixels.shape[1:]), "cpu")
        detector.calibrate(normals.split(32))
        for step in range(steps):
            detector.step(normals[torch.randperm(len(normals), generator=generator)[:16]], step / steps)
        detector.calibrate(normals.split(32))
        reached[cls] = auroc(torch.cat([detector.score(batch)[0] for batch in pixels.split(32)]).numpy(), images)
    assert 0.75 < reached[PatchGaussian] < 0.9
    assert reached[PatchForged] > reached[PatchGaussian] + 0.04


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("size_px", [32, 64])
def test_no_number_of_the_whole_picture_tells_good_from_bad(category: str, size_px: int) -> None:
    """AUROC of the mean brightness, of its deviation, and of the mean of each colour, absolute and as a share."""
    images = load("synthetic", None, category, Frame(size_px, size_px))
    brightness = images.pixels.mean(axis=3)
    colours = images.pixels.mean(axis=(1, 2))  # (N, 3)
    cues = [brightness.mean(axis=(1, 2)), brightness.std(axis=(1, 2)), *colours.T]
    cues += list((colours / colours.sum(axis=1, keepdims=True)).T)
    for cue in cues:
        assert 0.3 < auroc(cue, images) < 0.7


def test_the_hashes_do_not_depend_on_the_size() -> None:
    small, large = (load("synthetic", None, "washer", Frame(side, side)) for side in (32, 48))
    assert small.content == large.content and small.pixel_hash == large.pixel_hash
    assert small.data_hash == large.data_hash
    assert len(set(small.pixel_hash)) == len(small.samples)


def test_the_files_are_a_tree_of_mvtec_ads_layout_with_the_same_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRAIN_IMAGES", "TEST_GOOD_IMAGES", "TEST_DEFECT_IMAGES"):
        monkeypatch.setattr(synthetic, name, 2)
    assert synthetic.write_files(tmp_path, 32) == len(CATEGORIES) * (2 + 2 + 3 * 2)
    assert mvtec_ad.find_categories(tmp_path) == list(CATEGORIES)
    from_files = load("mvtec_ad", str(tmp_path), "board", Frame(32, 32))
    drawn = load("synthetic", None, "board", Frame(32, 32))
    assert [s.path for s in from_files.samples] == [s.path for s in drawn.samples]
    np.testing.assert_array_equal(from_files.pixels, drawn.pixels)
    for i in range(len(drawn.samples)):
        np.testing.assert_array_equal(from_files.masks[i], drawn.masks[i])


def test_files_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "board.png")
    with pytest.raises(DataError, match="cannot write .*; expected .*; choose another --data-root"):
        synthetic.write_files(tmp_path / "board.png", 32)
