"""SAGAN: the published sizes, CBAM against its formula, and that only the skips are attended."""

import torch

from model.sagan import DECODER_WIDTHS, ENCODER_WIDTHS, Cbam, Generator, Sagan

HParams = Sagan.HParams


def images(count=2) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_it_has_the_published_numbers_of_parameters():
    detector = Sagan(HParams(), (3, 128, 128), "meta")
    assert {name: round(count / 1e6, 2) for name, count in detector.parameters_by_network().items()} == {
        "generator": 2.06, "discriminator": 12.79}


def test_defaults_are_its_authors():
    hparams = HParams()
    assert (hparams.w_adv, hparams.w_con, hparams.w_lat, hparams.lr) == (1.0, 50.0, 1.0, 2e-4)


def test_widths_are_the_papers():
    generator = Generator(3)
    assert [level[-1][1].out_channels for level in generator.encoder] == list(ENCODER_WIDTHS)
    assert [level[-1][1].out_channels for level in generator.decoder] == list(DECODER_WIDTHS)
    assert [level[0][1].out_channels for level in generator.decoder] == [512, 256, 128, 64], "half of what comes in"


def test_cbam_is_channel_then_spatial_attention_by_mean_and_maximum():
    torch.manual_seed(0)
    cbam, x = Cbam(32).eval(), torch.randn(2, 32, 6, 6)
    first, _, second = cbam.channel
    by_channel = sum(second(first(pooled).relu()) for pooled in (x.mean((2, 3)), x.amax((2, 3)))).sigmoid()
    attended = x * by_channel[:, :, None, None]
    conv, norm = cbam.spatial
    both = torch.stack([attended.mean(1), attended.amax(1)], dim=1)
    assert torch.allclose(cbam(x), attended * norm(conv(both)).sigmoid(), atol=1e-6)
    assert first.out_features == 32 // 16 and conv.kernel_size == (7, 7)


def test_what_goes_down_is_not_attended_and_what_goes_across_is():
    """Closing a level's attention (its output 0) leaves the deeper levels of the encoder as they were."""
    generator, seen = Generator(3).eval(), []
    for level in generator.encoder:
        level.register_forward_hook(lambda _, __, out: seen.append(out.detach()))
    open_image = generator(images())
    torch.nn.init.constant_(generator.attention[1].spatial[1].bias, -100.0)
    closed_image = generator(images())
    assert len(seen) == 10
    assert all(torch.equal(one, two) for one, two in zip(seen[:5], seen[5:], strict=True))
    assert not torch.equal(open_image, closed_image)


def test_the_bottom_enters_the_decoder_attended():
    generator = Generator(3).eval()
    entered = []
    generator.decoder[0].register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
    torch.nn.init.constant_(generator.attention[-1].spatial[1].bias, -100.0)
    generator(images())
    assert entered[0].shape[1] == 1024 and not entered[0][:, 512:].any() and entered[0][:, :512].any()
