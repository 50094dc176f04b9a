"""What a network is told besides the pixels: deviations from the normal images, and places."""

import pytest
import torch

from model.parts.normal_input import NormalInput

CHANNELS, HEIGHT, WIDTH = 3, 8, 12


@pytest.fixture
def normals() -> torch.Tensor:
    """Twenty images (20, 3, 8, 12) whose left half varies little and whose right half varies much."""
    noise = torch.randn(20, CHANNELS, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    size = torch.where(torch.arange(WIDTH) < WIDTH // 2, 0.02, 0.3)
    return (0.2 + size * noise).clamp(-1, 1)


@pytest.fixture
def fitted(normals) -> NormalInput:
    told = NormalInput((CHANNELS, HEIGHT, WIDTH))
    told.fit(normals.split(7))
    return told


def test_images_come_first_then_deviations_then_two_coordinates(fitted, normals):
    inputs = fitted(normals[:2])
    assert inputs.shape == (2, fitted.channels, HEIGHT, WIDTH) and fitted.channels == 2 * CHANNELS + 2
    assert torch.equal(inputs[:, :CHANNELS], normals[:2])
    rows, columns = inputs[0, -2], inputs[0, -1]
    assert torch.equal(rows[:, 0], torch.linspace(-1, 1, HEIGHT))
    assert torch.equal(columns[0], torch.linspace(-1, 1, WIDTH))
    assert (rows == rows[:, :1]).all() and (columns == columns[:1]).all()


def test_the_same_change_is_far_where_normal_images_are_alike_and_near_where_they_differ(fitted, normals):
    changed = normals.mean(dim=0, keepdim=True) + 0.2
    deviations = fitted(changed)[0, CHANNELS:-2].abs().mean(dim=0)
    assert deviations[:, :5].min() > 3 * deviations[:, 7:].max()


def test_deviations_are_bounded(fitted):
    assert fitted(torch.ones(1, CHANNELS, HEIGHT, WIDTH)).abs().max() == 6.0


def test_an_image_that_was_seen_is_judged_as_if_it_had_not_been(fitted, normals):
    others = NormalInput((CHANNELS, HEIGHT, WIDTH))
    others.fit([normals[1:]])
    apart = slice(CHANNELS, -2)
    without, known = fitted(normals[:1], without=normals[:1])[:, apart], fitted(normals[:1])[:, apart]
    assert (without.abs().mean() - others(normals[:1])[:, apart].abs().mean()).abs() < 0.02
    assert without.abs().mean() > known.abs().mean()


def test_its_state_has_the_same_keys_before_and_after(fitted):
    untold = NormalInput((CHANNELS, HEIGHT, WIDTH))
    assert not untold.is_fitted() and fitted.is_fitted()
    assert list(untold.state_dict()) == list(fitted.state_dict())
