"""DCGAN's networks: the widths and maps that its rule gives at each size, and its weights."""

import pytest
import torch
from torch import nn

from model.parts.dcgan import Decoder, Discriminator, Encoder, init_dcgan, widths


@pytest.mark.parametrize("size_px, expected", [(32, [64, 128, 256]), (64, [64, 128, 256, 512]),
                                               (128, [64, 128, 256, 512, 1024])])
def test_widths_double_from_64_until_the_map_is_4x4(size_px, expected):
    assert widths(size_px) == expected


@pytest.mark.parametrize("size_px", [32, 64])
def test_encoder_and_decoder_mirror_each_other(size_px):
    images = torch.zeros(2, 3, size_px, size_px)
    codes = Encoder(3, size_px, 100)(images)
    assert codes.shape == (2, 100)
    assert Decoder(3, size_px, 100)(codes).shape == images.shape


def test_the_discriminators_features_are_the_4x4_map_under_its_logit():
    discriminator = Discriminator(3, 64)
    logits, features = discriminator(torch.rand(2, 3, 64, 64))
    assert logits.shape == (2,) and features.shape == (2, 512, 4, 4)
    assert torch.allclose(discriminator.logit(features).flatten(), logits)


def test_batch_norm_is_in_every_level_but_the_one_at_the_image():
    layers = list(Encoder(3, 64, 100).layers)
    followed = [isinstance(after, nn.BatchNorm2d) for layer, after in zip(layers, layers[1:], strict=False)
                if isinstance(layer, nn.Conv2d)]
    assert followed == [False, True, True, True]
    ups = list(Decoder(3, 64, 100).layers)
    assert isinstance(ups[-1], nn.Tanh) and isinstance(ups[-2], nn.ConvTranspose2d)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in ups) == 4


def test_weights_are_drawn_from_n_0_002_and_gains_from_n_1_002():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(64, 64, 4), nn.BatchNorm2d(4096), nn.Linear(256, 256), nn.BatchNorm1d(4096))
    init_dcgan(network)
    for layer, mean in zip(network, (0.0, 1.0, 0.0, 1.0), strict=True):
        assert layer.weight.mean().item() == pytest.approx(mean, abs=2e-3)
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert not layer.bias.any()
