"""The classical control: distances of cells to their position's Gaussian, made by one look at normal images."""

import pytest
import torch

from model.parts.cells import CellFeatures
from model.parts.position_gaussian import distance
from model.parts.smoothing import smooth
from model.patch_gaussian import PatchGaussian


def images(count: int = 12, height: int = 24, width: int = 32, seed: int = 0) -> torch.Tensor:
    """A step of light from left to right, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    step = torch.where(torch.arange(width) < width // 2, -0.5, 0.5)
    return step + 0.05 * torch.randn(count, 3, height, width, generator=generator)


def calibrated(batches, **hparams) -> PatchGaussian:
    detector = PatchGaussian(PatchGaussian.HParams(**hparams), (3, 24, 32), "cpu")
    detector.calibrate(batches)
    return detector


def test_a_score_is_the_highest_smoothed_distance_of_a_cell():
    detector = calibrated([images()], smoothing_cells=1.5)
    asked = images(3, seed=1)
    distances = distance(detector.gaussian.whiten(CellFeatures(4)(asked)))
    scores, maps = detector.score(asked)
    torch.testing.assert_close(scores, smooth(distances, 1.5).amax(dim=(1, 2)))
    assert (maps.amax(dim=(1, 2)) <= scores + 1e-4).all(), "pixels lie between the cells' centres"


def test_what_is_normal_on_the_left_is_a_defect_on_the_right():
    detector = calibrated([images()])
    normal = images(1, seed=1)
    moved = normal.clone()
    moved[..., 8:16, 24:] = -0.5
    (score, moved_score), maps = detector.score(torch.cat([normal, moved]))
    assert moved_score > 3 * score
    row, column = divmod(maps[1].argmax().item(), 32)
    assert 4 <= row < 20 and 20 <= column


def test_batches_change_nothing():
    normal = images()
    one, other = calibrated([normal]), calibrated(normal.split(5))
    asked = images(3, seed=1)
    torch.testing.assert_close(one.score(asked)[0], other.score(asked)[0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(one.reconstruct(asked), other.reconstruct(asked))


def test_it_is_calibrated_once_and_then_does_not_look():
    def never():
        raise AssertionError("nothing is to be prepared")
        yield

    detector, asked = calibrated([images()]), images(3, seed=1)
    before = detector.score(asked)[0]
    detector.calibrate(never())
    assert torch.equal(detector.score(asked)[0], before)


def test_it_takes_every_image_for_the_mean_normal_one():
    normal = images()
    reconstructions = calibrated([normal]).reconstruct(torch.zeros(2, 3, 24, 32))
    torch.testing.assert_close(reconstructions, normal.mean(dim=0).expand(2, -1, -1, -1))


def test_a_loaded_detector_scores_alike_and_is_not_calibrated_anew():
    detector, loaded = calibrated([images()]), PatchGaussian(PatchGaussian.HParams(), (3, 24, 32), "cpu")
    loaded.load_state_dict(detector.state_dict())
    loaded.calibrate([images(seed=9)])
    assert torch.equal(loaded.score(images(3, seed=1))[0], detector.score(images(3, seed=1))[0])


@pytest.mark.parametrize("options", [{"shrinkage": 1.0}, {"floor": 1.0}])
def test_more_taken_for_variation_is_smaller_distances(options):
    asked = images(3, seed=1)
    assert (calibrated([images()], **options).score(asked)[0] < calibrated([images()]).score(asked)[0]).all()


def test_it_has_no_parameters():
    assert calibrated([images()]).parameters_by_network() == {"gaussian": 0, "mean": 0}


@pytest.mark.parametrize(
    "wrong", [{"cell_px": 1}, {"cell_px": 2.5}, {"smoothing_cells": -0.1}, {"shrinkage": 1.5}, {"floor": 0.0}]
)
def test_hparams_out_of_range_are_refused_in_one_line(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} is .*: expected .*; set it to .*, for example$"):
        PatchGaussian.HParams(**wrong)
