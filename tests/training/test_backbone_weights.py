"""Before a run the weights of its backbones are here, or one line says what is missing and how to name it."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from model.parts import backbones
from model.parts.backbones import BACKBONES, named
from model.parts.weights import Weights
from orchestrator.errors import InputError
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Sized
from orchestrator.training import backbone_weights, detectors
from orchestrator.training.backbone_weights import needed, provide, to_fetch

ON_RESNET = Experiment(set=("padim.backbone=resnet18",))
CONTENT = b"some weights"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """resnet18's, which are a few bytes here, in a file on a site of file:// and not yet in torch's cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    site = tmp_path / "site.pth"
    site.write_bytes(CONTENT)
    small = Weights("resnet18.pth", hashlib.sha256(CONTENT).hexdigest(), "MIT", url=site.as_uri())
    known = BACKBONES | {"resnet18": dataclasses.replace(BACKBONES["resnet18"], weights=small)}
    for module in (backbones, backbone_weights):
        monkeypatch.setattr(module, "BACKBONES", known)
    return small


def test_a_run_needs_the_backbones_of_its_models_and_none_for_those_from_scratch() -> None:
    assert needed(Experiment(), ["patch_forged", "patch_gaussian", "mean_image"]) == []
    assert needed(Experiment(), ["padim", "patchcore"]) == ["efficientnet_lite0"]
    assert needed(ON_RESNET, ["padim", "patchcore"]) == ["resnet18", "efficientnet_lite0"]
    assert needed(Experiment(set=("backbone=random",)), ["padim", "patchcore"]) == []


def test_an_untrained_backbone_has_no_weights() -> None:
    assert named({"backbone": "resnet18", "pre_trained": True}) == ["resnet18"]
    assert named({"backbone": "resnet18", "pre_trained": False}) == []


def test_those_of_anomalibs_models_are_needed_too() -> None:
    pytest.importorskip("anomalib")
    assert needed(Experiment(), ["anomalib:padim", "anomalib:fastflow", "anomalib:uninet", "anomalib:ganomaly"]) == [
        "efficientnet_lite0", "resnet18", "wide_resnet50_2"]  # fmt: skip


def test_an_ensemble_names_those_of_its_members() -> None:
    members = [{"hparams": {"backbone": "resnet18"}}, {"hparams": {"lr": 1e-3, "features": "efficientnet_lite0"}}]
    assert named({"members": members}) == ["resnet18", "efficientnet_lite0"]


def test_what_is_missing_is_fetched_once_and_said(published: Weights) -> None:
    said = []
    for _ in range(2):
        provide(ON_RESNET, ["padim"], [], said.append)
    assert said == [f"fetching the weights of resnet18 from {published.url}"]
    assert published.find().read_bytes() == CONTENT


def test_a_file_that_the_user_names_is_taken_by_its_hash_and_nothing_is_fetched(
    published: Weights, tmp_path: Path
) -> None:
    said, file = [], tmp_path / "by another name"
    file.write_bytes(CONTENT)
    provide(ON_RESNET, ["padim"], [str(file)], said.append)
    assert not said and published.find().read_bytes() == CONTENT


def test_what_cannot_be_fetched_is_one_line_that_names_the_flag(published: Weights, tmp_path: Path) -> None:
    (tmp_path / "site.pth").unlink()
    with pytest.raises(InputError) as raised:
        provide(ON_RESNET, ["padim"], [], print)
    text = str(raised.value)
    assert "--backbone-weights FILE" in text and str(published.cached()) in text and "\n" not in text


@pytest.mark.parametrize(("content", "reason"), [(b"other", "its sha256 is d9298a10"), (None, "No such file")])
def test_a_file_that_is_none_of_them_is_one_line(published: Weights, tmp_path: Path, content, reason: str) -> None:
    file = tmp_path / "other.pth"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        provide(ON_RESNET, ["padim"], [str(file)], print)


def test_a_model_passes_the_check_of_sizes_as_long_as_its_backbone_is_to_be_fetched(published: Weights) -> None:
    assert to_fetch(ON_RESNET, ["padim", "mean_image"]) == ["resnet18"]
    detectors.check(ON_RESNET, [Sized("padim", 32)])
    provide(ON_RESNET, ["padim"], [], lambda line: None)
    assert to_fetch(ON_RESNET, ["padim", "mean_image"]) == []
