"""The two files of a detector: read again they are the detector, and nothing else is taken for one."""

import hashlib
import io
import json
from pathlib import Path

import pytest
import torch

from model import anomalib_names
from model.catalog import MODELS
from orchestrator.errors import InputError
from orchestrator.results.storage import Storage
from orchestrator.training import checkpoint
from orchestrator.training.checkpoint import CONFIG, WEIGHTS


@pytest.fixture
def load(tmp_path):
    """Writes files and reads them as a checkpoint."""

    def load(files: dict[str, bytes]) -> checkpoint.Checkpoint:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        return checkpoint.load(Storage(str(tmp_path)))

    return load


@pytest.fixture
def changed(make_checkpoint):
    """The files of a mean_image, with other values in the configuration."""

    def changed(**values) -> dict[str, bytes]:
        _, files = make_checkpoint()
        return {**files, CONFIG: json.dumps({**json.loads(files[CONFIG]), **values}).encode()}

    return changed


@pytest.mark.parametrize("model", ["mean_image", "ganomaly", "egbad"])
def test_the_detector_is_built_again_from_its_two_files_alone(make_checkpoint, load, model):
    row, files = make_checkpoint(model, val_auc=0.75)
    found = load(files)
    torch.manual_seed(0)
    original = MODELS[model](MODELS[model].HParams(), (3, 32, 32), "cpu")
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    assert torch.equal(found.detector("cpu").score(images)[0], original.score(images)[0])
    assert (found.config.job_id, found.config.val_auc, found.config.size_px) == (row.job_id, 0.75, 32)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_a_missing_file_is_named(make_checkpoint, load, name):
    _, files = make_checkpoint()
    del files[name]
    with pytest.raises(InputError, match=f"holds no {name}. A folder with weights.pt and config.json is expected"):
        load(files)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_torn_file_is_named(make_checkpoint, load, name, share):
    _, files = make_checkpoint()
    with pytest.raises(InputError, match=name):
        load({**files, name: files[name][: int(share * len(files[name]))]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "mean_imag"}, "Did you mean 'mean_image'"),
        ({"fit": "crop"}, "fit 'crop' does not exist"),
        ({"false_alarms": 5.0}, "false_alarms is 5.0; a share from 0 to 1 is expected"),
        ({"f1_of_all": float("nan")}, "f1_of_all is nan; a share from 0 to 1 is expected"),
        ({"val_auc": float("inf")}, "val_auc is inf; a share from 0 to 1 is expected"),
        ({"size_px": -3}, "size_px is -3; from 1 to 4096 is expected"),
        ({"recall": "high"}, "recall is 'high'; float is expected"),
        ({"threshold": "high"}, "threshold is 'high'; float is expected"),
        ({"threshold": float("nan")}, "no finite numbers"),
        ({"map_low": 2.0, "map_high": 1.0}, "no finite numbers in order"),
        ({"image_shape": [3, 32]}, "image_shape is"),
        ({"image_shape": [3, 32, "32"]}, r"image_shape\[2\] is '32'; int is expected"),
        ({"image_shape": [1, 32, 64]}, r"\[3, H, W\] of up to 4096 is expected"),
        ({"image_shape": [3, 0, 64]}, r"\[3, H, W\] of up to 4096 is expected"),
        ({"tile_px": 33}, "tile_px is 33; from 1 to the image's shorter side is expected"),
        ({"tile_px": 0}, "tile_px is 0; from 1"),
        ({"seed": True}, "seed is True"),
        ({"hparams": None}, "hparams is None; dict is expected"),
        ({"image_shape": [3, 1_000_000, 1_000_000]}, r"\[3, H, W\] of up to 4096 is expected"),
        ({"image_shape": [3, 10**400, 10**400]}, "image_shape is .* of up to 4096 is expected"),
        ({"threshold": 10**400}, "threshold is 1000.*; float is expected"),
        ({"looks": {"brightness": [0.1, 0.2]}}, "looks: 'brightness' has no 5 quantiles in order"),
        ({"looks": {"brightness": [5, 4, 3, 2, 1]}}, "looks: 'brightness' has no 5 quantiles in order"),
        ({"looks": {"smell": [1, 2, 3, 4, 5]}}, "looks: 'smell' has no 5 quantiles"),
        ({"looks": {"brightness": [1, 2, 3, 4, "high"]}}, "looks: brightness is 'high'; float is expected"),
        ({"looks": {"brightness": 0.5}}, "looks: brightness is 0.5; list is expected"),
        ({"hparams": {"width": 10**12}}, "width is out of all bounds"),
        ({"hparams": {"members": [{"hparams": {"width": 10**12}}]}}, "members: 0: hparams: width is out of all bounds"),
    ],
)
def test_a_configuration_that_cannot_be_says_which_value_is_wrong(changed, load, values, message):
    with pytest.raises(InputError, match=message):
        load(changed(**values))


def test_a_description_nested_without_end_is_no_json(make_checkpoint, load):
    _, files = make_checkpoint()
    with pytest.raises(InputError, match="config.json is no JSON"):
        load({**files, CONFIG: b"[" * 100_000})


def test_weights_larger_than_the_description_says_are_refused_before_a_network_is_built(make_checkpoint, load):
    """4096 px would take 4 GB."""
    _, files = make_checkpoint("ganomaly")
    config = {**json.loads(files[CONFIG]), "image_shape": [3, 4096, 4096]}
    found = load({**files, CONFIG: json.dumps(config).encode()})
    with pytest.raises(InputError, match="not of the detector that config.json describes"):
        found.detector("cpu")


def test_new_weights_beside_an_older_description_are_no_pair(make_checkpoint, load):
    """A run that is killed between the two files."""
    _, older = make_checkpoint("egbad")
    detector = MODELS["egbad"](MODELS["egbad"].HParams(), (3, 32, 32), "cpu")
    buffer = io.BytesIO()
    torch.save({name: network.state_dict() for name, network in detector.networks().items()}, buffer)
    with pytest.raises(InputError, match="is not the file that config.json describes"):
        load({**older, WEIGHTS: buffer.getvalue()})


def test_a_configuration_of_an_older_version_says_what_it_lacks(changed, load):
    files = changed()
    config = json.loads(files[CONFIG])
    del config["map_low"], config["selection_split"]
    with pytest.raises(InputError, match="lacks map_low, selection_split"):
        load({**files, CONFIG: json.dumps(config).encode()})


def test_what_a_later_version_adds_is_passed_over(changed, load):
    assert load(changed(colour="blue")).config.model == "mean_image"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hparams": {"depth": 7}}, "hparams of mean_image: .*unexpected keyword argument 'depth'"),
        ({"image_shape": [3, 64, 64]}, "not of the detector that config.json describes: .*size mismatch"),
        ({"model": "ganomaly"}, "not of the detector that config.json describes: 'generator'"),
    ],
)
def test_weights_and_configuration_must_be_of_one_detector(changed, load, values, message):
    found = load(changed(**values))
    with pytest.raises(InputError, match=message) as raised:
        found.detector("cpu")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("hparams", [None, {"members": [{"model": "anomalib:padim", "hparams": {}, "tile_px": None}]}])
def test_a_model_of_anomalib_where_there_is_none_says_what_to_install(changed, load, monkeypatch, hparams):
    monkeypatch.setattr(anomalib_names, "is_installed", lambda: False)
    its = {"model": "ensemble", "hparams": hparams} if hparams else {"model": "anomalib:padim", "hparams": {}}
    with pytest.raises(InputError, match=r"anomalib:padim cannot be run: .*pip install 'defectsweep\[anomalib\]'"):
        load(changed(**its)).detector("cpu")


class Touch:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_weights_that_would_run_code_are_refused_and_do_not_run(make_checkpoint, load, tmp_path):
    _, files = make_checkpoint()
    buffer = io.BytesIO()
    torch.save({"mean": Touch(tmp_path / "sprung")}, buffer)
    config = {**json.loads(files[CONFIG]), "weights_sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    with pytest.raises(InputError, match="weights.pt cannot be read"):
        load({CONFIG: json.dumps(config).encode(), WEIGHTS: buffer.getvalue()})
    assert not (tmp_path / "sprung").exists()
