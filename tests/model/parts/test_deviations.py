"""Evidence: each cell's features, whitened deviations and distance, at one or more levels, and its place."""

import pytest
import torch
from torch.nn import functional as F

from model.parts.cells import CellFeatures
from model.parts.deviations import Deviations
from model.parts.position_gaussian import distance
from model.parts.pyramids import CellPyramid

COUNT = CellFeatures.count(1)  # features of a cell


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(40, 1, 24, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


def fitted(images: torch.Tensor, levels: int = 1, shrinkage: float = 0.01, floor: float = 1e-3) -> Deviations:
    deviations = Deviations(CellPyramid(tuple(images.shape[1:]), 4, levels), shrinkage, floor)
    deviations.fit(images.split(16))
    return deviations


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize(("channels", "height", "width"), [(3, 32, 32), (1, 33, 50), (3, 9, 64), (1, 5, 7)])
def test_it_says_how_many_channels_it_gives_at_any_size(levels, channels, height, width):
    images = torch.rand(3, channels, height, width)
    deviations = fitted(images, levels)
    evidence, distances = deviations(images)
    grid = CellFeatures(4).grid(height, width)
    assert evidence.shape == (3, deviations.channels, *grid) and distances.shape == (3, *grid)
    assert evidence.isfinite().all() and deviations(images, without=images)[0].isfinite().all()


def test_distances_are_those_of_the_finest_level_and_their_logarithm_is_evidence(images):
    deviations = fitted(images, levels=2)
    evidence, distances = deviations(images)
    expected = distance(deviations.gaussians[0].whiten(CellFeatures(4)(images)))
    torch.testing.assert_close(distances, expected)
    torch.testing.assert_close(evidence[:, 3 * COUNT], (expected + 1e-3).log())


def test_features_come_in_units_of_their_deviation_from_their_mean(images):
    standard = fitted(images)(images)[0][:, :COUNT]
    torch.testing.assert_close(standard.mean(dim=(0, 2, 3)), torch.zeros(COUNT), atol=1e-3, rtol=0)
    torch.testing.assert_close(standard.std(dim=(0, 2, 3), correction=0), torch.ones(COUNT), atol=1e-3, rtol=0)


def test_deviations_come_cut_off_and_with_the_root_of_their_size(images):
    deviations = fitted(images)
    wild = torch.ones(1, 1, 24, 24)
    whitened = deviations.gaussians[0].whiten(CellFeatures(4)(wild))
    evidence, _ = deviations(wild)
    assert whitened.abs().max() > 18
    torch.testing.assert_close(evidence[:, COUNT : 2 * COUNT], whitened.div(3).clamp(-6, 6))
    torch.testing.assert_close(evidence[:, 2 * COUNT : 3 * COUNT], whitened.abs().sqrt())


def test_the_second_level_is_the_first_of_the_image_at_half_its_size(images):
    two, half = fitted(images, levels=2), fitted(F.avg_pool2d(images, 2))
    coarse, _ = half(F.avg_pool2d(images, 2))
    expected = F.interpolate(coarse[:, :-2], (6, 6), mode="bilinear")
    torch.testing.assert_close(two(images)[0][:, 3 * COUNT + 1 : -2], expected, rtol=1e-3, atol=1e-3)


def test_the_last_channels_are_the_cells_row_and_column(images):
    rows, columns = fitted(images)(images[:2])[0][1, -2:]
    places = torch.linspace(-1, 1, 6)
    assert torch.equal(rows, places[:, None].expand(6, 6)) and torch.equal(columns, places.expand(6, 6))


@pytest.mark.parametrize("levels", [1, 2])
def test_without_an_image_is_as_if_fitted_without_it(images, levels):
    exact = {"levels": levels, "shrinkage": 0.0, "floor": 1e-8}
    left_out = images[3:4]
    asked = left_out + 0.05
    others = fitted(torch.cat([images[:3], images[4:]]), **exact)
    evidence, distances = fitted(images, **exact)(asked, without=left_out)
    expected, expected_distances = others(asked)
    torch.testing.assert_close(distances, expected_distances, rtol=2e-2, atol=1e-2)
    if levels == 2:  # distances of the second, too; whitening is up to a rotation, its length is not
        torch.testing.assert_close(evidence[:, -3], expected[:, -3], rtol=2e-2, atol=2e-2)


def test_a_normal_image_is_farther_off_without_itself(images):
    deviations = fitted(images)
    assert (deviations(images, without=images)[1] > deviations(images)[1]).all()


def test_it_is_fitted_by_all_batches_and_a_state_dict_carries_it(images):
    deviations, loaded = fitted(images), Deviations(CellPyramid((1, 24, 24), 4, 1), 0.01, 1e-3)
    assert not loaded.is_fitted()
    loaded.load_state_dict(deviations.state_dict())
    assert loaded.is_fitted() and loaded.gaussians[0].images == 40
    assert torch.equal(loaded(images)[0], deviations(images)[0]) and not list(deviations.parameters())
