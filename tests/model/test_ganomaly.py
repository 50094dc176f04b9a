"""GANomaly: the published sizes, whose code the second encoder reads, and which loss moves what."""

import pytest
import torch
from torch import nn

from model.ganomaly import Ganomaly, HParams
from model.parts import losses


def build(size_px=32, **options) -> Ganomaly:
    torch.manual_seed(0)
    return Ganomaly(HParams(**options), (3, size_px, size_px), "cpu")


def images(count=4) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_at_128_px_it_has_the_published_numbers_of_parameters():
    detector = Ganomaly(HParams(), (3, 128, 128), "meta")
    assert {name: round(count / 1e6, 2) for name, count in detector.parameters_by_network().items()} == {
        "generator": 38.36, "discriminator": 11.16}


def test_defaults_are_its_authors():
    hparams = HParams()
    assert (hparams.w_adv, hparams.w_con, hparams.w_lat) == (1.0, 50.0, 1.0)
    assert (hparams.lr, hparams.beta1, hparams.beta2) == (2e-4, 0.5, 0.999)


def test_the_second_encoder_is_another_network_and_reads_the_reconstruction():
    generator = build().generator.eval()
    x_hat, z, z_hat = generator(images())
    assert torch.equal(z, generator.encoder(images()))
    assert torch.equal(x_hat, generator.decoder(z))
    assert torch.equal(z_hat, generator.second_encoder(x_hat))
    assert not torch.equal(generator.encoder.layers[0].weight, generator.second_encoder.layers[0].weight)


def test_the_score_is_the_mean_squared_distance_of_the_two_codes():
    detector = build()
    detector.step(images(), 0.0)
    scores, maps = detector.score(images())
    with torch.no_grad():
        x_hat, z, z_hat = detector.generator.eval()(images())
    assert torch.allclose(scores, (z - z_hat).square().mean(1))
    assert torch.allclose(maps, (images() - x_hat).square().mean(1))


def test_a_step_is_feature_matching_for_g_and_half_the_cross_entropies_for_d():
    detector, plain = build(), build()
    reported = detector.step(images(), 0.0)

    g, d = plain.generator.train(), plain.discriminator.train()
    x, (x_hat, z, z_hat) = images(), g(images())
    (real, real_features), (fake, fake_features) = d(x), d(x_hat)
    g_loss = (1 * nn.functional.mse_loss(fake_features, real_features) + 50 * losses.context_l1(x, x_hat)
              + 1 * losses.latent_squared(z, z_hat))
    d_loss = losses.discriminator_adversarial(real, fake) / 2
    assert reported["generator"].item() == pytest.approx(g_loss.item(), rel=1e-5)
    assert reported["discriminator"].item() == pytest.approx(d_loss.item(), rel=1e-5)
    for network, loss in ((detector.generator, g_loss), (detector.discriminator, d_loss)):
        mine = plain.networks()["generator" if network is detector.generator else "discriminator"]
        gradients = torch.autograd.grad(loss, list(mine.parameters()), retain_graph=True)
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


def test_autocast_changes_the_numbers_a_little_and_nothing_else():
    plain, cast = build().step(images(), 0.0), build(amp=True).step(images(), 0.0)
    assert cast["context"].item() == pytest.approx(plain["context"].item(), rel=0.02)
    assert cast["context"].dtype == torch.float32 and cast["context"] != plain["context"]


@pytest.mark.parametrize("option", [{"w_con": -1.0}, {"amp": 1}, {"w_lat": float("nan")}])
def test_a_bad_option_is_refused_in_one_line(option):
    with pytest.raises(ValueError, match=rf"^{next(iter(option))} is [^\n]*; set it to [^\n]*$"):
        HParams(**option)
