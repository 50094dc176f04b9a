"""f-AnoGAN (Schlegl et al. 2019): a WGAN-GP learns normal images; then G and D are frozen, and an encoder learns to
invert G, in place of AnoGAN's search.

Two phases by progress: the first `gan_share` of the training is the GAN's (each step trains the critic, every
`n_critic`-th G as well), the rest the encoder's, which minimises its own score ("izi_f"). Before the second phase the
detector cannot score yet (`is_ready`). Networks, losses and numbers as in the authors' code for 64 px (commit 798c8bf);
the encoder ends in a tanh. Scaling rule: one residual block a halving of the size, down to 4x4; the widths are 64, 128,
256, 512 from the image down, and 512 for what follows.

Letters: N images, C channels, H, W pixels, Z latent codes, F features of the critic.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import Detector, check_image_shape, check_number, check_whole
from model.parts.descent import AdamHParams, adam, descend

LATENT_DIM = 128
INNER_PX, INNER_WIDTH, IMAGE_WIDTH = 4, 512, 64
RMSPROP_DECAY = 0.9


@dataclass(frozen=True)
class HParams(AdamHParams):
    """The authors' defaults. Raises a one-line ValueError for a value out of range."""

    lr: float = 1e-4
    beta1: float = 0.0
    beta2: float = 0.9
    n_critic: int = 5
    gradient_penalty: float = 10.0  # lambda
    gan_share: float = 2 / 3  # of the steps; the authors train both phases to their ends
    encoder_lr: float = 5e-5
    kappa: float = 1.0  # weight of the critic's feature residual in the encoder's loss and in the score

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("n_critic", self.n_critic, least=1, example=5)
        check_number("gradient_penalty", self.gradient_penalty, least=0, example=10.0)
        check_number("gan_share", self.gan_share, above=0, below=1, example=0.66)
        check_number("encoder_lr", self.encoder_lr, above=0, example=5e-5)
        check_number("kappa", self.kappa, least=0, example=1.0)


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """E[(|grad D(x)| - 1)^2] at random points x between real and fake images (N, C, H, W) (Gulrajani et al. 2017,
    equation 3). A 0-d tensor that can be differentiated again."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (real + share * (fake.detach() - real)).requires_grad_()
    (gradients,) = torch.autograd.grad(critic(between)[0].sum(), between, create_graph=True)
    return (gradients.flatten(1).norm(dim=1) - 1).square().mean()


def widths(size_px: int) -> list[int]:
    """Channels from the image's size down to the 4x4 map: 64, 128, 256, 512, 512 at 64 px."""
    blocks = (size_px // INNER_PX).bit_length() - 1
    return [min(IMAGE_WIDTH << block, INNER_WIDTH) for block in range(blocks + 1)]


def layer_norm(channels: int) -> nn.Module:
    """Over C, H and W of each image, with a gain and a bias for each channel."""
    return nn.GroupNorm(1, channels)


class ResidualBlock(nn.Module):
    """norm -> ReLU -> 3x3 convolution -> norm -> ReLU -> 3x3 convolution, beside a 1x1 convolution of the input.

    up: both paths are doubled in size before their first convolution. Else both are halved by averaging, after the last
    convolution of the path and before the shortcut's.
    """

    def __init__(self, in_width: int, out_width: int, norm, up: bool):
        super().__init__()
        self.up = up
        hidden = out_width if up else in_width
        self.norms = nn.ModuleList([norm(in_width), norm(hidden)])
        self.convs = nn.ModuleList([_init(nn.Conv2d(in_width, hidden, 3, padding=1, bias=False), math.sqrt(2)),
                                    _init(nn.Conv2d(hidden, out_width, 3, padding=1), math.sqrt(2))])
        self.shortcut = _init(nn.Conv2d(in_width, out_width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, 2 H, 2 W) if `up`, else (N, out, H / 2, W / 2)."""
        path = F.relu(self.norms[0](x))
        if self.up:
            path, x = F.interpolate(path, scale_factor=2), F.interpolate(x, scale_factor=2)
        path = self.convs[1](F.relu(self.norms[1](self.convs[0](path))))
        return path + self.shortcut(x) if self.up else F.avg_pool2d(path, 2) + self.shortcut(F.avg_pool2d(x, 2))


class Generator(nn.Module):
    """Codes (N, Z) -> images (N, C, S, S) in [-1, 1]."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        up = widths(size_px)[::-1]
        self.to_map = _init(nn.Linear(LATENT_DIM, INNER_WIDTH * INNER_PX ** 2))
        self.blocks = nn.Sequential(*(ResidualBlock(*pair, nn.BatchNorm2d, up=True) for pair in pairwise(up)))
        to_channels = _init(nn.Conv2d(up[-1], channels, 3, padding=1), math.sqrt(2))
        self.to_image = nn.Sequential(nn.BatchNorm2d(up[-1]), nn.ReLU(), to_channels, nn.Tanh())

    def forward(self, codes: Tensor) -> Tensor:
        """(N, Z), drawn from N(0, 1) or encoded -> (N, C, S, S) in [-1, 1], by a tanh."""
        return self.to_image(self.blocks(self.to_map(codes).unflatten(1, (INNER_WIDTH, INNER_PX, INNER_PX))))


class Trunk(nn.Module):
    """Images (N, C, S, S) -> features (N, F), F = 512 * 4 * 4: what the critic and the encoder are made of."""

    def __init__(self, channels: int, size_px: int, norm):
        super().__init__()
        down = widths(size_px)
        self.layers = nn.Sequential(
            _init(nn.Conv2d(channels, down[0], 3, padding=1)),
            *(ResidualBlock(*pair, norm, up=False) for pair in pairwise(down)), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> (N, F), the flattened 4x4 map; no activation follows the last block."""
        return self.layers(images)


class Critic(nn.Module):
    """Images (N, C, S, S) -> values (N,) and features (N, F)."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        self.trunk = Trunk(channels, size_px, layer_norm)
        self.value = _init(nn.Linear(INNER_WIDTH * INNER_PX ** 2, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, S, S) -> values (N,) of any size, trained to be high for normal images, and features (N, F)."""
        features = self.trunk(images)
        return self.value(features).flatten(), features


class Encoder(nn.Module):
    """Images (N, C, S, S) -> codes (N, Z) in [-1, 1]."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        self.trunk = Trunk(channels, size_px, nn.BatchNorm2d)
        self.code = _init(nn.Linear(INNER_WIDTH * INNER_PX ** 2, LATENT_DIM))

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> (N, Z) in [-1, 1], by a tanh."""
        return torch.tanh(self.code(self.trunk(images)))


class FAnoGan(Detector):
    """WGAN-GP, then its encoder."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        """Build G, D and E. Raises ValueError unless image_shape is (C, S, S), S = 2^k >= 32."""
        super().__init__(hparams, image_shape, device)
        check_image_shape(image_shape)
        self.generator, self.critic, self.encoder = (
            network(*image_shape[:2]).to(self.device) for network in (Generator, Critic, Encoder))
        self.generator_adam, self.critic_adam = adam(hparams, self.generator), adam(hparams, self.critic)
        self.encoder_rmsprop = torch.optim.RMSprop(self.encoder.parameters(), hparams.encoder_lr, RMSPROP_DECAY)
        self.critic_steps = 0

    def networks(self) -> dict[str, nn.Module]:
        """The generator and the critic of the first phase, and the encoder of the second."""
        return {"generator": self.generator, "critic": self.critic, "encoder": self.encoder}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam of the generator and of the critic, RMSprop of the encoder."""
        return [self.generator_adam, self.critic_adam, self.encoder_rmsprop]

    def state_dict(self) -> dict[str, Any]:
        """The contract's, and how many steps the critic has taken: it says when the generator's turn is."""
        return super().state_dict() | {"critic_steps": self.critic_steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of `state_dict` by copy. Raises RuntimeError where the networks' shapes differ."""
        super().load_state_dict(state)
        self.critic_steps = state["critic_steps"]

    def is_ready(self, progress: float) -> bool:
        """True in the second phase only: before it, no encoder has learnt to invert the generator."""
        return progress > self.hparams.gan_share

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of the phase that `progress` is in; see the contract. Losses: generator, critic and
        gradient_penalty, then encoder, pixel and feature."""
        x = self.take(images)
        return self._gan_step(x) if progress < self.hparams.gan_share else self._encoder_step(x)

    def _gan_step(self, x: Tensor) -> dict[str, Tensor]:
        self.generator.train()
        self.critic.train()
        self.critic_steps += 1
        generates = self.critic_steps % self.hparams.n_critic == 0
        with torch.set_grad_enabled(generates):
            fake = self.generator(torch.randn(len(x), LATENT_DIM, device=self.device))
        fake_value, value = self.critic(fake)[0].mean(), self.critic(x)[0].mean()
        penalty = gradient_penalty(self.critic, x, fake)
        critic_loss = fake_value - value + self.hparams.gradient_penalty * penalty
        parts = [(self.critic_adam, critic_loss)]
        if generates:
            parts.insert(0, (self.generator_adam, -fake_value))
        descend(*parts)
        losses = {"generator": -fake_value, "critic": critic_loss, "gradient_penalty": penalty}
        return {name: loss.detach() for name, loss in losses.items()}

    def _encoder_step(self, x: Tensor) -> dict[str, Tensor]:
        self.encoder.train()
        pixel, feature, _ = self._residuals(x)
        losses = {"encoder": (pixel + self.hparams.kappa * feature).mean(), "pixel": pixel.mean(),
                  "feature": feature.mean()}
        descend((self.encoder_rmsprop, losses["encoder"]))
        return {name: loss.detach() for name, loss in losses.items()}

    def _residuals(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of images (N, C, H, W), by the frozen G and D: mean squared pixel and feature residuals (N,) each, and
        G(E(x)) (N, C, H, W)."""
        x_hat = self.generator.eval()(self.encoder(x))
        _, features = self.critic(x)
        _, reconstructed_features = self.critic(x_hat)
        pixel = (x - x_hat).square().mean(dim=(1, 2, 3))
        return pixel, (features - reconstructed_features).square().mean(dim=1), x_hat

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """G(E(x)) in eval mode: (N, C, H, W) -> (N, C, H, W)."""
        self.encoder.eval()
        return self.generator.eval()(self.encoder(self.take(images)))

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: MSE(x, G(E(x))) + kappa * MSE(f(x), f(G(E(x)))). Maps: the squared pixel residual, the mean over
        channels."""
        x = self.take(images)
        self.encoder.eval()
        pixel, feature, x_hat = self._residuals(x)
        return pixel + self.hparams.kappa * feature, (x - x_hat).square().mean(dim=1)


def _init(layer: nn.Module, gain: float = 1.0) -> nn.Module:
    """Uniform weights of variance 2 gain^2 / (fan_in + fan_out), biases 0, as in the authors' code."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
