"""AnoGAN: the search finds codes, each image's by itself, and its loss is the score."""

import pytest
import torch

from model.anogan import LATENT_DIM, AnoGan, HParams


def build(**options) -> AnoGan:
    torch.manual_seed(0)
    detector = AnoGan(HParams(**{"latent_steps": 20, **options}), (3, 32, 32), "cpu")
    for step in range(3):
        torch.manual_seed(step)
        detector.step(images(), 0.0)
    return detector


def images(count=4) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_defaults_are_the_papers():
    hparams = HParams()
    assert (hparams.latent_steps, hparams.feature_share) == (500, 0.1)
    assert (hparams.lr, hparams.beta1, hparams.beta2) == (2e-4, 0.5, 0.999)


@pytest.mark.parametrize("option", [{"latent_steps": 0}, {"latent_steps": 2.5}, {"latent_lr": 0}, {"feature_share": 2}])
def test_a_bad_option_is_refused_in_one_line(option):
    with pytest.raises(ValueError, match=rf"^{next(iter(option))} is [^\n]*; set it to [^\n]*$"):
        HParams(**option)


def test_the_search_descends():
    few, many = (build(latent_steps=steps, latent_lr=0.05).score(images())[0] for steps in (1, 100))
    assert (many < few).all()


def test_it_finds_an_image_of_its_own_generator():
    """The image of a code near the start of the search is reproduced, a random image is not."""
    detector = build(latent_steps=200, latent_lr=0.05)
    with torch.no_grad():
        own = detector.generator.eval()(detector.start[None] + 0.5 * torch.randn(2, LATENT_DIM))
    own_scores, own_maps = detector.score(own)
    scores, _ = detector.score(images(2))
    assert own_scores.max() < 0.2 * scores.min()
    assert torch.allclose(detector.reconstruct(own), own, atol=0.1)


def test_the_score_is_the_papers_loss_at_the_code_found():
    detector = build(feature_share=0.3)
    scores, maps = detector.score(images())
    x_hat = detector.reconstruct(images())
    with torch.no_grad():
        features, found = (detector.discriminator.eval()(picture)[1] for picture in (images(), x_hat))
    feature = (features - found).abs().flatten(1).sum(1)
    pixel = (images() - x_hat).abs()
    assert torch.allclose(scores, 0.7 * pixel.flatten(1).sum(1) + 0.3 * feature, rtol=1e-4)
    assert torch.allclose(maps, pixel.mean(1), atol=1e-5)


def test_searches_do_not_influence_one_another():
    """Beside an image of extreme values, another's code is the same."""
    detector = build()
    alone = detector.reconstruct(images(1))
    beside = detector.reconstruct(torch.cat([images(1), torch.ones(3, 3, 32, 32)]))
    assert torch.allclose(alone[0], beside[0], atol=1e-4)


def test_scoring_draws_no_random_number_and_leaves_no_gradient():
    detector = build()
    for network in detector.networks().values():
        network.zero_grad()
    torch.manual_seed(5)
    first = detector.score(images())[0]
    drawn = torch.rand(())
    torch.manual_seed(5)
    assert torch.rand(()) == drawn
    assert torch.equal(detector.score(images())[0], first)
    assert all(p.grad is None for network in detector.networks().values() for p in network.parameters())


def test_a_step_draws_as_many_codes_as_there_are_images():
    detector = build()
    seen = []
    detector.generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    losses = detector.step(images(3), 0.0)
    assert set(losses) == {"generator", "discriminator"} and seen == [(3, LATENT_DIM)]
