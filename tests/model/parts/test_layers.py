"""The shared blocks: attention is equation (4), exactly, in little memory; pools, separable convolutions and the
discriminator have the sizes and values that the papers state."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from model.parts.dcgan import init_dcgan
from model.parts.layers import POOLS, Discriminator, SelfAttention, attend, separable_conv
from orchestrator import CHECKOUT


def naive_attention(attention: SelfAttention, x: torch.Tensor) -> torch.Tensor:
    """Equation (4) as it is written, with the N x N map, from the module's own weights."""
    n, c, h, w = x.shape
    d = attention.qk_channels
    maps = torch.einsum("oc,nchw->nohw", attention.project.weight[:, :, 0, 0], x)
    query, key, value = maps[:, :d], maps[:, d:2 * d], maps[:, 2 * d:]
    if attention.gamma is None:
        value = x
    if attention.pooled:
        key, value = nn.functional.max_pool2d(key, 2), nn.functional.max_pool2d(value, 2)
    query, key, value = query.flatten(2), key.flatten(2), value.flatten(2)  # (N, D, T), (N, D, S), (N, C, S)
    rows = (attention.scale * query.transpose(1, 2) @ key).softmax(dim=2)  # (N, T, S): each query's row sums to 1
    attended = (value @ rows.transpose(1, 2)).reshape(n, c, h, w)
    return attended if attention.gamma is None else attention.gamma * attended + x


@pytest.mark.parametrize("options", [
    {}, {"qk_divisor": 8}, {"scaled": True}, {"qk_divisor": 8, "scaled": True}, {"residual": False},
    {"pooled": True}, {"pooled": True, "residual": False, "qk_divisor": 4}], ids=str)
def test_values_and_gradients_are_those_of_the_naive_formula(options):
    torch.manual_seed(0)
    attention = SelfAttention(16, **options).double()
    if attention.gamma is not None:
        nn.init.constant_(attention.gamma, 0.7)
    x = torch.randn(2, 16, 6, 8, dtype=torch.double, requires_grad=True)
    towards = torch.randn(2, 16, 6, 8, dtype=torch.double)
    inputs = [x, *attention.parameters()]

    fused, naive = attention(x), naive_attention(attention, x)
    assert torch.allclose(fused, naive, atol=1e-10)
    for one, other in zip(torch.autograd.grad(fused, inputs, towards), torch.autograd.grad(naive, inputs, towards),
                          strict=True):
        assert torch.allclose(one, other, atol=1e-9)


def test_a_hand_made_query_reads_the_value_of_its_key():
    query = torch.tensor([[[50.0, 0.0], [0.0, 50.0]]])  # token 0 asks for the first direction, token 1 for the second
    key = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    value = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    assert torch.allclose(attend(query, key, value, scale=1.0), value.flip(1))
    assert torch.allclose(attend(query, key, value, scale=0.0), value.mean(1, keepdim=True).expand(1, 2, 3))


def test_gamma_starts_at_zero_so_attention_starts_as_the_identity():
    torch.manual_seed(0)
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(SelfAttention(8)(x), x)
    assert not torch.allclose(SelfAttention(8, residual=False)(x), x)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("options", [{}, {"qk_divisor": 8}, {"residual": False, "qk_divisor": 8}, {"pooled": True}],
                         ids=str)
def test_the_fused_kernel_takes_it(options, layout):
    """Narrow or strided queries and keys would fall back to the N x N formula; here that is an error."""
    x = torch.randn(1, 64, 8, 8).contiguous(memory_format=layout).requires_grad_()
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        SelfAttention(64, **options)(x).sum().backward()


PEAK_OF_ATTENTION = """
import sys, torch
from model.parts.layers import attend

def kibibytes(field):  # VmRSS: resident now, VmHWM: the most that ever was
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field))

torch.set_num_threads(1)
tokens, backward = int(sys.argv[1]), sys.argv[2] == "True"
query, key, value = (torch.randn(1, tokens, 64, requires_grad=backward) for _ in range(3))
before = kibibytes("VmRSS")
attended = attend(query, key, value, scale=1.0)
if backward:
    attended.sum().backward()
print(kibibytes("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the resident memory from /proc")
@pytest.mark.parametrize("tokens, backward", [(128 * 128, False), (64 * 128, True)])
def test_attention_never_holds_the_map_of_all_pairs(tokens, backward):
    """64 channels of one image in a process of its own: under 50 MiB. At 128 px, level 0, the map would be 1 GiB; with
    gradients, half of these positions suffice (256 MiB) and save ten seconds."""
    run = subprocess.run([sys.executable, "-c", PEAK_OF_ATTENTION, str(tokens), str(backward)], cwd=CHECKOUT,
                         capture_output=True, text=True, check=True)
    assert int(run.stdout) < 50 * 1024


def test_pools_halve_a_window_to_its_maximum_mean_or_soft_mean():
    window = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    assert POOLS["max"](window).item() == 3.0
    assert POOLS["average"](window).item() == 1.5
    powers = torch.tensor([1.0, torch.e, torch.e ** 2, torch.e ** 3])
    assert POOLS["soft"](window).item() == pytest.approx(((powers * torch.arange(4)).sum() / powers.sum()).item())


@pytest.mark.parametrize("pool", POOLS)
def test_pools_keep_windows_and_channels_apart(pool):
    x = torch.arange(2.0 * 3 * 2 * 3).reshape(2, 3, 2, 3).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(POOLS[pool](x), x[:, :, ::2, ::2])


def test_soft_pool_survives_large_values():
    assert POOLS["soft"](torch.full((1, 1, 2, 2), 1000.0)).item() == 1000.0


def test_a_separable_convolution_has_a_filter_a_channel_and_then_mixes_channels():
    block = separable_conv(8, 16)
    assert sum(p.numel() for p in block.parameters()) == 8 * 9 + 8 * 16 + 2 * 16  # depthwise, pointwise, BatchNorm
    assert block(torch.randn(2, 8, 6, 6)).shape == (2, 16, 6, 6)


@pytest.mark.parametrize("size_px, last_width", [(32, 256), (64, 512), (128, 1024)])
def test_the_discriminator_ends_in_a_4x4_map_100_features_and_one_logit(size_px, last_width):
    discriminator = Discriminator(3, size_px)
    assert discriminator.features[-1].in_channels == last_width
    logits, features = discriminator(torch.randn(2, 3, size_px, size_px))
    assert logits.shape == (2,) and features.shape == (2, 100)
    assert torch.allclose(logits, features @ discriminator.logit.weight.flatten(), atol=1e-5)


def test_dcgan_weights_are_narrow_normals():
    torch.manual_seed(0)
    discriminator = Discriminator(3, 64)
    init_dcgan(discriminator)
    convolution, norm = discriminator.features[2], discriminator.features[3]
    assert convolution.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.01)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert norm.bias.abs().max().item() == 0.0
