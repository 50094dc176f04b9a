"""f-AnoGAN: the gradient penalty, the two phases and what each leaves alone, and the networks of the paper."""

import pytest
import torch
from torch import nn

from model.f_anogan import FAnoGan, Generator, HParams, gradient_penalty, widths


def build(**options) -> FAnoGan:
    torch.manual_seed(0)
    return FAnoGan(HParams(**options), (3, 32, 32), "cpu")


def images(count=2) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def weights(network: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in network.state_dict().values()]


def moved(network: nn.Module, before: list[torch.Tensor]) -> bool:
    return not all(torch.equal(one, two) for one, two in zip(before, network.state_dict().values(), strict=True))


def test_defaults_are_its_authors():
    hparams = HParams()
    assert (hparams.lr, hparams.beta1, hparams.beta2) == (1e-4, 0.0, 0.9)
    assert (hparams.n_critic, hparams.gradient_penalty) == (5, 10.0)
    assert (hparams.encoder_lr, hparams.kappa) == (5e-5, 1.0)


# -- the gradient penalty


class Linear(nn.Module):
    """D(x) = w . x, whose gradient is w everywhere."""

    def __init__(self, weight: torch.Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: torch.Tensor):
        return x.flatten(1) @ self.weight, None


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
def test_of_a_linear_critic_it_is_the_distance_of_its_norm_from_1_squared(norm):
    weight = torch.nn.functional.normalize(torch.randn(12), dim=0) * norm
    penalty = gradient_penalty(Linear(weight), torch.randn(5, 3, 2, 2), torch.randn(5, 3, 2, 2))
    assert penalty.item() == pytest.approx((norm - 1) ** 2, rel=1e-6, abs=1e-6)


def test_it_pulls_the_norm_of_a_linear_critic_towards_1():
    critic = Linear(torch.full((12,), 1.0))
    (gradient,) = torch.autograd.grad(
        gradient_penalty(critic, torch.randn(5, 3, 2, 2), torch.randn(5, 3, 2, 2)), critic.weight)
    norm = critic.weight.norm()
    assert torch.allclose(gradient, 2 * (norm - 1) * critic.weight.detach() / norm, atol=1e-5)


def test_it_looks_between_real_and_fake_images():
    """D(x) = x^2 / 2 has the gradient x: from 0 to 4 the points between give values that neither end does."""
    class Square(nn.Module):
        def forward(self, x):
            seen.append(x.detach())
            return x.square().flatten(1).sum(1) / 2, None

    seen = []
    gradient_penalty(Square(), torch.zeros(50, 1, 1, 1), torch.full((50, 1, 1, 1), 4.0))
    assert 0 <= seen[0].min() < 1 and 3 < seen[0].max() <= 4 and seen[0].std() > 0.5


# -- the phases


def test_the_critic_is_trained_in_every_step_and_g_in_every_fifth():
    detector = build()
    g_moved = []
    for _ in range(10):
        before, critic_before = weights(detector.generator), weights(detector.critic)
        parameters = [p.detach().clone() for p in detector.generator.parameters()]
        detector.step(images(), 0.0)
        assert moved(detector.critic, critic_before) and moved(detector.generator, before), "BatchNorm's statistics"
        g_moved.append(any(not torch.equal(p, q) for p, q in zip(parameters, detector.generator.parameters(),
                                                                 strict=True)))
    assert g_moved == 2 * [False, False, False, False, True]


def test_in_the_second_phase_only_the_encoder_changes():
    detector = build()
    detector.step(images(), 0.0)
    before = {name: weights(network) for name, network in detector.networks().items()}
    detector.step(images(), 0.9)
    assert {name for name, network in detector.networks().items() if moved(network, before[name])} == {"encoder"}


def test_in_the_first_phase_the_encoder_does_not_change_and_the_detector_cannot_score_yet():
    detector = build()
    before = weights(detector.encoder)
    detector.step(images(), 0.6)
    assert not moved(detector.encoder, before)
    assert [detector.is_ready(progress) for progress in (0.1, 2 / 3, 0.7, 1.0)] == [False, False, True, True]


def test_the_count_of_critic_steps_survives_a_restart():
    first, second = build(), build()
    for _ in range(3):
        first.step(images(), 0.0)
    second.load_state_dict(first.state_dict())
    assert second.critic_steps == 3


def test_the_critics_loss_is_wassersteins_with_the_penalty():
    """n_critic 1 and a penalty of 0: D(fake) - D(real), and the generator's loss is -D(fake)."""
    detector, plain = build(n_critic=1, gradient_penalty=0.0), build()
    torch.manual_seed(3)
    losses = detector.step(images(), 0.0)
    torch.manual_seed(3)
    fake = plain.generator.train()(torch.randn(2, 128))
    fake_value, value = plain.critic(fake)[0].mean(), plain.critic(images())[0].mean()
    assert losses["critic"].item() == pytest.approx((fake_value - value).item(), rel=1e-4)
    assert losses["generator"].item() == pytest.approx(-fake_value.item(), rel=1e-4)
    gradients = torch.autograd.grad(-fake_value, list(plain.generator.parameters()))
    for parameter, gradient in zip(detector.generator.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-5), "G goes up where the critic's value does"


def test_the_encoders_loss_is_the_mean_score_of_its_batch():
    """izi_f: what is minimised is what is reported. BatchNorm in training mode is the only difference, so the encoder
    is put in eval mode for the comparison."""
    detector = build(kappa=0.3)
    detector.encoder.train = lambda mode=True: nn.Module.train(detector.encoder, False)
    scores, _ = detector.score(images())
    assert detector.step(images(), 0.9)["encoder"].item() == pytest.approx(scores.mean().item(), rel=1e-4)


# -- the networks


def test_widths_are_the_papers_at_64_px_and_scale_by_the_stated_rule():
    assert widths(64) == [64, 128, 256, 512, 512]
    assert widths(32) == [64, 128, 256, 512]
    assert widths(128) == [64, 128, 256, 512, 512, 512]


def test_the_critic_normalises_each_image_by_itself():
    """LayerNorm, not BatchNorm: with the penalty, D's value of an image must not hang on its batch, training or not."""
    critic = build().critic.train()
    assert torch.allclose(critic(images(3))[0][:1], critic(images(3)[:1])[0], atol=1e-5)


def test_codes_end_in_a_tanh_and_images_too():
    detector = build()
    assert detector.encoder(100 * images()).abs().max() <= 1
    assert Generator(3, 32)(100 * torch.randn(2, 128)).abs().max() <= 1


def test_the_score_adds_the_critics_feature_residual_by_kappa():
    detector = build(kappa=0.5)
    scores, maps = detector.score(images())
    x_hat = detector.reconstruct(images())
    with torch.no_grad():
        feature = (detector.critic(images())[1] - detector.critic(x_hat)[1]).square().mean(1)
    assert torch.allclose(maps, (images() - x_hat).square().mean(1), atol=1e-6)
    assert torch.allclose(scores, maps.mean((1, 2)) + 0.5 * feature, rtol=1e-4)


@pytest.mark.parametrize("option", [{"n_critic": 0}, {"gan_share": 1.0}, {"gan_share": 0}, {"encoder_lr": 0},
                                    {"kappa": -1}, {"gradient_penalty": -1}])
def test_a_bad_option_is_refused_in_one_line(option):
    with pytest.raises(ValueError, match=rf"^{next(iter(option))} is [^\n]*; set it to [^\n]*$"):
        HParams(**option)


def test_the_generators_output_begins_with_the_variance_of_the_authors():
    """Of a convolution before no activation but a tanh: 4 / (fan_in + fan_out), as before a ReLU."""
    torch.manual_seed(0)
    convolution = FAnoGan(FAnoGan.HParams(), (3, 32, 32), "cpu").generator.to_image[2]
    expected = (4 / (9 * (convolution.in_channels + convolution.out_channels))) ** 0.5
    assert float(convolution.weight.detach().std()) == pytest.approx(expected, rel=0.05)
