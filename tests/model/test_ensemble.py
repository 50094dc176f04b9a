"""Several detectors as one: the weighted mean of their scores, each in units of what normal images vary by."""

import pytest
import torch

from model.ensemble import Ensemble, HParams
from model.mean_image import MeanImage
from model.parts.tiled import Tiled
from model.patch_gaussian import PatchGaussian

SHAPE = (3, 32, 32)


def images(count: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def members(shape: tuple[int, int, int] = SHAPE) -> list:
    found = [kind(kind.HParams(), shape, "cpu") for kind in (MeanImage, PatchGaussian)]
    for member in found:
        member.calibrate([images()])
    return found


def together(*weights: float) -> Ensemble:
    described = tuple({"model": "", "hparams": {}, "tile_px": None, "weight": weight} for weight in weights)
    found = Ensemble(HParams(described), members())
    for scale, member in zip(found.scales, found.members, strict=True):
        scale.fit(member.score(images(20, seed=5))[0])
    return found


def test_scores_and_maps_are_weighted_means_in_units_of_the_normal_images():
    ensemble, asked = together(0.25, 0.75), images(3, seed=1)
    scores, maps = ensemble.score(asked)
    expected_scores, expected_maps = 0, 0
    for member, weight in zip(members(), (0.25, 0.75), strict=True):
        normal, (own, own_maps) = member.score(images(20, seed=5))[0], member.score(asked)
        mean, deviation = normal.mean(), normal.std(correction=0)
        expected_scores = expected_scores + weight * (own - mean) / deviation
        expected_maps = expected_maps + weight * (own_maps - mean) / deviation
    torch.testing.assert_close(scores, expected_scores)
    torch.testing.assert_close(maps, expected_maps)


def test_it_shows_what_the_member_that_counts_most_shows():
    one, two = together(0.25, 0.75), together(0.5, 0.5)
    assert torch.equal(one.reconstruct(images(2)), one.members[1].reconstruct(images(2)))
    assert torch.equal(two.reconstruct(images(2)), two.members[0].reconstruct(images(2)))


def test_a_state_carries_all_members_and_their_units():
    ensemble, asked = together(0.5, 0.5), images(3, seed=1)
    loaded = Ensemble(ensemble.hparams, [kind(kind.HParams(), SHAPE, "cpu") for kind in (MeanImage, PatchGaussian)])
    assert not torch.equal(loaded.score(asked)[0], ensemble.score(asked)[0])
    loaded.load_state_dict(ensemble.state_dict())
    assert torch.equal(loaded.score(asked)[0], ensemble.score(asked)[0])


def test_calibration_leaves_it_as_it_is():
    ensemble, asked = together(0.5, 0.5), images(3, seed=1)
    before = ensemble.score(asked)[0]
    ensemble.calibrate([images(seed=9)])
    assert torch.equal(ensemble.score(asked)[0], before)


def test_normal_images_that_all_score_alike_are_no_division_by_zero():
    scale = together(1.0).scales[0]
    scale.fit(torch.ones(5))
    assert scale(torch.tensor([1.0, 2.0])).isfinite().all()


def test_members_may_see_the_image_in_tiles_but_all_see_the_same_one():
    small = PatchGaussian(PatchGaussian.HParams(), (3, 16, 16), "cpu")
    described = HParams(({"weight": 0.5}, {"weight": 0.5}))
    assert Ensemble(described, [members()[0], Tiled(small, SHAPE)]).image_shape == SHAPE
    with pytest.raises(ValueError, match="images of different shapes: expected one shape"):
        Ensemble(described, [members()[0], small])


@pytest.mark.parametrize("weights", [(0.5, 0.6), (1.0, 0.0), (1.5, -0.5)])
def test_weights_that_are_no_shares_are_refused(weights):
    with pytest.raises(ValueError, match="expected numbers above 0 that sum to 1"):
        together(*weights)
