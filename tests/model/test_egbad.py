"""EGBAD: which pairs its discriminator sees, who is paid for what, and that averages score."""

import pytest
import torch

from model.egbad import Egbad, Encoder, Generator, HParams, halvings
from model.parts import losses


def build(size_px=32, **options) -> Egbad:
    torch.manual_seed(0)
    return Egbad(HParams(**options), (3, size_px, size_px), "cpu")


def images(count=4) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_defaults_are_its_authors():
    hparams = HParams()
    assert (hparams.lr, hparams.beta1, hparams.ema_decay, hparams.feature_share) == (1e-5, 0.5, 0.999, 0.1)


def test_the_discriminator_sees_an_image_with_its_code_and_a_code_with_its_image():
    detector, seen = build(), []
    encoded, generated = [], []
    detector.trained["discriminator"].register_forward_pre_hook(lambda _, pair: seen.append(pair))
    detector.trained["encoder"].register_forward_hook(lambda _, inputs, code: encoded.append((inputs[0], code)))
    detector.trained["generator"].register_forward_hook(lambda _, inputs, image: generated.append((image, inputs[0])))
    detector.step(images(), 0.0)
    assert len(seen) == 2
    for pair, (image, code) in zip(seen, (*encoded, *generated), strict=True):
        assert pair[0] is image and pair[1] is code
    assert torch.equal(seen[0][0], images())


def test_e_and_g_each_want_their_pair_taken_for_the_others():
    """With D's two logits a (encoded) and b (generated): D's loss is BCE(a, 1) + BCE(b, 0), E's BCE(a, 0), G's
    BCE(b, 1)."""
    detector, logits = build(), []
    detector.trained["discriminator"].register_forward_hook(lambda _, __, outputs: logits.append(outputs[0].detach()))
    reported = detector.step(images(), 0.0)
    encoded, generated = logits
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(4), torch.zeros(4)
    assert reported["encoder"].item() == pytest.approx(bce(encoded, zeros).item(), rel=1e-5)
    assert reported["generator"].item() == pytest.approx(bce(generated, ones).item(), rel=1e-5)
    assert reported["discriminator"].item() == pytest.approx((bce(encoded, ones) + bce(generated, zeros)).item(),
                                                             rel=1e-5)
    assert reported["discriminator"] == losses.discriminator_adversarial(encoded, generated)


def test_scores_are_those_of_the_averages():
    """Whatever becomes of the trained networks, the averages decide."""
    detector = build()
    detector.step(images(), 0.0)
    before = detector.score(images())[0]
    for network in detector.trained.values():
        for parameter in network.parameters():
            torch.nn.init.zeros_(parameter)
    assert torch.equal(detector.score(images())[0], before)


def test_the_score_weighs_pixels_and_features_of_the_pair_with_the_images_own_code():
    detector = build(feature_share=0.4)
    detector.step(images(), 0.0)
    pairs = []
    detector.averages["discriminator"].register_forward_pre_hook(lambda _, pair: pairs.append(pair))
    scores, maps = detector.score(images())
    assert pairs[0][1] is pairs[1][1], "the reconstruction is judged with the code of the image"
    encoder, generator, discriminator = (average.average for average in detector.averages.values())
    with torch.no_grad():
        code = encoder(images())
        x_hat = generator(code)
        feature = (discriminator(images(), code)[1] - discriminator(x_hat, code)[1]).abs().sum(1)
    pixel = (images() - x_hat).abs()
    assert torch.allclose(scores, 0.6 * pixel.flatten(1).sum(1) + 0.4 * feature, rtol=1e-5)
    assert torch.allclose(maps, pixel.mean(1), atol=1e-6)


@pytest.mark.parametrize("size_px, levels", [(32, 2), (64, 3), (256, 5)])
def test_the_innermost_map_is_always_8x8(size_px, levels):
    assert halvings(size_px) == levels
    encoder, generator = Encoder(3, size_px), Generator(3, size_px)
    assert encoder.layers[-1].in_features == 128 * 8 * 8
    assert generator.to_map[3].out_features == 128 * 8 * 8


@pytest.mark.parametrize("option", [{"ema_decay": 1.0}, {"feature_share": -0.1}, {"lr": 0}])
def test_a_bad_option_is_refused_in_one_line(option):
    with pytest.raises(ValueError, match=rf"^{next(iter(option))} is [^\n]*; set it to [^\n]*$"):
        HParams(**option)
