"""ALAD (Zenati et al. 2018, "Adversarially Learned Anomaly Detection"): a BiGAN with spectral normalisation and two
more discriminators, which make it reconstruct images and codes.

D_xz tells (x, E(x)) from (G(z), z); D_xx tells (x, x) from (x, G(E(x))); D_zz tells (z, z) from (z, E(G(z))). The score
is the distance of D_xx's features of (x, x) and (x, G(E(x))), by moving averages of the networks. Networks, losses and
numbers as in the authors' code for 32 px (commit 9922b72), but that D_xx joins its images along the channels (theirs:
along the rows), that all networks step at once on one batch (theirs: the discriminators first, then G and E on a batch
of another permutation with new codes), and that batch normalisation has PyTorch's eps 1e-5 and keeps .9 of its averages
at a step (theirs: 1e-3 and .99), which settle within the short trainings of a search. Scaling rule: each doubling of
the size adds a level to E, G and D_xz, on the image's side and half as wide, at least 32, and one to D_xx, inside and
as wide as its last.

Letters: N images, C channels, H, W pixels, Z latent codes, F features of a pair.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from model.contract import Detector, check_image_shape, check_number
from model.parts.descent import AdamHParams, adam, descend
from model.parts.ema import Ema
from model.parts.losses import discriminator_adversarial, generator_adversarial

LATENT_DIM = 100
INNER_WIDTH, LEAST_WIDTH = 512, 32
INNER_PX, PAIR_PX = 4, 8  # sides of the innermost maps of E, G and D_xz, and of D_xx
INIT_STD = 0.01


@dataclass(frozen=True)
class HParams(AdamHParams):
    """The authors' defaults for images. Raises a one-line ValueError for a value out of range."""

    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("ema_decay", self.ema_decay, least=0, below=1, example=0.999)


def widths(size_px: int) -> list[int]:
    """Channels of each level of E, from the image down to the 4x4 map: 128, 256, 512 at 32 px."""
    levels = (size_px // INNER_PX).bit_length() - 1
    return [max(INNER_WIDTH >> above, LEAST_WIDTH) for above in reversed(range(levels))]


def halving(in_width: int, width: int, norm: bool) -> list[nn.Module]:
    """The layers of one level down, (N, in, H, W) -> (N, out, H / 2, W / 2), spectrally normalised."""
    conv = spectral_norm(_init(nn.Conv2d(in_width, width, 4, 2, 1)))
    return [conv, *([nn.BatchNorm2d(width)] if norm else []), nn.LeakyReLU(0.2)]


def dense(in_width: int, width: int) -> list[nn.Module]:
    """The layers of one fully connected level of a discriminator, (N, in) -> (N, out), spectrally normalised."""
    return [spectral_norm(_init(nn.Linear(in_width, width))), nn.LeakyReLU(0.2), nn.Dropout(0.2)]


class Encoder(nn.Module):
    """Images (N, C, S, S) -> codes (N, Z)."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths(size_px):
            layers += halving(channels, width, norm=True)
            channels = width
        self.layers = nn.Sequential(*layers, _init(nn.Conv2d(channels, LATENT_DIM, INNER_PX)), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) in [-1, 1] -> (N, Z) of any value: nothing follows the last convolution."""
        return self.layers(images)


class Generator(nn.Module):
    """Codes (N, Z) -> images (N, C, S, S) in [-1, 1]."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        layers: list[nn.Module] = []
        in_width = LATENT_DIM
        for width in reversed(widths(size_px)):
            upwards = (4, 2, 1) if layers else (INNER_PX, 1, 0)
            layers += [_init(nn.ConvTranspose2d(in_width, width, *upwards)), nn.BatchNorm2d(width), nn.ReLU()]
            in_width = width
        self.layers = nn.Sequential(*layers, _init(nn.ConvTranspose2d(in_width, channels, 4, 2, 1)), nn.Tanh())

    def forward(self, codes: Tensor) -> Tensor:
        """(N, Z), drawn from N(0, 1) or encoded -> (N, C, S, S) in [-1, 1], by a tanh."""
        return self.layers(codes[:, :, None, None])


class DiscriminatorXz(nn.Module):
    """Images (N, C, S, S) and codes (N, Z) -> logits (N,) of the pairs."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths(size_px):
            layers += halving(channels, width, norm=bool(layers))
            channels = width
        self.of_image = nn.Sequential(*layers, nn.Flatten())
        self.of_code = nn.Sequential(*dense(LATENT_DIM, 512), *dense(512, 512))
        self.of_pair = nn.Sequential(*dense(channels * INNER_PX ** 2 + 512, 1024), _init(nn.Linear(1024, 1)))

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """(N, C, S, S) and (N, Z) -> logits (N,), trained to be high for (x, E(x)) and low for (G(z), z)."""
        return self.of_pair(torch.cat([self.of_image(images), self.of_code(codes)], dim=1)).flatten()


class DiscriminatorXx(nn.Module):
    """Two images (N, C, S, S) -> logits (N,) and features (N, F) of the pairs."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        layers: list[nn.Module] = []
        in_width = 2 * channels
        for level in range((size_px // PAIR_PX).bit_length() - 1):
            width = 128 if level else 64
            conv = spectral_norm(_init(nn.Conv2d(in_width, width, 5, 2, 2)))
            layers += [conv, nn.LeakyReLU(0.2), nn.Dropout(0.2)]
            in_width = width
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.logit = _init(nn.Linear(in_width * PAIR_PX ** 2, 1))

    def forward(self, images: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, S, S) twice -> logits (N,), trained to be high where both are the same, and features (N, F = 8192)."""
        features = self.features(torch.cat([images, others], dim=1))
        return self.logit(features).flatten(), features


class DiscriminatorZz(nn.Module):
    """Two codes (N, Z) -> logits (N,) of the pairs."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*dense(2 * LATENT_DIM, 64), *dense(64, 32), _init(nn.Linear(32, 1)))

    def forward(self, codes: Tensor, others: Tensor) -> Tensor:
        """(N, Z) twice -> logits (N,), trained to be high where both are the same."""
        return self.layers(torch.cat([codes, others], dim=1)).flatten()


class Alad(Detector):
    """Five networks, and the averages of the three that score."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        """Build all networks from N(0, 0.01). Raises ValueError unless image_shape is (C, S, S), S = 2^k >= 32."""
        super().__init__(hparams, image_shape, device)
        check_image_shape(image_shape)
        shape = image_shape[:2]
        self.encoder, self.generator = Encoder(*shape).to(self.device), Generator(*shape).to(self.device)
        self.judge_xz, self.judge_xx, self.judge_zz = (
            judge.to(self.device) for judge in (DiscriminatorXz(*shape), DiscriminatorXx(*shape), DiscriminatorZz()))
        self.averages = {name: Ema(self._trained()[name], hparams.ema_decay)
                         for name in ("encoder", "generator", "discriminator_xx")}
        self.encoder_adam, self.generator_adam = adam(hparams, self.encoder), adam(hparams, self.generator)
        self.judges_adam = adam(hparams, self.judge_xz, self.judge_xx, self.judge_zz)

    def _trained(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "generator": self.generator, "discriminator_xz": self.judge_xz,
                "discriminator_xx": self.judge_xx, "discriminator_zz": self.judge_zz}

    def networks(self) -> dict[str, nn.Module]:
        """The five that train, and the averages of encoder, generator and D_xx under "<name>_average"."""
        return self._trained() | {f"{name}_average": average for name, average in self.averages.items()}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam of the encoder, of the generator, and one over all three discriminators."""
        return [self.encoder_adam, self.generator_adam, self.judges_adam]

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of all five networks; see the contract. E and G share the losses of both cycles. Losses: encoder,
        generator, discriminator (the three together) and cycles."""
        x = self.take(images)
        for network in self._trained().values():
            network.train()
        z = torch.randn(len(x), LATENT_DIM, device=self.device)
        encoded, generated = self.encoder(x), self.generator(z)
        x_hat, z_hat = self.generator(encoded), self.encoder(generated)
        encoded_xz, generated_xz = self.judge_xz(x, encoded), self.judge_xz(generated, z)
        (same_xx, _), (cycled_xx, _) = self.judge_xx(x, x), self.judge_xx(x, x_hat)
        same_zz, cycled_zz = self.judge_zz(z, z), self.judge_zz(z, z_hat)

        cycles = generator_adversarial(cycled_xx) + generator_adversarial(cycled_zz)
        losses = {
            "encoder": generator_adversarial(-encoded_xz) + cycles,  # E's pair is to pass for G's
            "generator": generator_adversarial(generated_xz) + cycles,
            "discriminator": discriminator_adversarial(encoded_xz, generated_xz)
            + discriminator_adversarial(same_xx, cycled_xx) + discriminator_adversarial(same_zz, cycled_zz),
        }
        descend((self.encoder_adam, losses["encoder"]), (self.generator_adam, losses["generator"]),
                (self.judges_adam, losses["discriminator"]))
        for name, average in self.averages.items():
            average.update(self._trained()[name])
        return {name: loss.detach() for name, loss in (losses | {"cycles": cycles}).items()}

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """G(E(x)) of the averages: (N, C, H, W) -> (N, C, H, W)."""
        return self.averages["generator"](self.averages["encoder"](self.take(images)))

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: sum |f_xx(x, x) - f_xx(x, G(E(x)))|. Maps: |x - G(E(x))|, the mean over channels (the paper has
        none)."""
        x, x_hat = self.take(images), self.reconstruct(images)
        _, features = self.averages["discriminator_xx"](x, x)
        _, reconstructed_features = self.averages["discriminator_xx"](x, x_hat)
        return (features - reconstructed_features).abs().sum(dim=1), (x - x_hat).abs().mean(dim=1)


def _init(layer: nn.Module) -> nn.Module:
    """The authors' weights: N(0, 0.01), biases 0."""
    nn.init.normal_(layer.weight, 0.0, INIT_STD)
    nn.init.zeros_(layer.bias)
    return layer
