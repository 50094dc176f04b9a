"""Which test images a job leaves to look at, and that the pictures are what the detector saw and made of them."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from datasets.frame import Frame
from datasets.images import Images, load
from datasets.split import split
from model.mean_image import HParams, MeanImage
from orchestrator.results.rows import EXAMPLE, MISTAKE
from orchestrator.training import kept_pictures, scoring

CPU = torch.device("cpu")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def choose(kinds: str, scores: list[float], threshold=0.5, content: Sequence[str] = LETTERS) -> dict[int, str]:
    """A letter an image: g is good, any other a kind of defect. Content hashes are letters, too."""
    labels = np.array([kind != "g" for kind in kinds], dtype=int)
    defects = ["good" if kind == "g" else kind for kind in kinds]
    return kept_pictures.choose(labels, defects, content, np.array(scores), np.broadcast_to(threshold, len(kinds)))


def shown(chosen: dict[int, str], why: str) -> list[int]:
    return [position for position, reason in chosen.items() if reason == why]


# -- which images


def test_one_example_of_the_good_and_of_each_kind_of_defect_the_good_one_first():
    assert shown(choose("gbagab", [0, 1, 1, 0, 1, 1]), EXAMPLE) == [0, 2, 1]


def test_the_lowest_content_hash_is_the_example_whatever_the_files_order():
    assert shown(choose("ggcc", [0, 0, 1, 1], content="baxw"), EXAMPLE) == [1, 3]


def test_examples_do_not_depend_on_the_detector():
    one, other = (shown(choose("ggccd", scores), EXAMPLE) for scores in ([0, 0, 1, 1, 1], [9, 8, -7, 0.1, 0.2]))
    assert one == other


def test_mistakes_are_the_worst_two_of_either_kind_and_only_if_they_are_wrong():
    kinds, scores = "gggggcccc", [0.1, 0.6, 0.9, 0.8, 0.3, 0.9, 0.4, 0.1, 0.2]
    assert shown(choose(kinds, scores), MISTAKE) == [7, 8, 2, 3]
    assert shown(choose(kinds, scores, threshold=0.05), MISTAKE) == [2, 3], "nothing is missed"
    assert shown(choose("gc", [0.4, 0.6]), MISTAKE) == []


def test_each_image_is_judged_by_its_own_threshold():
    assert shown(choose("gcgc", [0.3, 0.6, 0.6, 0.6], threshold=[0.2, 0.5, 0.5, 0.7]), MISTAKE) == [3, 2]


def test_a_score_at_the_threshold_is_flagged():
    assert shown(choose("gcgc", [0, 1, 0.5, 0.5]), MISTAKE) == [2]


def test_an_image_is_shown_once_even_if_the_example_is_among_the_worst():
    assert choose("gcc", [0, 0.1, 0.2]) == {0: EXAMPLE, 1: EXAMPLE, 2: MISTAKE}


def test_equal_scores_are_decided_by_content():
    assert shown(choose("ggggc", [0, 1, 1, 1, 1], content="adcbe"), MISTAKE) == [3, 2]


def test_there_are_never_more_than_sixteen():
    kinds = "g" * 5 + "abcdefhijklmnopqrstu"
    chosen = choose(kinds, [1] * 5 + [0] * 20, content=[f"{i:02d}" for i in range(25)])
    assert len(shown(chosen, EXAMPLE)) == 12 and len(chosen) <= 16


# -- what the pictures show


def opened(png: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    return np.asarray(picture)


@pytest.fixture(scope="module")
def images() -> Images:
    return load("synthetic", None, "fabric", Frame(32, 32))


@pytest.fixture(scope="module")
def job(make_job):
    return make_job("fabric", size_px=32)


class Counting(MeanImage):
    """The mean image, which tells how many images it was asked to reconstruct; brighter than an image can be."""

    asked: list[int]

    def reconstruct(self, images: Tensor) -> Tensor:
        self.asked.append(len(images))
        return super().reconstruct(images) + torch.tensor([0.0, 0.0, 3.0])[:, None, None]


@pytest.fixture(scope="module")
def detector(images) -> Counting:
    detector = Counting(HParams(), (3, 32, 32), CPU)
    detector.asked = []
    train = split(images, "holdout", 0).train
    detector.calibrate([scoring.normalise(torch.from_numpy(images.pixels[train]))])
    return detector


@pytest.fixture(scope="module")
def made(images, job, detector):
    test = split(images, "holdout", 0).test
    scores, maps = scoring.score(detector, torch.from_numpy(images.pixels[test]))
    threshold = float(np.median(scores))
    thresholds = np.full(len(test), threshold)
    return kept_pictures.rows(detector, job, images, test, scores, maps, thresholds, CPU), test, scores, maps, threshold


def test_rows_name_their_image_its_score_and_the_jobs_threshold(images, job, made):
    rows, test, scores, _, threshold = made
    by_path = {images.samples[i].path: (images.samples[i], score) for i, score in zip(test, scores, strict=True)}
    assert {row.why for row in rows} == {EXAMPLE, MISTAKE}
    for row in rows:
        sample, score = by_path[row.path]  # of the test part, or this fails
        assert (row.label, row.defect, row.score, row.threshold) == (sample.label, sample.defect, score, threshold)
        assert (row.job_id, row.model, row.category) == (job.id, job.model, "fabric")


def test_input_and_mask_are_the_images_own_pixels(images, made):
    index = {sample.path: i for i, sample in enumerate(images.samples)}
    for row in made[0]:
        np.testing.assert_array_equal(opened(row.image), images.pixels[index[row.path]])
        np.testing.assert_array_equal(opened(row.mask), images.masks[index[row.path]] * 255)  # 32 px, and square


def test_the_reconstruction_is_the_detectors_clipped_to_what_a_picture_can_hold(detector, made):
    mean = ((detector.mean().permute(1, 2, 0) + 1) * 127.5).round().numpy()
    for row in made[0]:
        picture = opened(row.reconstruction)
        np.testing.assert_array_equal(picture[..., :2], mean[..., :2])
        assert (picture[..., 2] == 255).all()


def test_residuals_of_one_job_are_comparable(images, made):
    rows, test, _, maps, _ = made
    place = {images.samples[i].path: k for k, i in enumerate(test)}
    low, high = maps.min(), np.quantile(maps, 0.999)
    for row in rows:
        assert (row.residual_min, row.residual_max) == (low, high)
        values = row.residual_min + opened(row.residual) / 255 * (row.residual_max - row.residual_min)
        np.testing.assert_allclose(values, maps[place[row.path]].clip(low, high), atol=0.51 * (high - low) / 255)


def test_only_the_chosen_images_are_reconstructed_and_all_at_once(detector, made):
    assert detector.asked == [len(made[0])]


def test_images_without_masks_have_none(images, job, detector, made):
    _, test, scores, maps, threshold = made
    bare = Images(**{**vars(images), "masks": None})
    thresholds = np.full(len(test), threshold)
    assert all(row.mask is None for row in kept_pictures.rows(detector, job, bare, test, scores, maps, thresholds, CPU))


def test_a_picture_of_one_channel_is_grey():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    np.testing.assert_array_equal(opened(kept_pictures.png(pixels)), pixels[:, :, 0])


def test_pixels_survive_the_way_to_a_detector_and_back():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(kept_pictures.to_pixels(scoring.normalise(pixels)), pixels)


def test_maps_that_are_the_same_everywhere_are_black():
    assert not kept_pictures.grey(np.full((2, 2), 0.7), 0.7, 0.7).any()
