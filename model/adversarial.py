"""What the two U-Net GANs share: their hyper-parameters, the joint step of generator and discriminator, and the score.

One step: x_hat = G(x) -> D(x), D(x_hat), once each -> the generator's loss (8) and the discriminator's loss, each
differentiated with respect to its own network alone -> both optimisers. As in Skip-GANomaly's code, both gradients
belong to the weights before the step. Score: 0.9 * pixel residual + 0.1 * residual of D's features.

Letters: N images, C channels, H, W pixels, Z features of the discriminator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.contract import Detector, check_choice, check_number
from model.layers import Discriminator, init_dcgan
from model.losses import CONTEXT_LOSSES, LATENT_LOSSES, discriminator_adversarial, generator_adversarial, total

SMALLEST_SIZE_PX = 32
RESIDUALS: dict[str, Callable[[Tensor], Tensor]] = {"squared": torch.square, "l1": torch.abs}


@dataclass(frozen=True)
class GanHParams:
    """Options of both U-Net GANs. Raises a one-line ValueError for a value out of range."""

    lr: float = 2e-4
    beta1: float = 0.5  # Adam's; the paper states none, these are DCGAN's
    beta2: float = 0.999
    w_adv: float = 1.0
    w_con: float = 50.0
    w_lat: float = 1.0
    context_loss: str = "l1"  # equation (2); "l2": equation (6)
    latent_loss: str = "squared"  # equation (7); "l1": equation (3)
    score_residual: str = "squared"  # pixel residual of the score and the maps; "l1": absolute
    score_w_pixel: float = 0.9  # the score is this * pixel residual + (1 - this) * feature residual
    amp: bool = False  # bfloat16 autocast in training steps; scores are always float32

    def __post_init__(self) -> None:
        check_number("lr", self.lr, above=0, example=2e-4)
        check_number("beta1", self.beta1, least=0, below=1, example=0.5)
        check_number("beta2", self.beta2, least=0, below=1, example=0.999)
        for name in ("w_adv", "w_con", "w_lat"):
            check_number(name, getattr(self, name), least=0, example=type(self).__dataclass_fields__[name].default)
        check_choice("context_loss", self.context_loss, tuple(CONTEXT_LOSSES))
        check_choice("latent_loss", self.latent_loss, tuple(LATENT_LOSSES))
        check_choice("score_residual", self.score_residual, tuple(RESIDUALS))
        check_number("score_w_pixel", self.score_w_pixel, least=0, most=1, example=0.9)
        check_choice("amp", self.amp, (False, True))


def check_image_shape(image_shape: tuple[int, int, int]) -> None:
    """Raise a one-line ValueError unless image_shape (C, H, W) is square with a power of two >= 32 as its side.

    Both U-Nets halve the image a fixed number of times, and the discriminator halves it down to 4x4.
    """
    channels, height, width = image_shape
    if channels >= 1 and height == width >= SMALLEST_SIZE_PX and height & (height - 1) == 0:
        return
    power = 2 ** max(round(max(height, width, 1)).bit_length() - 1, SMALLEST_SIZE_PX.bit_length() - 1)
    raise ValueError(
        f"image_shape is {tuple(image_shape)}: expected (C, S, S) with C >= 1 and S a power of two >= "
        f"{SMALLEST_SIZE_PX}; resize the images to {power} x {power}"
    )


class AdversarialReconstructor(Detector):
    """A generator that reconstructs, and a discriminator that judges and lends its features."""

    HParams: ClassVar[type] = GanHParams
    MEMORY_FORMAT: ClassVar[torch.memory_format] = torch.channels_last  # whichever the generator runs faster in

    def __init__(self, hparams: GanHParams, image_shape: tuple[int, int, int], device: torch.device | str,
                 generator: nn.Module):
        """Take the generator (weights already drawn), build the discriminator; image_shape as check_image_shape."""
        super().__init__(hparams, image_shape, device)
        channels, size_px, _ = image_shape
        discriminator = Discriminator(channels, size_px)
        init_dcgan(discriminator)
        self.generator = generator.to(self.device, memory_format=self.MEMORY_FORMAT)
        self.discriminator = discriminator.to(self.device, memory_format=self.MEMORY_FORMAT)
        betas = (hparams.beta1, hparams.beta2)
        self.generator_adam = torch.optim.Adam(self.generator.parameters(), hparams.lr, betas, fused=True)
        self.discriminator_adam = torch.optim.Adam(self.discriminator.parameters(), hparams.lr, betas, fused=True)

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.generator_adam, self.discriminator_adam]

    def take(self, images: Tensor) -> Tensor:
        return super().take(images).contiguous(memory_format=self.MEMORY_FORMAT)

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of both networks; see the contract. Losses: generator, discriminator and the three terms of (8)."""
        hparams, x = self.hparams, self.take(images)
        self.generator.train()
        self.discriminator.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=hparams.amp):
            x_hat = self.generator(x)  # (N, C, H, W)
            outputs = *self.discriminator(x), *self.discriminator(x_hat)
        x_hat, real_logits, real_features, fake_logits, fake_features = (t.float() for t in (x_hat, *outputs))

        adversarial = generator_adversarial(fake_logits)
        context = CONTEXT_LOSSES[hparams.context_loss](x, x_hat)
        latent = LATENT_LOSSES[hparams.latent_loss](real_features, fake_features)
        generator_loss = total(adversarial, context, latent, hparams.w_adv, hparams.w_con, hparams.w_lat)
        discriminator_loss = discriminator_adversarial(real_logits, fake_logits) + hparams.w_lat * latent

        for optimizer in self.optimizers():
            optimizer.zero_grad()
        generator_loss.backward(inputs=list(self.generator.parameters()), retain_graph=True)
        discriminator_loss.backward(inputs=list(self.discriminator.parameters()))
        for optimizer in self.optimizers():
            optimizer.step()
        losses = {"generator": generator_loss, "discriminator": discriminator_loss, "adversarial": adversarial,
                  "context": context, "latent": latent}
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """x_hat = G(x) in eval mode: (N, C, H, W) -> (N, C, H, W)."""
        self.generator.eval()
        return self.generator(self.take(images))

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Skip-GANomaly's score without its rescaling over the test set: 0.9 * mean (x - x_hat)^2
        + 0.1 * mean (f(x) - f(x_hat))^2; maps are the channels' mean of the pixel residual."""
        x, x_hat = self.take(images), self.reconstruct(images)
        self.discriminator.eval()
        _, features = self.discriminator(x)  # (N, Z)
        _, reconstructed_features = self.discriminator(x_hat)
        maps = RESIDUALS[self.hparams.score_residual](x - x_hat).mean(dim=1)  # (N, H, W)
        feature_residual = (features - reconstructed_features).square().mean(dim=1)  # (N,)
        w_pixel = self.hparams.score_w_pixel
        return w_pixel * maps.mean(dim=(1, 2)) + (1 - w_pixel) * feature_residual, maps
