"""PaDiM: distances to each position's Gaussian of pretrained features."""

import pytest
import torch

from model.padim import HParams, Padim

RANDOM = HParams(backbone="random", dimensions=12, smoothing_px=0.0)


def images(count: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def build(hparams: HParams = RANDOM, seed: int = 0) -> Padim:
    torch.manual_seed(seed)
    return Padim(hparams, (3, 32, 32), "cpu")


def test_the_score_is_mahalanobis_distance_at_the_position_where_it_is_largest():
    detector, asked = build(HParams(backbone="random", dimensions=5, smoothing_px=0.0, shrinkage=0.0, floor=1e-8)), None
    detector.calibrate(images().split(7))
    asked = images(2, seed=1)
    seen, new = (detector.patches(of)[:, detector.gaussian.dimensions].flatten(2) for of in (images(), asked))
    for image, score in zip(new, detector.score(asked)[0], strict=True):
        distances = []
        for position in range(16):
            apart = image[:, position] - seen[:, :, position].mean(dim=0)
            covariance = torch.cov(seen[:, :, position].T, correction=0)
            distances.append((apart @ torch.linalg.inv(covariance.double()).float() @ apart).sqrt())
        assert float(score) == pytest.approx(float(max(distances)), rel=0.02)


def test_the_dimensions_are_a_function_of_the_seed_and_kept_with_the_state():
    one, again, other = build(), build(), build(seed=1)
    assert torch.equal(one.gaussian.dimensions, again.gaussian.dimensions)
    assert not torch.equal(one.gaussian.dimensions, other.gaussian.dimensions)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.gaussian.dimensions, other.gaussian.dimensions)


def test_more_dimensions_than_there_are_is_all():
    assert len(build(HParams(backbone="random", dimensions=900)).gaussian.dimensions) == 40 + 112


@pytest.mark.parametrize("options", [{"backbone": ""}, {"levels": "4"}, {"dimensions": 1}, {"floor": 0.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
        HParams(**options)
