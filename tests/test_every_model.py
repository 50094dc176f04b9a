"""What every detector of the catalogue must do, on small generated products: train, score, be saved and go on."""

import dataclasses
import io

import pytest
import torch

from model.catalog import MODELS

SIZE_PX, BATCH = 32, 8
TRAINED = [name for name in MODELS if name != "mean_image"]


def products(count: int, seed: int, channels: int = 3) -> torch.Tensor:
    """Normal images (count, channels, 32, 32): a bright disc on a dark ground, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    ys, xs = torch.meshgrid(torch.arange(SIZE_PX), torch.arange(SIZE_PX), indexing="ij")
    radius = 9 + torch.rand(count, 1, 1, generator=generator)
    disc = ((ys - 15.5).square() + (xs - 15.5).square()).sqrt() < radius  # (count, 32, 32)
    images = torch.where(disc, 0.5, -0.6)[:, None].repeat(1, channels, 1, 1)
    return images + 0.05 * torch.randn(images.shape, generator=generator)


def with_gross_defects(images: torch.Tensor) -> torch.Tensor:
    """A black stripe across the disc and a white patch on the ground."""
    spoilt = images.clone()
    spoilt[:, :, 13:19, 8:24] = -1.0
    spoilt[:, :, 0:6, 0:10] = 1.0
    return spoilt


def build(name: str, channels: int = 3, seed: int = 0):
    torch.manual_seed(seed)
    return MODELS[name](MODELS[name].HParams(), (channels, SIZE_PX, SIZE_PX), "cpu")


def train(detector, images: torch.Tensor, steps: int):
    """Deterministic batches; each step seeds torch's global generator, as the training loop does by epoch."""
    for step in range(steps):
        torch.manual_seed(1000 + step)
        batch = images[torch.randperm(len(images))[:BATCH]]
        losses = detector.step(batch, step / steps)
        assert losses and all(loss.shape == () and loss.isfinite() for loss in losses.values())
    return detector


def tensors(state) -> list[torch.Tensor]:
    """All tensors of a nested state, in order; anything but containers, tensors and plain values is an error."""
    if isinstance(state, torch.Tensor):
        return [state]
    if isinstance(state, dict):
        return [tensor for value in state.values() for tensor in tensors(value)]
    if isinstance(state, list | tuple):
        return [tensor for value in state for tensor in tensors(value)]
    assert state is None or isinstance(state, bool | int | float | str)
    return []


@pytest.mark.parametrize("name", MODELS)
def test_hparams_are_frozen_and_the_detector_keeps_them(name):
    hparams = MODELS[name].HParams()
    assert dataclasses.is_dataclass(hparams)
    with pytest.raises(dataclasses.FrozenInstanceError):
        hparams.lr = 1.0
    assert isinstance(build(name).hparams, MODELS[name].HParams)


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_are_a_function_of_the_seed(name):
    first, again, other = (tensors(build(name, seed=seed).state_dict()) for seed in (0, 0, 1))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    if name in TRAINED:
        assert not all(torch.equal(one, two) for one, two in zip(first, other, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_after_a_short_training_gross_defects_score_higher_and_are_seen_where_they_are(name):
    detector = train(build(name), products(32, seed=1), steps=60)
    normal = products(8, seed=2)
    scores, _ = detector.score(normal)
    defect_scores, defect_maps = detector.score(with_gross_defects(normal))
    assert scores.isfinite().all() and defect_scores.isfinite().all()
    assert defect_scores.min() > scores.max()
    stripe, untouched = defect_maps[:, 13:19, 8:24].mean(), defect_maps[:, 24:].mean()
    assert stripe > 2 * untouched


@pytest.mark.parametrize("name", MODELS)
def test_shapes_ranges_and_types(name):
    detector = train(build(name), products(8, seed=1), steps=2)
    images = products(3, seed=2)
    scores, maps = detector.score(images)
    reconstructions = detector.reconstruct(images)
    assert scores.shape == (3,) and maps.shape == (3, SIZE_PX, SIZE_PX) and reconstructions.shape == images.shape
    assert (scores.dtype, maps.dtype, reconstructions.dtype) == (torch.float32,) * 3
    assert reconstructions.abs().max() <= 1.2  # mean_image gives back the data's own range
    assert not (scores.requires_grad or maps.requires_grad or reconstructions.requires_grad)
    assert (maps >= 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_an_image_scores_the_same_alone_and_in_any_batch(name):
    detector = train(build(name), products(8, seed=1), steps=3)
    normal = products(3, seed=2)
    mixed = torch.cat([normal, with_gross_defects(normal)])
    scores, maps = detector.score(mixed)
    for index in range(len(mixed)):
        score, image_map = detector.score(mixed[index:index + 1])
        assert torch.allclose(score[0], scores[index], atol=1e-5)
        assert torch.allclose(image_map[0], maps[index], atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_of_one_image_trains(name):
    losses = build(name).step(products(1, seed=1), 0.0)
    assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("name", MODELS)
def test_one_channel_images_and_repeated_grey_ones_work(name):
    for images in (products(4, seed=1, channels=1), products(4, seed=1, channels=1).repeat(1, 3, 1, 1)):
        detector = train(build(name, channels=images.shape[1]), images, steps=2)
        scores, maps = detector.score(images)
        assert scores.isfinite().all() and maps.shape == (4, SIZE_PX, SIZE_PX)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_changes_with_training(name):
    detector = build(name)
    before = {key: [t.clone() for t in tensors(network.state_dict())] for key, network in detector.networks().items()}
    train(detector, products(8, seed=1), steps=2)
    for key, network in detector.networks().items():
        after = tensors(network.state_dict())
        assert not any(torch.equal(one, two) for one, two in zip(before[key], after, strict=True)), key


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_loaded_it_goes_on_bit_for_bit(name):
    images = products(16, seed=1)
    uninterrupted = train(train(build(name), images, steps=2), images, steps=2)

    first = train(build(name), images, steps=2)
    first.score(images)  # looking at it changes nothing
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = build(name, seed=99)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    train(resumed, images, steps=2)

    pairs = zip(tensors(uninterrupted.state_dict()), tensors(resumed.state_dict()), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    assert torch.equal(uninterrupted.score(images)[0], resumed.score(images)[0])


@pytest.mark.parametrize("name", MODELS)
def test_images_of_another_size_are_refused(name):
    with pytest.raises(ValueError, match="images have shape"):
        build(name).step(torch.zeros(2, 3, 2 * SIZE_PX, SIZE_PX), 0.0)
    with pytest.raises(ValueError, match="images have shape"):
        build(name).score(torch.zeros(0, 3, SIZE_PX, SIZE_PX))


@pytest.mark.parametrize("name", TRAINED)
def test_scoring_works_inside_and_outside_no_grad_and_leaves_training_possible(name):
    detector = train(build(name), products(8, seed=1), steps=1)
    free, _ = detector.score(products(2, seed=2))
    with torch.no_grad():
        wrapped, _ = detector.score(products(2, seed=2))
    assert torch.equal(free, wrapped)
    train(detector, products(8, seed=1), steps=1)
