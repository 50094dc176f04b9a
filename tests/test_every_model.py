"""What every detector of the catalogue must do, on small generated products: train, score, be saved and go on."""

import dataclasses
import io

import pytest
import torch

from model.catalog import ANY_SHAPE, MODELS, TRAINING_FREE

SIZE_PX, BATCH = 32, 8
TRAINED = [name for name in MODELS if name not in TRAINING_FREE]
CONTRAST = {  # of a defect's map to what lies around it, where it is less than 2
    "anogan": 1.5,
    "padim": 1.2,  # at 32 px the 4 x 4 patches of both see half of the image each
    "patchcore": 1.2,
}
HALVING = [name for name in MODELS if name not in ANY_SHAPE]
SIGNED = {"patch_forged"}  # its maps are about 0 at the highest value of a typical normal image
LONG = {"sagan", "ganomaly", "anogan", "f_anogan", "egbad", "alad"}  # to train; no run has them unless asked to
EACH = [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in MODELS]
QUICK = {"anogan": {"latent_steps": 30}}  # 500 of them on every image of every test would take minutes
SHORT_STEPS = {"egbad": 120, "alad": 30, "f_anogan": 40, "skip_ganomaly": 40, "sa_skip_ganomaly": 30}  # else 60
SHORT_TRAINING = {  # hyper-parameters for it, where the authors' are for tens of thousands of steps
    "egbad": {"lr": 2e-4},
    "f_anogan": {"lr": 2e-4, "encoder_lr": 5e-4, "gan_share": 0.5},
}
OVERLAPPING = {"alad", "f_anogan"}  # after so short a training, an odd normal image still scores above another's defect
ALL_PHASES = 8  # steps in which every network of every model is trained


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


def build(name: str, channels: int = 3, seed: int = 0, **hparams):
    torch.manual_seed(seed)
    hparams = QUICK.get(name, {}) | hparams
    return MODELS[name](MODELS[name].HParams(**hparams), (channels, SIZE_PX, SIZE_PX), "cpu")


def train(detector, images: torch.Tensor, steps: int, first: int = 0, last: int | None = None):
    """Steps `first` to `last` of a training of `steps`, in deterministic batches; each step seeds torch's global
    generator, as the training loop does by epoch. It is calibrated before them and after, as there; a training-free
    one is made by that."""
    detector.calibrate([images])
    steps_taken = () if detector.is_training_free else range(first, steps if last is None else last)
    for step in steps_taken:
        torch.manual_seed(1000 + step)
        batch = images[torch.randperm(len(images))[:BATCH]]
        losses = detector.step(batch, step / steps)
        assert losses and all(loss.shape == () and loss.isfinite() for loss in losses.values())
    detector.calibrate([images])
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


@pytest.mark.parametrize("name", EACH)
def test_after_a_short_training_gross_defects_score_higher_and_are_seen_where_they_are(name):
    detector = train(build(name, **SHORT_TRAINING.get(name, {})), products(32, seed=1), SHORT_STEPS.get(name, 60))
    normal = products(8, seed=2)
    scores, maps = detector.score(normal)
    defect_scores, defect_maps = detector.score(with_gross_defects(normal))
    assert scores.isfinite().all() and defect_scores.isfinite().all()
    assert (defect_scores > scores).all()
    assert name in OVERLAPPING or defect_scores.min() > scores.max()
    stripe, untouched = (slice(None), slice(13, 19), slice(8, 24)), (slice(None), slice(24, None))
    assert defect_maps[stripe].mean() > CONTRAST.get(name, 2) * defect_maps[untouched].mean()
    assert defect_maps[stripe].mean() > min(1.5, CONTRAST.get(name, 2)) * maps[stripe].mean()


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
    assert name in SIGNED or (maps >= 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_an_image_scores_the_same_alone_and_in_any_batch(name):
    detector = train(build(name), products(8, seed=1), steps=3)
    normal = products(3, seed=2)
    mixed = torch.cat([normal, with_gross_defects(normal)])
    scores, maps = detector.score(mixed)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if name == "anogan" else {"atol": 1e-5}  # its search amplifies rounding
    for index in range(len(mixed)):
        score, image_map = detector.score(mixed[index:index + 1])
        assert torch.allclose(score[0], scores[index], **tolerance)
        assert torch.allclose(image_map[0], maps[index], **tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_of_one_image_trains(name):
    scores, _ = train(build(name), products(1, seed=1), steps=1).score(products(2, seed=2))
    assert scores.isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_one_channel_images_and_a_batch_half_of_which_is_grey_work(name):
    colour, grey = products(2, seed=1), products(2, seed=2, channels=1)
    for images in (products(4, seed=1, channels=1), torch.cat([colour, grey.repeat(1, 3, 1, 1)])):
        detector = train(build(name, channels=images.shape[1]), images, steps=2)
        scores, maps = detector.score(images)
        assert scores.isfinite().all() and maps.shape == (4, SIZE_PX, SIZE_PX)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_changes_with_training(name):
    """Every tensor but a choice of features; of f-AnoGAN every weight, since the critic's last biases cancel in
    Wasserstein's difference."""
    detector = build(name)
    weights = {key: [t for place, t in network.state_dict().items()
                     if place != "dimensions" and (name != "f_anogan" or t.ndim > 1)]
               for key, network in detector.networks().items()}
    before = {key: [weight.clone() for weight in found] for key, found in weights.items()}
    train(detector, products(8, seed=1), steps=ALL_PHASES)
    for key, found in weights.items():
        assert found and not any(torch.equal(one, two) for one, two in zip(before[key], found, strict=True)), key


@pytest.mark.parametrize("name", EACH)
def test_saved_and_loaded_it_goes_on_bit_for_bit(name):
    images = products(16, seed=1)
    uninterrupted = train(build(name), images, ALL_PHASES)

    first = train(build(name), images, ALL_PHASES, last=ALL_PHASES // 2)
    first.score(images)  # looking at it changes nothing
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = build(name, seed=99)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    train(resumed, images, ALL_PHASES, first=ALL_PHASES // 2)

    pairs = zip(tensors(uninterrupted.state_dict()), tensors(resumed.state_dict()), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    assert torch.equal(uninterrupted.score(images)[0], resumed.score(images)[0])


@pytest.mark.parametrize("name", MODELS)
def test_images_of_another_size_are_refused(name):
    with pytest.raises(ValueError, match="images have shape"):
        train(build(name), torch.zeros(2, 3, 2 * SIZE_PX, SIZE_PX), steps=1)
    with pytest.raises(ValueError, match="images have shape"):
        build(name).score(torch.zeros(0, 3, SIZE_PX, SIZE_PX))


@pytest.mark.parametrize("name", TRAINED)
def test_scoring_works_inside_and_outside_no_grad_and_leaves_training_possible(name):
    detector = train(build(name), products(8, seed=1), steps=1)
    free, _ = detector.score(products(2, seed=2))
    with torch.no_grad():
        wrapped, _ = detector.score(products(2, seed=2))
    assert torch.equal(free, wrapped)
    assert not any(parameter.grad is not None and parameter.grad.isnan().any()
                   for network in detector.networks().values() for parameter in network.parameters())
    train(detector, products(8, seed=1), steps=1)


@pytest.mark.parametrize("name", MODELS)
def test_scoring_changes_no_tensor_of_the_state(name):
    detector = train(build(name), products(8, seed=1), steps=2)
    before = [tensor.clone() for tensor in tensors(detector.state_dict())]
    detector.score(products(3, seed=2))
    detector.reconstruct(products(3, seed=2))
    assert all(torch.equal(one, two) for one, two in zip(before, tensors(detector.state_dict()), strict=True))


@pytest.mark.parametrize("name", HALVING)
@pytest.mark.parametrize("shape", [(3, 48, 48), (3, 16, 16), (3, 64, 32), (0, 32, 32)])
def test_a_shape_that_cannot_be_halved_is_refused_in_one_line_with_a_size_that_works(name, shape):
    with pytest.raises(ValueError, match=r"^image_shape is .*power of two >= 32; resize the images to \d+ x \d+$"):
        MODELS[name](MODELS[name].HParams(), shape, "cpu")


@pytest.mark.parametrize("name", ANY_SHAPE)
@pytest.mark.parametrize(("height", "width"), [(48, 48), (16, 24), (33, 50), (64, 32)])
def test_those_that_halve_nothing_take_any_size(name, height, width):
    detector = MODELS[name](MODELS[name].HParams(), (3, height, width), "cpu")
    images = torch.rand(4, 3, height, width) * 2 - 1
    scores, maps = train(detector, images, steps=1).score(images)
    assert scores.isfinite().all() and maps.shape == (4, height, width)
    assert detector.reconstruct(images).shape == images.shape


def test_the_catalogue_knows_which_take_no_step_without_importing_them():
    assert sorted(TRAINING_FREE) == sorted(name for name, model in MODELS.items() if model.is_training_free)


@pytest.mark.parametrize("name", TRAINING_FREE)
def test_those_that_take_no_step_say_so_and_are_made_by_one_calibration(name):
    detector = build(name)
    with pytest.raises(TypeError, match=r"takes no training step: expected calibrate\(normals\) alone"):
        detector.step(products(2, seed=1), 0.0)
    detector.calibrate([products(8, seed=1)])
    made = [tensor.clone() for tensor in tensors(detector.state_dict())]
    detector.calibrate([products(8, seed=2)])
    assert detector.optimizers() == [] and all(map(torch.equal, made, tensors(detector.state_dict())))


@pytest.mark.parametrize("name", TRAINED)
def test_it_scales_to_the_sizes_that_users_have(name):
    for size_px in (64, 128):
        hparams = MODELS[name].HParams(**({"latent_steps": 1} if name == "anogan" else {}))
        detector = MODELS[name](hparams, (1, size_px, size_px), "cpu")
        assert detector.reconstruct(torch.zeros(1, 1, size_px, size_px)).shape == (1, 1, size_px, size_px)


@pytest.mark.parametrize("name", MODELS)
def test_at_the_end_of_its_training_every_detector_can_score(name):
    assert build(name).is_ready(1.0)


@pytest.mark.parametrize("name", TRAINED)
def test_every_network_belongs_to_an_optimiser_or_is_an_average(name):
    detector = build(name)
    held = {id(p) for optimizer in detector.optimizers() for group in optimizer.param_groups for p in group["params"]}
    for key, network in detector.networks().items():
        assert all((id(p) in held) != key.endswith("_average") for p in network.parameters()), key
