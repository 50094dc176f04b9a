"""The paper's equations, against numbers worked out by hand."""

import math

import pytest
import torch

from model.parts import losses

LN2, LN3, LN4 = math.log(2), math.log(3), math.log(4)
# D = sigmoid(logit): logit ln 3 is D = 3/4, logit 0 is D = 1/2, logit -ln 3 is D = 1/4
REAL_LOGITS = torch.tensor([LN3, 0.0])  # D(x) = 3/4, 1/2
FAKE_LOGITS = torch.tensor([-LN3, 0.0])  # D(x_hat) = 1/4, 1/2
X = torch.tensor([[[[1.0, -1.0]]], [[[0.5, 0.0]]]])  # (2, 1, 1, 2)
X_HAT = torch.tensor([[[[0.0, -1.0]]], [[[0.0, 0.25]]]])  # differences 1, 0, 0.5, -0.25
F_X = torch.tensor([[1.0, 2.0], [0.0, -3.0]])
F_X_HAT = torch.tensor([[0.0, 4.0], [0.0, -2.0]])  # differences 1, -2, 0, -1


def test_equation_1_is_the_value_of_the_game():
    # (ln 3/4 + ln 1/2) / 2 for the real ones, (ln(1 - 1/4) + ln(1 - 1/2)) / 2 for the fake ones
    by_hand = (math.log(3 / 4) + math.log(1 / 2)) / 2 + (math.log(3 / 4) + math.log(1 / 2)) / 2
    assert losses.adversarial_value(REAL_LOGITS, FAKE_LOGITS).item() == pytest.approx(by_hand)


def test_equation_2_is_the_mean_absolute_pixel_difference():
    assert losses.context_l1(X, X_HAT).item() == pytest.approx((1 + 0 + 0.5 + 0.25) / 4)


def test_equation_3_is_the_mean_absolute_feature_difference():
    assert losses.latent_l1(F_X, F_X_HAT).item() == pytest.approx((1 + 2 + 0 + 1) / 4)


def test_equation_5_is_what_the_discriminator_minimises():
    assert losses.discriminator_adversarial(torch.tensor([0.0]), torch.tensor([0.0])).item() == pytest.approx(2 * LN2)
    assert losses.discriminator_adversarial(torch.tensor([LN3]), torch.tensor([LN3])).item() == pytest.approx(
        (LN4 - LN3) + LN4)  # -ln 3/4 - ln(1 - 3/4)


def test_the_generator_minimises_minus_the_log_of_the_belief_in_its_images():
    # D(x_hat) = 1/4, 1/2: (ln 4 + ln 2) / 2
    assert losses.generator_adversarial(FAKE_LOGITS).item() == pytest.approx((LN4 + LN2) / 2)


def test_equation_6_is_the_mean_squared_pixel_difference():
    assert losses.context_l2(X, X_HAT).item() == pytest.approx((1 + 0 + 0.25 + 0.0625) / 4)


def test_equation_7_is_the_mean_squared_feature_difference():
    assert losses.latent_squared(F_X, F_X_HAT).item() == pytest.approx((1 + 4 + 0 + 1) / 4)


def test_equation_8_weighs_each_loss_by_its_own_weight():
    adversarial, context, latent = (torch.tensor(value) for value in (2.0, 10.0, 100.0))
    assert losses.total(adversarial, context, latent, 0.5, 0.3, 0.2).item() == pytest.approx(1 + 3 + 20)


def test_certain_logits_give_large_finite_losses_and_gradients():
    wrong = torch.tensor([1000.0], requires_grad=True)
    loss = losses.discriminator_adversarial(-wrong, wrong)
    assert loss.item() == pytest.approx(2000.0)  # -log sigmoid(-1000) = 1000, twice
    loss.backward()
    assert wrong.grad.item() == pytest.approx(2.0)
    assert losses.generator_adversarial(torch.tensor([-1000.0])).item() == pytest.approx(1000.0)


# -- training on forged defects


def pictures(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("loss", [losses.restoration, losses.structural_dissimilarity, losses.gradient_dissimilarity])
def test_a_picture_restored_to_the_last_bit_costs_nothing_and_any_other_does(loss):
    assert loss(pictures(), pictures()).item() == pytest.approx(0, abs=1e-5)
    assert loss(pictures(), pictures(1)).item() > 0.1


@pytest.mark.parametrize("loss", [losses.restoration, losses.structural_dissimilarity, losses.gradient_dissimilarity])
def test_its_gradient_is_finite_also_on_a_plain_picture(loss):
    plain = torch.zeros(1, 1, 32, 32, requires_grad=True)
    for target in (torch.zeros(1, 1, 32, 32), pictures()[:1, :1]):
        (gradient,) = torch.autograd.grad(loss(target, plain), plain)
        assert gradient.isfinite().all()


def test_restoration_is_the_sum_of_its_three_parts():
    one, other = pictures(), pictures(1)
    by_hand = (losses.context_l1(one, other) + losses.structural_dissimilarity(one, other)
               + losses.gradient_dissimilarity(one, other))
    assert losses.restoration(one, other).item() == pytest.approx(by_hand.item())


def test_of_plain_pictures_structure_compares_the_luminance_alone():
    """(2 a b + c) / (a^2 + b^2 + c) with c = .02^2; variances are 0."""
    half, fifth = torch.full((1, 1, 16, 16), 0.5), torch.full((1, 1, 16, 16), 0.2)
    similarity = (2 * 0.5 * 0.2 + 0.0004) / (0.25 + 0.04 + 0.0004)
    assert losses.structural_dissimilarity(half, fifth).item() == pytest.approx(1 - similarity, rel=1e-3)


def test_gradients_ignore_brightness_and_see_a_lost_edge():
    step = torch.where(torch.arange(32) < 16, -0.5, 0.5).expand(1, 1, 32, 32)
    assert losses.gradient_dissimilarity(step, step + 0.3).item() == pytest.approx(0, abs=1e-5)
    assert losses.gradient_dissimilarity(step, torch.zeros_like(step)).item() > 0.05


def test_the_gradient_of_a_ramp_is_twice_its_slope_along_either_axis():
    ramp = torch.arange(8.0).mul(0.1).expand(1, 1, 8, 8)
    for image in (ramp, ramp.transpose(2, 3)):
        assert torch.allclose(losses._gradient(image), torch.full((1, 1, 6, 6), 0.2), atol=1e-5)
