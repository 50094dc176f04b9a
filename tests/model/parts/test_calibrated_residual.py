"""How unusual a residual is at its place, against residuals of normal images that are made up here."""

import pytest
import torch

from model.parts.calibrated_residual import CELL_PX, CalibratedResidual
from model.parts.dcgan import init_dcgan
from model.parts.layers import Discriminator

SHAPE = (3, 32, 32)
GRID = 32 // CELL_PX


def made(seed: int) -> torch.Tensor:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def discriminator() -> Discriminator:
    torch.manual_seed(0)
    network = Discriminator(3, 32).eval()
    init_dcgan(network)
    return network


@pytest.fixture(scope="module")
def pairs() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Images and reconstructions of 40 normal images: in the left half the generator always fails, and variously."""
    x = torch.rand(40, *SHAPE, generator=made(1)) - 0.5
    size = torch.where(torch.arange(32) < 16, 0.5, 0.02)
    x_hat = x - size * torch.randn(40, *SHAPE, generator=made(2))
    return list(zip(x.split(16), x_hat.split(16), strict=True))


@pytest.fixture(scope="module")
def calibrated(pairs, discriminator) -> CalibratedResidual:
    residual = CalibratedResidual(SHAPE, smoothing_px=0.0)
    residual.fit(pairs, discriminator)
    return residual


def with_a_spot(x_hat: torch.Tensor, column: int, change: float = 0.3) -> torch.Tensor:
    spoilt = x_hat.clone()
    spoilt[:, :, 12:16, column:column + CELL_PX] += change
    return spoilt


def spot_of(maps: torch.Tensor, column: int) -> torch.Tensor:
    return maps[:, 12 // CELL_PX, column // CELL_PX]


def test_a_map_has_a_value_a_cell(calibrated, pairs, discriminator):
    x, x_hat = pairs[0]
    assert calibrated(x, x_hat, discriminator).shape == (16, GRID, GRID)


def test_a_failure_is_more_unusual_where_the_generator_never_fails_than_where_it_always_does(
    calibrated, pairs, discriminator
):
    x, x_hat = pairs[0]
    normal = calibrated(x, x_hat, discriminator)
    usual, unusual = (
        spot_of(calibrated(x, with_a_spot(x_hat, column), discriminator) - normal, column).mean() for column in (4, 24)
    )
    assert unusual > 5 * usual > 0


@pytest.mark.parametrize("part", ["pixels", "first map"])
def test_both_parts_see_it(calibrated, pairs, discriminator, part):
    """With the other part's spread made endless, its share of the sum is nothing."""
    x, x_hat = pairs[0]
    alone = CalibratedResidual(SHAPE, 0.0)
    alone.load_state_dict(calibrated.state_dict())
    alone.spreads[1 if part == "pixels" else 0].deviation.fill_(torch.inf)
    added = alone(x, with_a_spot(x_hat, 24), discriminator) - alone(x, x_hat, discriminator)
    assert spot_of(added, 24).min() > 5


def test_the_two_parts_are_summed(calibrated, pairs, discriminator):
    x, x_hat = pairs[0]
    total = calibrated(x, with_a_spot(x_hat, 24), discriminator)
    parts = []
    for other in (1, 0):
        alone = CalibratedResidual(SHAPE, 0.0)
        alone.load_state_dict(calibrated.state_dict())
        alone.spreads[other].deviation.fill_(torch.inf)
        parts.append(alone(x, with_a_spot(x_hat, 24), discriminator))
    assert torch.allclose(total, sum(parts), rtol=1e-4, atol=1e-3)


def test_the_sign_of_a_pixels_residual_counts(discriminator):
    """Always too bright by .2: as much too dark is unusual, though as far off; without the first map's say."""
    x = 0.1 * torch.randn(40, *SHAPE, generator=made(3))
    noise = 0.01 * torch.randn(40, *SHAPE, generator=made(4))
    residual = CalibratedResidual(SHAPE, 0.0)
    residual.fit([(x, x + 0.2 + noise)], discriminator)
    residual.spreads[1].deviation.fill_(torch.inf)
    bright = residual(x, x + 0.2 + noise, discriminator).amax(dim=(1, 2))
    dark = residual(x, x - 0.2 + noise, discriminator).amax(dim=(1, 2))
    assert dark.min() > bright.max() + 10


def test_the_highest_value_of_a_normal_image_is_about_0(calibrated, discriminator):
    x = torch.rand(40, *SHAPE, generator=made(5)) - 0.5
    size = torch.where(torch.arange(32) < 16, 0.5, 0.02)
    unseen = x - size * torch.randn(40, *SHAPE, generator=made(6))
    assert abs(calibrated(x, unseen, discriminator).amax(dim=(1, 2)).mean()) < 3


def test_how_normal_images_come_in_batches_makes_no_difference(calibrated, pairs, discriminator):
    x, x_hat = (torch.cat(of) for of in zip(*pairs, strict=True))
    whole = CalibratedResidual(SHAPE, 0.0)
    whole.fit([(x, x_hat)], discriminator)
    assert torch.allclose(whole(x, x_hat, discriminator), calibrated(x, x_hat, discriminator), atol=1e-3)


def test_smoothing_spreads_a_spot(pairs, discriminator):
    x, x_hat = pairs[0]
    sharp, smooth = (CalibratedResidual(SHAPE, px) for px in (0.0, 6.0))
    highest = []
    for residual in (sharp, smooth):
        difference = residual(x, with_a_spot(x_hat, 24, 2.0), discriminator) - residual(x, x_hat, discriminator)
        highest.append(difference.amax())
    assert highest[1] < highest[0] / 2


def test_its_state_has_the_same_keys_and_shapes_before_and_after(calibrated):
    before = CalibratedResidual(SHAPE, 0.0).state_dict()
    assert {key: value.shape for key, value in before.items()} == {
        key: value.shape for key, value in calibrated.state_dict().items()}
    assert not list(calibrated.parameters())
