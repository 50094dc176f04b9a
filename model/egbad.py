"""EGBAD (Zenati et al. 2018, "Efficient GAN-Based Anomaly Detection"): a BiGAN whose encoder replaces AnoGAN's search.

A joint discriminator tells pairs (x, E(x)) from pairs (G(z), z); E and G each try to make their pair look like the
other's, so at the optimum E inverts G. Scores are computed with moving averages of all three networks.
Networks, losses and numbers as in the authors' code for 28 px (commit 8e62c36), but for two things. They step D first,
and then G and E on a batch of another permutation, with new codes; here all three step at once, each down its own loss
at the weights before the step, on one batch. And their framework's batch normalisation has eps 1e-3 and keeps .99 of
its averages at a step; here PyTorch's 1e-5 and .9, which settle within the short trainings of a search. In so short a
training as 98 steps at lr 2e-4 (bottle, 32 px, mean AUROC of all test images over two seeds) the order made no
difference that could be seen: .48 in theirs, .51 here, both chance. Scaling rule: up to 32 px two stride-2 levels, and
one more, as wide as the last, for each doubling of the size, so the innermost map is always 8x8 (7x7 there).

Letters: N images, C channels, H, W pixels, Z latent codes, F features of the pair.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.contract import Detector, check_image_shape, check_number
from model.parts.dcgan import init_dcgan
from model.parts.descent import AdamHParams, adam, descend
from model.parts.ema import Ema
from model.parts.losses import discriminator_adversarial, generator_adversarial

LATENT_DIM = 200
MAP_PX = 8  # side of the innermost map


@dataclass(frozen=True)
class HParams(AdamHParams):
    """The authors' defaults for images. Raises a one-line ValueError for a value out of range."""

    lr: float = 1e-5
    ema_decay: float = 0.999
    feature_share: float = 0.1  # the score is (1 - this) * pixel residual + this * residual of D's features

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("ema_decay", self.ema_decay, least=0, below=1, example=0.999)
        check_number("feature_share", self.feature_share, least=0, most=1, example=0.1)


def halvings(size_px: int) -> int:
    """Stride-2 levels from the image to the innermost map."""
    return (size_px // MAP_PX).bit_length() - 1


class Encoder(nn.Module):
    """Images (N, C, S, S) -> codes (N, Z)."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, 32, 3, padding=1)]
        width = 32
        for out_width in [64] + [128] * (halvings(size_px) - 1):
            layers += [nn.Conv2d(width, out_width, 3, 2, 1), nn.BatchNorm2d(out_width), nn.LeakyReLU(0.1)]
            width = out_width
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * MAP_PX ** 2, LATENT_DIM))

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) in [-1, 1] -> (N, Z) of any value: nothing follows the linear layer."""
        return self.layers(images)


class Generator(nn.Module):
    """Codes (N, Z) -> images (N, C, S, S) in [-1, 1]."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        self.to_map = nn.Sequential(
            nn.Linear(LATENT_DIM, 1024), nn.BatchNorm1d(1024), nn.ReLU(),
            nn.Linear(1024, 128 * MAP_PX ** 2), nn.BatchNorm1d(128 * MAP_PX ** 2), nn.ReLU())
        layers: list[nn.Module] = []
        width = 128
        for out_width in [128] * (halvings(size_px) - 2) + [64]:
            layers += [nn.ConvTranspose2d(width, out_width, 4, 2, 1), nn.BatchNorm2d(out_width), nn.ReLU()]
            width = out_width
        self.to_image = nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh())

    def forward(self, codes: Tensor) -> Tensor:
        """(N, Z), drawn from N(0, 1) or encoded -> (N, C, S, S) in [-1, 1], by a tanh."""
        return self.to_image(self.to_map(codes).unflatten(1, (128, MAP_PX, MAP_PX)))


class PairDiscriminator(nn.Module):
    """Images (N, C, S, S) and codes (N, Z) -> logits (N,) and features (N, F) of the pairs."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        layers: list[nn.Module] = []
        for level in range(halvings(size_px)):
            layers.append(nn.Conv2d(64 if level else channels, 64, 4, 2, 1))
            layers += [nn.BatchNorm2d(64)] if level else []
            layers += [nn.LeakyReLU(0.1), nn.Dropout(0.5)]
        self.of_image = nn.Sequential(*layers, nn.Flatten())
        self.of_code = nn.Sequential(nn.Linear(LATENT_DIM, 512), nn.LeakyReLU(0.1), nn.Dropout(0.5))
        self.of_pair = nn.Sequential(nn.Linear(64 * MAP_PX ** 2 + 512, 1024), nn.LeakyReLU(0.1), nn.Dropout(0.5))
        self.logit = nn.Linear(1024, 1)

    def forward(self, images: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, S, S) and (N, Z) -> logits (N,), trained to be high for (x, E(x)) and low for (G(z), z), and features
        (N, F = 1024)."""
        features = self.of_pair(torch.cat([self.of_image(images), self.of_code(codes)], dim=1))
        return self.logit(features).flatten(), features


class Egbad(Detector):
    """The BiGAN, and the averages that score."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        """Build E, G and D from N(0, 0.02). Raises ValueError unless image_shape is (C, S, S), S = 2^k >= 32."""
        super().__init__(hparams, image_shape, device)
        check_image_shape(image_shape)
        shape = image_shape[:2]
        self.trained = {"encoder": Encoder(*shape), "generator": Generator(*shape),
                        "discriminator": PairDiscriminator(*shape)}
        for network in self.trained.values():
            init_dcgan(network)
            network.to(self.device)
        self.averages = {name: Ema(network, hparams.ema_decay) for name, network in self.trained.items()}
        self.adams = {name: adam(hparams, network) for name, network in self.trained.items()}

    def networks(self) -> dict[str, nn.Module]:
        """The three that train, and the average of each under "<name>_average"."""
        return self.trained | {f"{name}_average": average for name, average in self.averages.items()}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam of the encoder, of the generator, of the discriminator."""
        return list(self.adams.values())

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of E, G and D; see the contract. At least two codes are drawn, since G normalises over the batch.
        Losses: encoder, generator, discriminator."""
        x = self.take(images)
        encoder, generator, discriminator = (network.train() for network in self.trained.values())
        z = torch.randn(max(len(x), 2), LATENT_DIM, device=self.device)
        encoded_logits, _ = discriminator(x, encoder(x))
        generated_logits, _ = discriminator(generator(z), z)
        losses = {"encoder": generator_adversarial(-encoded_logits),  # E's pair is to pass for G's
                  "generator": generator_adversarial(generated_logits),
                  "discriminator": discriminator_adversarial(encoded_logits, generated_logits)}
        descend(*((self.adams[name], loss) for name, loss in losses.items()))
        for name, average in self.averages.items():
            average.update(self.trained[name])
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """G(E(x)) of the averages: (N, C, H, W) -> (N, C, H, W)."""
        return self.averages["generator"](self.averages["encoder"](self.take(images)))

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: 0.9 * sum |x - G(E(x))| + 0.1 * sum |f(x, E(x)) - f(G(E(x)), E(x))|. Maps: |x - G(E(x))|, the mean
        over channels."""
        x = self.take(images)
        codes = self.averages["encoder"](x)
        x_hat = self.averages["generator"](codes)
        _, features = self.averages["discriminator"](x, codes)
        _, reconstructed_features = self.averages["discriminator"](x_hat, codes)
        pixel = (x - x_hat).abs()
        feature = (features - reconstructed_features).abs().sum(dim=1)
        share = self.hparams.feature_share
        return (1 - share) * pixel.sum(dim=(1, 2, 3)) + share * feature, pixel.mean(dim=1)
