"""The baseline: the published sizes, the loss and score formulas, and whose gradients each loss reaches."""

import pytest
import torch
from torch import nn

from model.parts import losses
from model.skip_ganomaly import Generator, SkipGanomaly

HParams = SkipGanomaly.HParams


def build(size_px=32, seed=0, **options):
    torch.manual_seed(seed)
    return SkipGanomaly(HParams(**options), (3, size_px, size_px), "cpu")


def images(count=3, size_px=32):
    return torch.rand(count, 3, size_px, size_px, generator=torch.Generator().manual_seed(1)) * 2 - 1


def snapshot(network):
    return [p.detach().clone() for p in network.parameters()]


def is_unchanged(network, before):
    return all(torch.equal(now, then) for now, then in zip(network.parameters(), before, strict=True))


def test_at_128_px_it_has_the_published_numbers_of_parameters():
    detector = SkipGanomaly(HParams(), (3, 128, 128), "meta")
    assert {name: round(count / 1e6, 2) for name, count in detector.parameters_by_network().items()} == {
        "generator": 41.83, "discriminator": 12.79}


def test_defaults_are_its_authors():
    hparams = HParams()
    assert (hparams.w_adv, hparams.w_con, hparams.w_lat) == (1.0, 50.0, 1.0)
    assert (hparams.lr, hparams.beta1, hparams.beta2) == (2e-4, 0.5, 0.999)


@pytest.mark.parametrize("shape", [(3, 48, 48), (3, 16, 16), (3, 64, 32)])
def test_a_bad_size_is_refused(shape):
    with pytest.raises(ValueError, match=r"^image_shape is .* power of two >= 32"):
        SkipGanomaly(HParams(), shape, "cpu")


@pytest.mark.parametrize("size_px, levels", [(32, 5), (64, 6)])
def test_it_halves_the_image_down_to_one_pixel(size_px, levels):
    generator = Generator(3, size_px)
    assert len(generator.down) == levels
    deepest = []
    generator.down[-1].register_forward_hook(lambda _, __, out: deepest.append(out.shape[2:]))
    assert generator(images(2, size_px)).shape == (2, 3, size_px, size_px)
    assert deepest == [(1, 1)]


def test_every_level_is_skipped_across():
    """Cutting what comes up at one level leaves the encoder's map of that level in the result."""
    torch.manual_seed(0)
    generator = Generator(3, 32).eval()
    nn.init.zeros_(generator.up[-1][0].weight)  # nothing comes up to the last level but its skip
    assert not torch.allclose(generator(images())[0], generator(images())[1], atol=1e-4)


def test_weights_are_dcgans():
    weight = build().generator.down[3][0].weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.01)


def test_a_step_is_adam_on_equation_8_for_g_and_on_5_plus_the_latent_loss_for_d():
    """A plain re-enactment with separate passes gives the same new weights: no gradient reaches the wrong network,
    and both belong to the weights before the step."""
    detector, plain = build(), build()
    x, hparams = images(), plain.hparams
    reported = detector.step(x, 0.0)

    g, d = plain.generator.train(), plain.discriminator.train()
    buffers = {name: value.clone() for name, value in d.named_buffers()}
    real_logits, real_features = d(x)
    fake_logits, fake_features = d(g(x).detach())
    d_loss = (losses.discriminator_adversarial(real_logits, fake_logits)
              + hparams.w_lat * losses.latent_squared(real_features, fake_features))
    d_gradients = torch.autograd.grad(d_loss, list(d.parameters()))
    x_hat = g(x)
    fake_logits, fake_features = d(x_hat)
    g_loss = losses.total(losses.generator_adversarial(fake_logits), losses.context_l1(x, x_hat),
                          losses.latent_squared(d(x)[1].detach(), fake_features), 1.0, 50.0, 1.0)
    g_gradients = torch.autograd.grad(g_loss, list(g.parameters()))
    for name, value in d.named_buffers():
        value.copy_(buffers[name])

    assert reported["generator"].item() == pytest.approx(g_loss.item(), rel=1e-4)
    assert reported["discriminator"].item() == pytest.approx(d_loss.item(), rel=1e-4)
    for network, gradients in ((detector.generator, g_gradients), (detector.discriminator, d_gradients)):
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-5)
    for optimizer in detector.optimizers():
        assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (2e-4, (0.5, 0.999))


def test_each_optimiser_holds_one_network():
    detector = build()
    held = [{id(p) for group in optimizer.param_groups for p in group["params"]} for optimizer in
            detector.optimizers()]
    assert held == [{id(p) for p in network.parameters()} for network in detector.networks().values()]


def test_gradients_do_not_add_up_over_steps():
    once, twice = build(lr=1e-12), build(lr=1e-12)
    once.step(images(), 0.0)
    twice.step(images(), 0.0)
    twice.step(images(), 0.0)
    for one, two in zip(once.generator.parameters(), twice.generator.parameters(), strict=True):
        assert torch.allclose(one.grad, two.grad, rtol=1e-2, atol=1e-4)


def test_losses_are_detached_scalars():
    reported = build().step(images(), 0.5)
    assert set(reported) == {"generator", "discriminator", "adversarial", "context", "latent"}
    assert all(loss.shape == () and not loss.requires_grad for loss in reported.values())


@pytest.mark.parametrize("option", [{}, {"score_residual": "l1"}, {"score_w_pixel": 0.5}], ids=str)
def test_the_score_is_the_weighted_sum_of_pixel_and_feature_residuals(option):
    detector = build(**option)
    detector.step(images(), 0.0)
    scores, maps = detector.score(images())
    difference = images() - detector.reconstruct(images())
    residual = difference.abs() if "score_residual" in option else difference.square()
    assert torch.allclose(maps, residual.mean(1), atol=1e-6)
    with torch.no_grad():
        _, features = detector.discriminator.eval()(images())
        _, reconstructed = detector.discriminator(detector.reconstruct(images()))
    share = option.get("score_w_pixel", 0.9)
    by_hand = share * residual.mean((1, 2, 3)) + (1 - share) * (features - reconstructed).square().mean(1)
    assert torch.allclose(scores, by_hand, atol=1e-5)


def test_scoring_changes_nothing():
    detector = build()
    detector.step(images(), 0.0)
    before = [buffer.clone() for network in detector.networks().values() for buffer in network.buffers()]
    weights = snapshot(detector.generator)
    first, _ = detector.score(images())
    second, _ = detector.score(images())
    after = [buffer for network in detector.networks().values() for buffer in network.buffers()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert is_unchanged(detector.generator, weights)
    assert torch.equal(first, second)
