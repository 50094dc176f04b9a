"""Numbers of the whole image that separate good from defective, found in small arrays and in real files."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from datasets import trivial_cues
from datasets.frame import Frame
from datasets.images import Images, load
from datasets.sample import Sample
from datasets.trivial_cues import Cue


def category(labels, pixels=None, part: str | None = None, sizes=None, size_bytes=None) -> Images:
    """Grey images of 4 px, all alike but for what is given: pixels as levels, or arrays, an image."""
    count = len(labels)
    levels = np.full((count, 4, 4, 3), 100, np.uint8)
    for image, given in zip(levels, [100] * count if pixels is None else pixels, strict=True):
        image[:] = given
    samples = tuple(
        Sample(f"{i}.png", label, "scratch" if label else "good", part, str(i), None, length)
        for i, (label, length) in enumerate(zip(labels, size_bytes or [7] * count, strict=True))
    )
    text = tuple(map(str, range(count)))
    sizes = tuple(sizes or [(4, 4)] * count)
    return Images("folder", "cups", Frame(4, 4), levels, None, samples, text, text, sizes, unreadable=(), data_hash="")


TEN = [0] * 5 + [1] * 5


def names(images: Images) -> set[str]:
    return {cue.name for cue in trivial_cues.find(images)}


def test_images_that_are_alike_have_no_cue():
    assert trivial_cues.find(category(TEN)) == []


def test_darker_defects_are_an_auroc_near_0():
    cues = trivial_cues.find(category(TEN, pixels=[200] * 5 + [50] * 5))
    assert {(cue.name, cue.auroc) for cue in cues} == {
        (f"mean {name}", 0.0) for name in ("brightness", "red", "green", "blue")
    }


def test_a_colour_can_separate_where_the_brightness_does_not():
    assert names(category(TEN, pixels=[(90, 100, 110)] * 5 + [(110, 100, 90)] * 5)) == {"mean red", "mean blue"}


def test_contrast_is_the_deviation_of_the_brightness():
    steep = np.array([50, 150, 50, 150])[None, :, None]
    assert names(category(TEN, pixels=[100] * 5 + [steep] * 5)) == {"deviation of the brightness"}


def test_sizes_of_files_and_of_images_are_cues():
    assert names(category(TEN, size_bytes=[10] * 5 + [20] * 5)) == {"file size in bytes"}
    assert names(category(TEN, sizes=[(4, 8)] * 5 + [(4, 6)] * 5)) == {"width in pixels"}


def test_the_strongest_is_first_and_what_separates_less_is_none():
    weak, strong = [1, 2, 3, 4, 9, 5, 6, 7, 8, 10], [9, 9, 9, 9, 9, 1, 1, 1, 1, 1]
    assert trivial_cues.find(category(TEN, size_bytes=weak)) == [], "an AUROC of 0.84"
    nearly = [1, 2, 3, 4, 6, 5, 7, 8, 9, 10]
    found = trivial_cues.find(category(TEN, size_bytes=nearly, sizes=[(h, 4) for h in strong]))
    assert found == [Cue("height in pixels", 0.0), Cue("file size in bytes", 0.96)]


@pytest.mark.parametrize("labels", [[0] * 4 + [1] * 9, [0] * 9 + [1] * 4, [0] * 9])
def test_fewer_than_five_of_a_kind_say_nothing(labels):
    assert trivial_cues.find(category(labels, pixels=[250 * label for label in labels])) == []


def test_the_datasets_own_training_images_are_not_labelled_ones():
    images = category([0] * 5 + TEN, size_bytes=[1] * 5 + [10] * 5 + [10] * 5)
    parts = ["train"] * 5 + ["test"] * 10
    samples = tuple(dataclasses.replace(s, part=p) for s, p in zip(images.samples, parts, strict=True))
    assert trivial_cues.find(dataclasses.replace(images, samples=samples)) == []


def test_ties_count_half():
    assert trivial_cues.auroc(np.array([1, 1, 2]), np.array([1, 3])) == pytest.approx((2 / 6 + 1) / 2)


def test_the_native_size_of_real_files_is_kept(tmp_path):
    for i in range(10):
        folder = tmp_path / "cup" / ("good" if i < 5 else "bent")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 if i < 5 else 30, 20), (i, 50, 50)).save(folder / f"{i}.png")
    images = load("folder", str(tmp_path), "cup", Frame(8, 8))
    assert set(images.native_sizes) == {(20, 40), (20, 30)}
    assert "width in pixels" in names(images)


def test_the_generated_products_have_none():
    for name in ("washer", "fabric", "board"):
        assert trivial_cues.find(load("synthetic", None, name, Frame(32, 32))) == []
