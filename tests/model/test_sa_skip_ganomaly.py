"""The paper's model: its defaults, its sizes, where attention is, and what each option changes."""

import pytest
import torch
from torch import nn

from model.parts.layers import SelfAttention
from model.sa_skip_ganomaly import Generator, HParams, SaSkipGanomaly


def build(size_px=32, channels=3, seed=0, **options):
    torch.manual_seed(seed)
    return SaSkipGanomaly(HParams(**options), (channels, size_px, size_px), "cpu")


def attended_levels(detector):
    return [level for level, block in enumerate(detector.generator.attention) if isinstance(block, SelfAttention)]


def images(count=2, size_px=32, channels=3):
    return torch.rand(count, channels, size_px, size_px, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_defaults_are_the_papers():
    hparams = HParams()
    assert (hparams.w_adv, hparams.w_con, hparams.w_lat, hparams.lr) == (0.5, 0.3, 0.2, 2e-4)
    assert (hparams.beta1, hparams.beta2) == (0.5, 0.999)
    assert (hparams.pool, hparams.context_loss, hparams.latent_loss) == ("max", "l1", "squared")
    assert (hparams.attention_qk_divisor, hparams.attention_scaled, hparams.attention_pooled) == (1, False, False)
    assert (hparams.attention_residual, hparams.attention_down) == (True, True)


@pytest.mark.parametrize("option, bad", [
    ("lr", 0.0), ("lr", float("nan")), ("beta1", 1.0), ("beta2", -0.1), ("w_adv", -1.0), ("w_con", "50"),
    ("w_lat", None), ("context_loss", "l3"), ("latent_loss", "l2"), ("score_residual", "l2"), ("score_w_pixel", 1.5),
    ("pool", "global"), ("attention_qk_divisor", 3), ("attention_scaled", 1), ("attention_max_tokens", -1),
    ("attention_max_tokens", 10.5), ("amp", "yes")])
def test_a_bad_option_is_refused_in_one_line_that_names_it(option, bad):
    with pytest.raises(ValueError, match=rf"^{option} is {bad!r}: expected .*; set it to [^\n]*$"):
        HParams(**{option: bad})


@pytest.mark.parametrize("shape", [(3, 48, 48), (3, 16, 16), (3, 64, 32), (0, 32, 32), (3, 0, 0)])
def test_a_bad_size_is_refused_in_one_line_with_a_size_that_works(shape):
    with pytest.raises(ValueError, match=r"^image_shape is .*: expected \(C, S, S\) .* power of two >= 32; resize the "
                                         r"images to (32 x 32|64 x 64)$"):
        SaSkipGanomaly(HParams(), shape, "cpu")


def test_five_levels_of_the_papers_widths_made_of_two_separable_convolutions_each():
    encoder, decoder = build().generator.encoder, build().generator.decoder
    assert [level[-1][1].out_channels for level in encoder] == [64, 128, 256, 512, 512]
    assert [level[-1][1].out_channels for level in decoder] == [256, 128, 64, 64]
    for level in [*encoder, *decoder]:
        assert len(level) == 2
        for depthwise, pointwise, norm, relu in level:
            assert depthwise.groups == depthwise.in_channels and depthwise.kernel_size == (3, 3)
            assert pointwise.kernel_size == (1, 1)
            assert isinstance(norm, nn.BatchNorm2d) and isinstance(relu, nn.ReLU)


@pytest.mark.parametrize("size_px", [32, 64])
def test_the_deepest_map_is_a_sixteenth_of_the_image(size_px):
    detector = build(size_px)
    shapes = []
    hooks = [level.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
             for level in detector.generator.encoder]
    detector.reconstruct(images(1, size_px))
    for hook in hooks:
        hook.remove()
    assert shapes == [(width, size_px >> level, size_px >> level)
                      for level, width in enumerate((64, 128, 256, 512, 512))]


def test_on_cpu_levels_of_up_to_1024_positions_attend_and_the_hparams_say_so():
    assert build(32).hparams.attention_max_tokens == 1024
    assert attended_levels(build(32)) == [0, 1, 2, 3, 4]
    assert attended_levels(build(64)) == [1, 2, 3, 4]


def test_on_an_accelerator_every_level_attends():
    """`meta` is PyTorch's device without memory: not the CPU, so the rule of accelerators holds."""
    detector = SaSkipGanomaly(HParams(), (3, 128, 128), "meta")
    assert detector.hparams.attention_max_tokens == 128 * 128
    assert attended_levels(detector) == [0, 1, 2, 3, 4]


def test_the_limit_of_attention_can_be_set():
    assert attended_levels(build(64, attention_max_tokens=4096)) == [0, 1, 2, 3, 4]
    assert attended_levels(build(64, attention_max_tokens=255)) == [3, 4]
    assert attended_levels(build(64, attention_max_tokens=0)) == []


def open_gates(detector):
    for block in detector.generator.attention:
        nn.init.constant_(block.gamma, 1.0)
    return detector


def test_the_attended_map_goes_down_and_across_or_across_only():
    """With attention at level 0 alone, what level 1 receives tells which map went down."""
    received = {}
    for goes_down in (True, False):
        for gamma in (0.0, 1.0):
            detector = build(32, attention_down=goes_down)
            nn.init.constant_(detector.generator.attention[0].gamma, gamma)
            hook = detector.generator.encoder[1].register_forward_pre_hook(
                lambda _, args, key=(goes_down, gamma): received.update({key: args[0]}))
            detector.reconstruct(images())
            hook.remove()
    assert not torch.allclose(received[True, 0.0], received[True, 1.0])
    assert torch.equal(received[False, 0.0], received[False, 1.0])


@pytest.mark.parametrize("goes_down", [True, False])
@pytest.mark.parametrize("level", range(5))
def test_every_attended_map_reaches_the_image(level, goes_down):
    detector = build(32, attention_down=goes_down)
    before = detector.reconstruct(images())
    nn.init.constant_(detector.generator.attention[level].gamma, 5.0)
    assert not torch.equal(before, detector.reconstruct(images()))


@pytest.mark.parametrize("option", [
    {"pool": "average"}, {"pool": "soft"}, {"attention_scaled": True}, {"attention_residual": False},
    {"attention_pooled": True}, {"attention_down": False}], ids=str)
def test_each_option_changes_the_reconstruction_and_trains(option):
    default, other = build(), build(**option)
    for detector in (default, other):
        if detector.hparams.attention_residual:
            open_gates(detector)
    assert not torch.allclose(default.generator(images()), other.generator(images()), atol=1e-3)
    assert all(loss.isfinite() for loss in other.step(images(), 0.0).values())


def test_queries_and_keys_may_be_narrower():
    full, eighth = build(), build(attention_qk_divisor=8)
    saved = sum(2 * width * (width - width // 8) for width in (64, 128, 256, 512, 512))
    assert full.parameters_by_network()["generator"] - eighth.parameters_by_network()["generator"] == saved
    assert eighth.step(images(), 0.0)["generator"].isfinite()


def test_gamma_leaves_zero_when_it_trains():
    detector = build()
    assert all(block.gamma.item() == 0.0 for block in detector.generator.attention)
    detector.step(images(), 0.0)
    assert all(block.gamma.item() != 0.0 for block in detector.generator.attention)


@pytest.mark.parametrize("option, image_loss", [({}, "l1"), ({"context_loss": "l2"}, "l2")])
def test_the_context_loss_is_the_chosen_equation(option, image_loss):
    detector = build(**option)
    detector.generator.train()
    difference = detector.generator(detector.take(images())).detach() - images()
    by_hand = difference.abs().mean() if image_loss == "l1" else difference.square().mean()
    assert build(**option).step(images(), 0.0)["context"].item() == pytest.approx(by_hand.item(), rel=1e-4)


def test_bfloat16_steps_are_close_to_float32_steps():
    exact, rounded = build().step(images(4), 0.0), build(amp=True).step(images(4), 0.0)
    for name in exact:
        assert rounded[name].dtype == torch.float32
        assert rounded[name].item() == pytest.approx(exact[name].item(), rel=0.1)


@pytest.mark.parametrize("size_px", [32, 128])
def test_the_generators_parameters_are_those_of_its_blocks_at_any_size(size_px):
    def level(inside, outside):  # two of: depthwise 9 a, pointwise a * b, BatchNorm 2 b
        return 9 * inside + inside * outside + 2 * outside + 9 * outside + outside * outside + 2 * outside

    encoder = level(3, 64) + level(64, 128) + level(128, 256) + level(256, 512) + level(512, 512)
    attention = sum(3 * width ** 2 + 1 for width in (64, 128, 256, 512, 512))  # q, k, v and gamma
    decoder = level(512 + 512, 256) + level(256 + 256, 128) + level(128 + 128, 64) + level(64 + 64, 64)
    generator = Generator(3, size_px, HParams(attention_max_tokens=size_px ** 2))
    assert sum(p.numel() for p in generator.parameters()) == encoder + attention + decoder + 64 * 3 + 3
