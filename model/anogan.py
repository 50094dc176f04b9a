"""AnoGAN (Schlegl et al. 2017): a DCGAN learns normal images; at test time, gradient descent looks for the latent code
whose image is nearest to the one under test. What no code can produce is anomalous.

The search takes `latent_steps` Adam steps on the code alone, of all images of a batch at once: Adam works element by
element and the losses are summed, so each image's search is its own. Every search starts from the same code, drawn once
and for all, so a score is a function of the image, but for rounding, which differs with the size of a batch and which a
long search amplifies: alone and among ten, scores differed by .03 % after 50 steps and by 1 % after 500 (bottle, 32 px,
CPU). The paper's networks are 64 px DCGAN; here they scale as DCGAN's do.
Codes are standard normal, D's features are its 4x4 map; the step size of the search, which the paper does not state, is
an option.

Letters: N images, C channels, H, W pixels, Z latent codes, F channels of the 4x4 map.
"""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.contract import Detector, check_image_shape, check_number, check_whole
from model.parts.dcgan import Decoder, Discriminator, init_dcgan
from model.parts.descent import AdamHParams, adam, descend
from model.parts.losses import discriminator_adversarial, generator_adversarial

LATENT_DIM = 100
START_SEED = 0


@dataclass(frozen=True)
class HParams(AdamHParams):
    """DCGAN's and the paper's defaults. Raises a one-line ValueError for a value out of range."""

    latent_steps: int = 500
    latent_lr: float = 0.02
    feature_share: float = 0.1  # lambda: the loss of the search is (1 - this) * pixel residual + this * D's residual

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("latent_steps", self.latent_steps, least=1, example=500)
        check_number("latent_lr", self.latent_lr, above=0, example=0.02)
        check_number("feature_share", self.feature_share, least=0, most=1, example=0.1)


class AnoGan(Detector):
    """DCGAN's generator and discriminator, and the search for a code."""

    HParams: ClassVar[type] = HParams
    optimises_to_score: ClassVar[bool] = True

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        """Build G and D with DCGAN's weights. Raises ValueError unless image_shape is (C, S, S), S = 2^k >= 32."""
        super().__init__(hparams, image_shape, device)
        check_image_shape(image_shape)
        channels, size_px, _ = image_shape
        self.generator, self.discriminator = Decoder(channels, size_px, LATENT_DIM), Discriminator(channels, size_px)
        for network in self.networks().values():
            init_dcgan(network)
            network.to(self.device)
        self.generator_adam, self.discriminator_adam = adam(hparams, self.generator), adam(hparams, self.discriminator)
        self.start = torch.randn(LATENT_DIM, generator=torch.Generator().manual_seed(START_SEED)).to(self.device)

    def networks(self) -> dict[str, nn.Module]:
        """Generator and discriminator; the codes that are searched are not kept."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam of the generator, then of the discriminator; the search for a code makes its own each time."""
        return [self.generator_adam, self.discriminator_adam]

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of the GAN on images and as many random codes; see the contract. Losses: generator and
        discriminator."""
        x = self.take(images)
        self.generator.train()
        self.discriminator.train()
        fake_logits, _ = self.discriminator(self.generator(torch.randn(len(x), LATENT_DIM, device=self.device)))
        real_logits, _ = self.discriminator(x)
        losses = {"generator": generator_adversarial(fake_logits),
                  "discriminator": discriminator_adversarial(real_logits, fake_logits)}
        descend((self.generator_adam, losses["generator"]), (self.discriminator_adam, losses["discriminator"]))
        return {name: loss.detach() for name, loss in losses.items()}

    def reconstruct(self, images: Tensor) -> Tensor:
        """G(z) of the code found for each image: (N, C, H, W) -> (N, C, H, W)."""
        x = self.take(images)
        latents = self._search(x)
        with torch.no_grad():
            return self.generator(latents)

    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: the loss of the search at its end. Maps: |x - G(z)|, the mean over channels."""
        x = self.take(images)
        latents = self._search(x)
        with torch.no_grad():
            losses, x_hat = self._latent_loss(latents, x, self.discriminator(x)[1])
            return losses, (x - x_hat).abs().mean(dim=1)

    def shorten_search(self, steps: int) -> float:
        """See the contract; scoring spends all its time in the search."""
        whole = self.hparams.latent_steps
        if whole <= steps:
            return 1.0
        self.hparams = dataclasses.replace(self.hparams, latent_steps=steps)
        return whole / steps

    def _search(self, x: Tensor) -> Tensor:
        """The code (N, Z) of each image x (N, C, H, W). Leaves both networks in eval mode, without gradients."""
        self.generator.eval()
        self.discriminator.eval()
        with torch.no_grad():
            features = self.discriminator(x)[1]
        with torch.enable_grad():
            latents = self.start.repeat(len(x), 1).requires_grad_()
            adam = torch.optim.Adam([latents], self.hparams.latent_lr)
            for _ in range(self.hparams.latent_steps):
                losses, _ = self._latent_loss(latents, x, features)
                descend((adam, losses.sum()))
        return latents.detach()

    def _latent_loss(self, latents: Tensor, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """(1 - lambda) * sum |x - G(z)| + lambda * sum |f(x) - f(G(z))| of each image (N,), and G(z) (N, C, H, W)."""
        x_hat = self.generator(latents)
        pixel = (x - x_hat).abs().sum(dim=(1, 2, 3))
        feature = (features - self.discriminator(x_hat)[1]).abs().sum(dim=(1, 2, 3))
        share = self.hparams.feature_share
        return (1 - share) * pixel + share * feature, x_hat
