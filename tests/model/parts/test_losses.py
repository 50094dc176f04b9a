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
