"""Frozen backbones: the published weights or none, never trained, and what their maps look like."""

import hashlib

import pytest
import torch

from model.parts import backbones
from model.parts.backbones import BACKBONES, FrozenBackbone, find_weights
from model.parts.efficientnet_lite import SameConv


@pytest.fixture(scope="module")
def lite() -> FrozenBackbone:
    return FrozenBackbone("efficientnet_lite0")


@pytest.mark.parametrize("size", [(64, 64), (40, 104), (33, 47)])
def test_a_level_has_its_channels_at_its_stride(lite, size):
    maps = lite(torch.rand(2, 3, *size))
    assert set(maps) == {4, 8, 16}
    for stride, level in maps.items():
        assert level.shape == (2, BACKBONES["efficientnet_lite0"].channels[stride], *(-(-s // stride) for s in size))


def test_the_weights_are_the_published_ones(lite):
    """The maps of a fixed picture, as the first build with these weights gave them; other weights give others."""
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    deepest, drawn = lite(ramp)[16], FrozenBackbone("random")(ramp)[16]
    assert deepest.std() > 10 * drawn.std()
    with open(find_weights("efficientnet_lite0"), "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == lite.sha256


def test_it_is_never_in_training_mode_and_takes_no_gradient(lite):
    lite.train()
    assert not any(module.training for module in lite.modules())
    assert not any(parameter.requires_grad for parameter in lite.parameters())
    before = {name: value.clone() for name, value in lite.state_dict().items()}
    lite(torch.rand(4, 3, 32, 32))
    assert all(torch.equal(before[name], value) for name, value in lite.state_dict().items())


def test_a_random_one_is_always_the_same_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two = FrozenBackbone("random"), FrozenBackbone("random")
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["resnet18", "wide_resnet50_2"])
def test_missing_weights_are_one_line_that_names_the_file_and_the_cure(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ValueError) as raised:
        find_weights(name)
    text = str(raised.value)
    assert str(tmp_path / "hub" / "checkpoints" / BACKBONES[name].weights.file) in text
    assert BACKBONES[name].weights.url in text
    assert "\n" not in text


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / BACKBONES["resnet18"].weights.file
    file.parent.mkdir(parents=True)
    torch.save({}, file)
    with pytest.raises(ValueError, match="is not the published file: its sha256 is"):
        FrozenBackbone("resnet18")


def test_torchvisions_networks_are_fed_by_mean_and_deviation():
    network = backbones.ResNet("resnet18")
    seen = []
    network.net.conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    mean = torch.tensor(backbones.IMAGENET_MEAN)[None, :, None, None]
    maps = network.eval()((mean * 2 - 1).expand(1, 3, 32, 32))
    assert seen[0].abs().max() < 1e-5
    assert {stride: level.shape[1] for stride, level in maps.items()} == BACKBONES["resnet18"].channels


@pytest.mark.parametrize(("size", "stride"), [(8, 1), (8, 2), (7, 2), (9, 2)])
def test_same_padding_puts_the_odd_pixel_last(size, stride):
    convolution = SameConv(1, 1, 3, stride, bias=False)
    convolution.weight.data.fill_(1.0)
    out = convolution(torch.ones(1, 1, size, size))[0, 0]
    assert out.shape == (-(-size // stride),) * 2
    first_row_is_padded = stride == 1 or size % 2 == 1
    assert out[0, 0] == (4 if first_row_is_padded else 9)
