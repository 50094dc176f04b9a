"""Pretrained networks without the network between: the same features as our own backbone, or a line that says why."""

import pytest
import torch

from model.parts.backbones import FrozenBackbone
from model.parts.timm_weights import LEVELS, TIMM, offline, weights_of

timm = pytest.importorskip("timm")
pytest.importorskip("anomalib")


def test_lite0_of_timm_shows_the_maps_of_our_own_to_the_last_bit():
    with offline(pre_trained=True):
        theirs = timm.create_model("tf_efficientnet_lite0", pretrained=True, features_only=True, out_indices=[1, 2, 3])
    images = torch.rand(2, 3, 64, 96) * 2 - 1
    ours = FrozenBackbone("efficientnet_lite0")(images)
    with torch.no_grad():
        for stride, level in zip((4, 8, 16), theirs.eval()(images), strict=True):
            assert torch.equal(ours[stride], level)


@pytest.mark.parametrize("backbone", LEVELS)
def test_levels_are_named_by_their_strides(backbone):
    info = timm.create_model(TIMM.get(backbone, backbone), pretrained=False, features_only=True).feature_info
    found = dict(zip(info.reduction(), info.module_name(), strict=True))
    assert {stride: found[stride] for stride in LEVELS[backbone]} == LEVELS[backbone]


def test_the_control_is_as_it_was_drawn():
    torch.manual_seed(0)
    with offline(pre_trained=False):
        control = timm.create_model("resnet18", pretrained=True)
    torch.manual_seed(0)
    drawn = timm.create_model("resnet18", pretrained=False)
    assert torch.equal(control.conv1.weight, drawn.conv1.weight)


def test_weights_that_are_not_here_are_named_with_a_cure_and_none_are_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cure = r"resnet18 has no weights: expected .*resnet18-f37072fd.pth; download https://.*, or set pre_trained=false"
    with offline(pre_trained=True), pytest.raises(ValueError, match=cure):
        timm.create_model("resnet18", pretrained=True)
    with pytest.raises(ValueError, match="backbone 'resnet50' has no weights here: expected efficientnet_lite0 or"):
        weights_of("resnet50")


def test_a_file_that_is_not_the_published_one_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"torn")
    with pytest.raises(ValueError, match="not the published file.*f37072fd"):
        weights_of("resnet18")
