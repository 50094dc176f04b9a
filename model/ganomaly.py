"""GANomaly (Akcay et al. 2018): encoder - decoder - encoder, against a DCGAN discriminator that lends its features.

x -> E1 -> z -> decoder -> x_hat -> E2 -> z_hat. A defect that the decoder does not know is missing from x_hat, so z_hat
misses it too: the score is the distance of the two codes. Sizes, weights and formulas as in the authors' code (commit
78da4ea). Left out of it: drawing the discriminator anew when its loss falls below 1e-5; every step would wait for the
accelerator, and the workers of a data-parallel refit would decide it apart.

Letters: N images, C channels, H, W pixels, Z latent codes.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import Detector, check_choice, check_image_shape, check_number
from model.parts.dcgan import Decoder, Discriminator, Encoder, init_dcgan
from model.parts.descent import AdamHParams, adam, descend
from model.parts.losses import context_l1, discriminator_adversarial, latent_squared, total

LATENT_DIM = 100


@dataclass(frozen=True)
class HParams(AdamHParams):
    """The authors' defaults. Raises a one-line ValueError for a value out of range."""

    w_adv: float = 1.0
    w_con: float = 50.0
    w_lat: float = 1.0  # of the distance between the two codes, not between D's features
    amp: bool = False  # bfloat16 autocast in training steps; scores are always float32

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("w_adv", "w_con", "w_lat"):
            check_number(name, getattr(self, name), least=0, example=type(self).__dataclass_fields__[name].default)
        check_choice("amp", self.amp, (False, True))


class Generator(nn.Module):
    """Images (N, C, S, S) -> their reconstructions, and the codes (N, Z) of both."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        self.encoder = Encoder(channels, size_px, LATENT_DIM)
        self.decoder = Decoder(channels, size_px, LATENT_DIM)
        self.second_encoder = Encoder(channels, size_px, LATENT_DIM)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, C, S, S) -> x_hat (N, C, S, S) in [-1, 1], z (N, Z) and z_hat (N, Z)."""
        codes = self.encoder(images)
        reconstructions = self.decoder(codes)
        return reconstructions, codes, self.second_encoder(reconstructions)


class Ganomaly(Detector):
    """38.36 M parameters in G and 11.16 M in D at 128 px."""

    HParams: ClassVar[type] = HParams

    def __init__(self, hparams: HParams, image_shape: tuple[int, int, int], device: torch.device | str):
        """Build G and D with DCGAN's weights. Raises ValueError unless image_shape is (C, S, S), S = 2^k >= 32."""
        super().__init__(hparams, image_shape, device)
        check_image_shape(image_shape)
        self.generator, self.discriminator = Generator(*image_shape[:2]), Discriminator(*image_shape[:2])
        for network in self.networks().values():
            init_dcgan(network)
            network.to(self.device)
        self.generator_adam, self.discriminator_adam = adam(hparams, self.generator), adam(hparams, self.discriminator)

    def networks(self) -> dict[str, nn.Module]:
        """The generator, which holds both encoders and the decoder, and the discriminator."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam of the generator, then of the discriminator."""
        return [self.generator_adam, self.discriminator_adam]

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of both networks; see the contract. G's adversarial loss is feature matching, so D's logits train D
        alone, by half the sum of its two cross-entropies. Losses: generator, discriminator, adversarial, context and
        latent."""
        hparams, x = self.hparams, self.take(images)
        self.generator.train()
        self.discriminator.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=hparams.amp):
            outputs = self.generator(x)
            x_hat, z, z_hat = (output.float() for output in outputs)
            judged = *self.discriminator(x), *self.discriminator(x_hat)
        real_logits, real_features, fake_logits, fake_features = (output.float() for output in judged)

        adversarial = F.mse_loss(fake_features, real_features)
        context, latent = context_l1(x, x_hat), latent_squared(z, z_hat)
        generator_loss = total(adversarial, context, latent, hparams.w_adv, hparams.w_con, hparams.w_lat)
        discriminator_loss = discriminator_adversarial(real_logits, fake_logits) / 2
        descend((self.generator_adam, generator_loss), (self.discriminator_adam, discriminator_loss))
        losses = {"generator": generator_loss, "discriminator": discriminator_loss, "adversarial": adversarial,
                  "context": context, "latent": latent}
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """x_hat in eval mode: (N, C, H, W) -> (N, C, H, W)."""
        return self.generator.eval()(self.take(images))[0]

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: mean (z - z_hat)^2. Maps: the squared pixel residual, the mean over channels (the paper has none)."""
        x = self.take(images)
        x_hat, z, z_hat = self.generator.eval()(x)
        return (z - z_hat).square().mean(dim=1), (x - x_hat).square().mean(dim=1)
