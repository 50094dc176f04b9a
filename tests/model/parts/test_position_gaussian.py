"""One Gaussian a position: numpy's covariance and Mahalanobis's distance, and what leaving an image out changes."""

import numpy as np
import pytest
import torch

from model.parts.position_gaussian import PositionGaussian, distance

COUNT, FEATURES, GRID = 12, 3, (2, 3)


@pytest.fixture
def features() -> torch.Tensor:
    """(12, 3, 2, 3), correlated, of another scale and mean in each feature and at each position."""
    torch.manual_seed(0)
    mixed = torch.einsum("fg,nghw->nfhw", torch.tensor([[1.0, 0, 0], [2, 3, 0], [0, 10, 0.5]]),
                         torch.randn(COUNT, FEATURES, *GRID))
    return mixed * (1 + torch.rand(GRID)) + 5 * torch.randn(FEATURES, *GRID)


def fitted(features: torch.Tensor, shrinkage: float = 0.0, floor: float = 1e-10) -> PositionGaussian:
    gaussian = PositionGaussian(features.shape[1], tuple(features.shape[2:]), shrinkage, floor)
    gaussian.fit([features])
    return gaussian


def mahalanobis(features: torch.Tensor, of: torch.Tensor, shrinkage: float, floor: float) -> np.ndarray:
    """(N, h, w), by numpy, position for position."""
    normal, asked = of.double().numpy(), features.double().numpy()
    deviation = normal.std(axis=(0, 2, 3), keepdims=True)
    normal, asked = normal / deviation, asked / deviation
    found = np.zeros((len(asked), *asked.shape[2:]))
    for row, column in np.ndindex(*asked.shape[2:]):
        there = normal[:, :, row, column]
        covariance = np.cov(there, rowvar=False, bias=True)
        covariance += (shrinkage * covariance.trace() / len(covariance) + floor) * np.eye(len(covariance))
        apart = asked[:, :, row, column] - there.mean(axis=0)
        found[:, row, column] = np.sqrt(np.einsum("nf,fg,ng->n", apart, np.linalg.inv(covariance), apart))
    return found


@pytest.mark.parametrize(("shrinkage", "floor"), [(0.0, 1e-10), (0.3, 1e-10), (0.0, 0.2), (0.01, 1e-3)])
def test_distances_are_mahalanobiss_with_the_stated_regularisation(features, shrinkage, floor):
    asked = features + torch.randn_like(features)
    found = distance(fitted(features, shrinkage, floor).whiten(asked))
    np.testing.assert_allclose(found, mahalanobis(asked, features, shrinkage, floor), rtol=2e-3)


def test_whitened_normal_images_have_mean_0_and_covariance_1_at_each_position(features):
    whitened = fitted(features).whiten(features).numpy()
    for row, column in np.ndindex(*GRID):
        there = whitened[:, :, row, column]
        np.testing.assert_allclose(there.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(np.cov(there, rowvar=False, bias=True), np.eye(FEATURES), atol=1e-3)


def test_features_are_standardised_by_their_deviation_over_all_images_and_positions(features):
    expected = features / features.std(dim=(0, 2, 3), correction=0).view(1, -1, 1, 1)
    torch.testing.assert_close(fitted(features).standardise(features), expected)


def test_batches_and_their_order_change_nothing(features):
    whole, parts = fitted(features, 0.01, 1e-3), PositionGaussian(FEATURES, GRID, 0.01, 1e-3)
    parts.fit(features[torch.randperm(COUNT)].split(5))  # 5 + 5 + 2
    for one, other in zip(whole.buffers(), parts.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_sums_are_taken_in_float64_so_that_a_large_mean_costs_no_accuracy(features):
    step = features.mul(64).round().div(64)  # exact in float32 with a mean of 4096, too
    near, far = fitted(step), fitted(step + 4096)
    torch.testing.assert_close(distance(far.whiten(step + 4096)), distance(near.whiten(step)), rtol=2e-2, atol=2e-2)


# -- without


@pytest.mark.parametrize("change", [0.0, 1.0])
def test_without_an_image_is_as_if_fitted_without_it(features, change):
    asked = features + change * torch.randn_like(features)
    found = distance(fitted(features).whiten(asked, without=features))
    for left_out in range(COUNT):
        others = torch.cat([features[:left_out], features[left_out + 1 :]])
        expected = distance(fitted(others).whiten(asked[left_out : left_out + 1]))[0]
        torch.testing.assert_close(found[left_out], expected, rtol=5e-3, atol=1e-3)


def test_without_is_by_row(features):
    gaussian = fitted(features)
    rows = [gaussian.whiten(features[i : i + 1], without=features[i : i + 1]) for i in range(COUNT)]
    torch.testing.assert_close(gaussian.whiten(features, without=features), torch.cat(rows), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_without_one_of_fewer_images_than_features_is_finite(features, count):
    few = features[:count]
    assert fitted(few, 0.01, 1e-6).whiten(few + 0.1, without=few).isfinite().all()


# -- before and after a fit


def test_until_fitted_it_is_standard_normal(features):
    gaussian = PositionGaussian(FEATURES, GRID, 0.01, 1e-3)
    assert not gaussian.is_fitted()
    torch.testing.assert_close(gaussian.whiten(features), features)
    assert gaussian.whiten(features, without=features).isfinite().all()


def test_no_image_at_all_is_an_error_and_leaves_it_unfitted():
    gaussian = PositionGaussian(FEATURES, GRID, 0.01, 1e-3)
    with pytest.raises(ValueError, match="no normal image .* expected at least one"):
        gaussian.fit([])
    assert not gaussian.is_fitted()


def test_features_that_never_vary_are_no_division_by_zero():
    plain = torch.ones(4, FEATURES, *GRID)
    gaussian = fitted(plain, 0.01, 1e-3)
    assert gaussian.whiten(plain).abs().max() < 1e-3 and gaussian.whiten(plain + 1).isfinite().all()


def test_all_of_it_is_buffers_that_a_state_dict_carries(features):
    gaussian, loaded = fitted(features, 0.01, 1e-3), PositionGaussian(FEATURES, GRID, 0.01, 1e-3)
    loaded.load_state_dict(gaussian.state_dict())
    assert loaded.is_fitted() and not list(gaussian.parameters())
    assert torch.equal(loaded.whiten(features, features), gaussian.whiten(features, features))


def test_a_distance_is_the_norm_over_features():
    assert distance(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)).tolist() == [[[5.0]]]
