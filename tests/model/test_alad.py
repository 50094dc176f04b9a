"""ALAD: which pairs its three discriminators see, spectral normalisation, and its score."""

import pytest
import torch
from torch import nn

from model.alad import Alad, DiscriminatorXx, Encoder, HParams, widths


def build(**options) -> Alad:
    torch.manual_seed(0)
    return Alad(HParams(**options), (3, 32, 32), "cpu")


def images(count=4) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_defaults_are_its_authors():
    hparams = HParams()
    assert (hparams.lr, hparams.beta1, hparams.ema_decay) == (2e-4, 0.5, 0.999)


def test_each_discriminator_sees_the_pairs_it_should():
    detector, seen, made = build(), {}, []
    for name in ("judge_xz", "judge_xx", "judge_zz"):
        seen[name] = []
        getattr(detector, name).register_forward_pre_hook(lambda _, pair, kept=seen[name]: kept.append(pair))
    for network in (detector.encoder, detector.generator):
        network.register_forward_hook(lambda _, inputs, output: made.append((inputs[0], output)))
    detector.step(images(), 0.0)

    (x, encoded), (z, generated), (code_of_x, x_hat), (image_of_z, z_hat) = made
    assert torch.equal(x, images()) and code_of_x is encoded and image_of_z is generated
    for name, pairs in (("judge_xz", [(x, encoded), (generated, z)]), ("judge_xx", [(x, x), (x, x_hat)]),
                        ("judge_zz", [(z, z), (z, z_hat)])):
        for found, expected in zip(seen[name], pairs, strict=True):
            assert found[0] is expected[0] and found[1] is expected[1], name


def test_a_pair_of_images_is_joined_along_the_channels():
    judge = DiscriminatorXx(3, 32).eval()
    assert judge.features[0].in_channels == 6
    logits, features = judge(images(2), images(2))
    assert logits.shape == (2,) and features.shape == (2, 128 * 8 * 8)
    assert not torch.allclose(judge(images(2), -images(2))[1], features, rtol=0.1)
    assert not torch.allclose(judge(-images(2), images(2))[1], features, rtol=0.1)


def norms(network: nn.Module) -> list[float]:
    """Largest singular value of each spectrally normalised layer, as a matrix of its outputs."""
    return [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in network.modules()
            if nn.utils.parametrize.is_parametrized(layer, "weight")]


def test_encoder_and_discriminators_are_spectrally_normalised_but_for_their_last_layers():
    detector = build(lr=1e-6)  # the power iteration follows larger steps with a delay
    for step in range(4):
        torch.manual_seed(step)
        detector.step(images(), 0.0)
    for network, layers in ((detector.encoder, 3), (detector.judge_xz, 6), (detector.judge_xx, 2),
                            (detector.judge_zz, 2), (detector.generator, 0)):
        found = norms(network.eval())
        assert len(found) == layers
        assert all(norm == pytest.approx(1.0, abs=0.15) for norm in found)


def test_losses_are_the_papers():
    """D: 1 for (x, E(x)), (x, x), (z, z). E and G: the opposite, where their networks have a say."""
    detector, logits = build(), {}
    for name in ("judge_xz", "judge_xx", "judge_zz"):
        logits[name] = []
        getattr(detector, name).register_forward_hook(
            lambda _, __, out, kept=logits[name]: kept.append(out[0] if isinstance(out, tuple) else out))
    reported = {name: loss.item() for name, loss in detector.step(images(), 0.0).items()}
    (xz, zx), (xx, xx_hat), (zz, zz_hat) = ([logit.detach() for logit in pair] for pair in logits.values())
    bce = nn.functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(4), torch.zeros(4)
    cycles = bce(xx_hat, ones) + bce(zz_hat, ones)
    assert reported["encoder"] == pytest.approx((bce(xz, zeros) + cycles).item(), rel=1e-5)
    assert reported["generator"] == pytest.approx((bce(zx, ones) + cycles).item(), rel=1e-5)
    real = bce(xz, ones) + bce(xx, ones) + bce(zz, ones)
    fake = bce(zx, zeros) + bce(xx_hat, zeros) + bce(zz_hat, zeros)
    assert reported["discriminator"] == pytest.approx((real + fake).item(), rel=1e-5)


def test_the_score_is_the_l1_distance_of_the_features_by_the_averages():
    detector = build()
    detector.step(images(), 0.0)
    scores, maps = detector.score(images())
    encoder, generator, judge = (average.average for average in detector.averages.values())
    with torch.no_grad():
        x_hat = generator(encoder(images()))
        distance = (judge(images(), images())[1] - judge(images(), x_hat)[1]).abs().sum(1)
    assert torch.allclose(scores, distance, rtol=1e-4)
    assert torch.allclose(maps, (images() - x_hat).abs().mean(1), atol=1e-6)
    for network in (detector.encoder, detector.generator, detector.judge_xx):
        for parameter in network.parameters():
            nn.init.zeros_(parameter)
    assert torch.equal(detector.score(images())[0], scores), "the trained networks have no say"


def test_widths_are_the_papers_at_32_px_and_scale_by_the_stated_rule():
    assert widths(32) == [128, 256, 512]
    assert widths(64) == [64, 128, 256, 512]
    assert widths(256) == [32, 32, 64, 128, 256, 512]
    assert Encoder(3, 64)(torch.zeros(1, 3, 64, 64)).shape == (1, 100)


def test_a_bad_option_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^ema_decay is 1.0: [^\n]*; set it to [^\n]*$"):
        HParams(ema_decay=1.0)
