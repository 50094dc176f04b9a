"""anomalib's image models as our detectors: each trained for one epoch on small generated images."""

import io

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from model.anomalib_names import ADAPTED, LITE, RESNETS, TRAINING_FREE
from model.catalog import KNOWN
from orchestrator.training.fit import fit

anomalib_models = pytest.importorskip("model.anomalib_models", exc_type=ImportError)
pytestmark = pytest.mark.slow  # anomalib alone takes 5 s to import

SMALL = {  # what keeps one epoch to a few seconds of a core
    "anomalib:cflow": {"coupling_blocks": 2},
    "anomalib:csflow": {"cross_conv_hidden_channels": 16, "n_coupling_blocks": 1},
    "anomalib:glass": {"step": 2},
    "anomalib:ganomaly": {"n_features": 16},
    "anomalib:dfkde": {"n_pca_components": 4},
}
FEW = {"anomalib:draem": 2, "anomalib:efficient_ad": 2, "anomalib:uninet": 4}  # training images, else 8


def products(count: int, seed: int, size_px: int) -> torch.Tensor:
    """uint8 (count, size, size, 3): a bright disc on a dark ground, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    along = torch.arange(size_px) - (size_px - 1) / 2
    disc = (along[:, None].square() + along.square()).sqrt() < 0.3 * size_px
    pixels = torch.where(disc, 190.0, 50.0)[None, :, :, None] + 8 * torch.randn(count, size_px, size_px, 3,
                                                                              generator=generator)  # fmt: skip
    return pixels.clamp(0, 255).to(torch.uint8)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.permute(0, 3, 1, 2) / 127.5 - 1


def build(name: str, seed: int = 0, size_px: int | None = None, **options):
    """On an untrained backbone where its weights do not come with this package."""
    control = {"pre_trained": False} if ADAPTED[name].needs else {}
    hparams = KNOWN[name].HParams(**{**control, **SMALL.get(name, {}), **options})
    size_px = size_px or ADAPTED[name].least_px
    torch.manual_seed(seed)
    return KNOWN[name](hparams, (3, size_px, size_px), "cpu")


def train(detector, epochs: int = 1, done: int = 0, count: int = 8):
    pixels = products(count, 1, detector.image_shape[1])
    for _ in fit(detector, pixels, torch.arange(count), epochs=epochs, batch=min(count, 4), seed=0, done=done):
        pass
    detector.calibrate(normalised(pixels).split(4))
    return detector


@pytest.mark.parametrize("name", ADAPTED)
def test_after_one_epoch_saved_and_loaded_it_scores_the_same(name):
    detector = train(build(name), count=FEW.get(name, 8))
    images = normalised(products(3, 2, detector.image_shape[1]))
    images[0, :, :20, :20] = 1.0
    scores, maps = detector.score(images)
    assert scores.shape == (3,) and maps.shape == (3, *images.shape[2:]) and scores.dtype == maps.dtype == torch.float32
    assert scores.isfinite().all() and maps.isfinite().all()
    assert not scores.requires_grad and detector.reconstruct(images).shape == images.shape
    alone, alone_maps = detector.score(images[1:2])
    assert torch.allclose(alone, scores[1:2], rtol=1e-4) and torch.allclose(alone_maps, maps[1:2], rtol=1e-3, atol=1e-4)

    other = build(name, seed=1)
    for network, saved in zip(other.networks().values(), detector.networks().values(), strict=True):
        network.load_state_dict(saved.state_dict())
    again, again_maps = other.score(images)
    assert torch.equal(again, scores) and torch.equal(again_maps, maps)


@pytest.mark.parametrize("name", ["anomalib:stfpm", "anomalib:cflow", "anomalib:supersimplenet", "anomalib:cfa",
                                  "anomalib:glass", "anomalib:ganomaly"])  # fmt: skip
def test_resumed_after_an_epoch_it_goes_on_bit_for_bit(name):
    uninterrupted = train(build(name), epochs=2)
    first = build(name)
    epochs = fit(first, products(8, 1, first.image_shape[1]), torch.arange(8), epochs=2, batch=4, seed=0)
    next(epochs)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = build(name)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    train(resumed, epochs=2, done=1)
    images = normalised(products(3, 2, resumed.image_shape[1]))
    assert torch.equal(resumed.score(images)[0], uninterrupted.score(images)[0])


def test_a_step_is_what_lightnings_trainer_does():
    """With anomalib's own pre-processor, which takes images in [0, 1]."""
    lightning = pytest.importorskip("lightning.pytorch")
    ours = build("anomalib:stfpm")
    theirs = build("anomalib:stfpm").module
    del theirs.log, theirs.log_dict, theirs.optimizers, theirs.manual_backward
    theirs._trainer = None
    batches = [ours._batch(images) for images in normalised(products(8, 1, 64)).split(4)]
    for batch in batches:
        batch.image = (batch.image + 1) / 2
    trainer = lightning.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                                enable_model_summary=False, accelerator="cpu")  # fmt: skip
    trainer.fit(theirs, DataLoader(batches, batch_size=None, shuffle=False))
    for index, images in enumerate(normalised(products(8, 1, 64)).split(4)):
        ours.step(images, index / 2)
    pairs = zip(ours.module.model.parameters(), theirs.model.parameters(), strict=True)
    assert all(torch.allclose(one, two, rtol=1e-3, atol=1e-5) for one, two in pairs)


@pytest.mark.parametrize("name", [name for name in ADAPTED if name not in TRAINING_FREE])
def test_a_schedule_goes_on_where_it_was_saved(name):
    uninterrupted, first, resumed = (build(name) for _ in range(3))
    uninterrupted._schedule(0.96)
    first._schedule(0.6)
    resumed.load_state_dict(first.state_dict())
    resumed._schedule(0.96)
    rates = [[group["lr"] for optimizer in one.optimizers() for group in optimizer.param_groups]
             for one in (uninterrupted, resumed)]  # fmt: skip
    assert rates[0] and rates[1] == pytest.approx(rates[0])


def test_learning_rates_go_by_the_share_of_the_training():
    detector = build("anomalib:supersimplenet", lr_factor=2.0)
    detector.calibrate([images := normalised(products(2, 1, 128))])
    for progress, share in ((0.0, 1.0), (0.79, 1.0), (0.81, 0.4), (0.95, 0.16)):
        detector.step(images, progress)
        assert detector.optimizers()[0].param_groups[0]["lr"] == pytest.approx(2e-4 * share)


@pytest.mark.parametrize(("name", "options", "expected"), [
    ("anomalib:padim", {"backbone": LITE}, lambda x: x),
    ("anomalib:padim", {"backbone": RESNETS[0], "pre_trained": False},
     lambda x: ((x + 1) / 2 - torch.tensor([0.485, 0.456, 0.406])[:, None, None])
     / torch.tensor([0.229, 0.224, 0.225])[:, None, None]),
    ("anomalib:draem", {}, lambda x: (x + 1) / 2),
])  # fmt: skip
def test_images_are_normalised_as_the_model_expects(name, options, expected):
    images = normalised(products(2, 1, 64))
    assert torch.allclose(build(name, **options)._prepared(images), expected(images), atol=1e-6)


def test_the_generators_of_python_and_numpy_are_left_as_they_were():
    before = np.random.get_state()[1].copy()
    train(build("anomalib:supersimplenet"))
    assert np.array_equal(before, np.random.get_state()[1])


def test_nothing_is_written_and_nothing_is_printed(monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    train(build("anomalib:cfa"))
    train(build("anomalib:patchcore"))
    assert not list(tmp_path.iterdir()) and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", TRAINING_FREE)
def test_a_memory_bank_takes_no_step(name):
    with pytest.raises(TypeError, match=r"takes no training step: expected calibrate\(normals\) alone"):
        build(name).step(normalised(products(2, 1, 64)), 0.0)


@pytest.mark.parametrize("name", [name for name, adapted in ADAPTED.items() if adapted.needs])
def test_missing_weights_are_refused_in_one_line_with_a_cure(name, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="weights.*: expected .* or set pre_trained=false") as refused:
        build(name, pre_trained=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "options"), [
    ("anomalib:padim", {"backbone": "vgg"}), ("anomalib:padim", {"n_features": 0}),
    ("anomalib:dfm", {"score_type": "best"}), ("anomalib:stfpm", {"lr_factor": -1}),
    ("anomalib:cflow", {"permute_soft": 1}), ("anomalib:padim", {"levels": "8+9"}),
])  # fmt: skip
def test_options_out_of_range_are_refused(name, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
        build(name, **options)


def test_more_components_than_images_are_refused():
    with pytest.raises(ValueError, match="n_pca_components is 9: expected no more than the 8 normal images"):
        train(build("anomalib:dfkde", n_pca_components=9))


@pytest.mark.parametrize("shape", [(3, 64, 96), (3, 32, 32), (3, 100, 100)])
def test_images_that_it_cannot_see_are_refused_with_a_size_that_works(shape):
    with pytest.raises(ValueError, match="shown squares of a multiple of 32 px, at least 64; resize the images to 128"):
        KNOWN["anomalib:padim"](KNOWN["anomalib:padim"].HParams(), shape, "cpu")
