"""What the U-Net GANs share: their hyper-parameters, the joint step of generator and discriminator, and the score.

One step: x_hat = G(x) -> D(x), D(x_hat), once each -> the generator's loss (8) and the discriminator's loss, each
differentiated with respect to its own network alone -> both optimisers. As in Skip-GANomaly's code, both gradients
belong to the weights before the step. Score: 0.9 * pixel residual + 0.1 * residual of D's features; or, as an option,
how unusual both residuals are at their place (model/parts/calibrated_residual.py).

Letters: N images, C channels, H, W pixels, Z features of the discriminator.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.contract import Detector, check_choice, check_number
from model.parts.calibrated_residual import CELL_PX, CalibratedResidual
from model.parts.dcgan import init_dcgan
from model.parts.descent import AdamHParams, adam, descend
from model.parts.layers import Discriminator
from model.parts.losses import CONTEXT_LOSSES, LATENT_LOSSES, discriminator_adversarial, generator_adversarial, total
from model.parts.smoothing import to_pixels

RESIDUALS: dict[str, Callable[[Tensor], Tensor]] = {"squared": torch.square, "l1": torch.abs}


@dataclass(frozen=True)
class GanHParams(AdamHParams):
    """Options of the U-Net GANs. Raises a one-line ValueError for a value out of range."""

    SCORES: ClassVar[tuple[str, ...]] = ("paper", "calibrated")

    w_adv: float = 1.0
    w_con: float = 50.0
    w_lat: float = 1.0
    context_loss: str = "l1"  # equation (2); "l2": equation (6)
    latent_loss: str = "squared"  # equation (7); "l1": equation (3)
    score: str = "paper"  # means of both residuals; "calibrated": the highest of how unusual they are at their place
    score_residual: str = "squared"  # pixel residual of the paper's score and maps; "l1": absolute
    score_w_pixel: float = 0.9  # the paper's score is this * pixel residual + (1 - this) * feature residual
    smoothing_px: float = 1.5  # of the maps whose highest value is a score: the deviation of their blur
    amp: bool = False  # bfloat16 autocast in training steps; scores are always float32

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("w_adv", "w_con", "w_lat"):
            check_number(name, getattr(self, name), least=0, example=type(self).__dataclass_fields__[name].default)
        check_choice("context_loss", self.context_loss, tuple(CONTEXT_LOSSES))
        check_choice("latent_loss", self.latent_loss, tuple(LATENT_LOSSES))
        check_choice("score", self.score, self.SCORES)
        check_choice("score_residual", self.score_residual, tuple(RESIDUALS))
        check_number("score_w_pixel", self.score_w_pixel, least=0, most=1, example=0.9)
        check_number("smoothing_px", self.smoothing_px, least=0, most=32, example=1.5)
        check_choice("amp", self.amp, (False, True))


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
        self.calibrated = None
        if hparams.score == "calibrated":
            self.calibrated = CalibratedResidual(self.image_shape, hparams.smoothing_px).to(self.device)
        self.generator_adam, self.discriminator_adam = adam(hparams, self.generator), adam(hparams, self.discriminator)

    def networks(self) -> dict[str, nn.Module]:
        """Generator and discriminator, whose features are part of the score; and what calibration keeps, in buffers."""
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        return networks if self.calibrated is None else {**networks, "calibrated": self.calibrated}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam of the generator, then of the discriminator."""
        return [self.generator_adam, self.discriminator_adam]

    def take(self, images: Tensor) -> Tensor:
        """Bring images to the device, in MEMORY_FORMAT. Raises ValueError for any shape but the detector's."""
        return super().take(images).contiguous(memory_format=self.MEMORY_FORMAT)

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of both networks; see the contract. Losses: generator, discriminator and the three terms of (8)."""
        x = self.take(images)
        self.generator.train()
        self.discriminator.train()
        with self.autocast():
            x_hat = self.generator(x)  # (N, C, H, W)
            judged = *self.discriminator(x), *self.discriminator(x_hat)
        return self.descend(CONTEXT_LOSSES[self.hparams.context_loss](x, x_hat.float()), judged)

    def autocast(self) -> torch.autocast:
        """bfloat16 within, where the hyper-parameters say so."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.hparams.amp)

    def descend(self, context: Tensor, judged: tuple[Tensor, ...], more_of_generator: Tensor | float = 0.0,
                more_of_discriminator: Tensor | float = 0.0) -> dict[str, Tensor]:
        """Step both optimisers: `judged` are D's logits and features of x and of x_hat. What has been added to each
        network's loss is in the losses that come back."""
        hparams = self.hparams
        real_logits, real_features, fake_logits, fake_features = (of.float() for of in judged)
        adversarial = generator_adversarial(fake_logits)
        latent = LATENT_LOSSES[hparams.latent_loss](real_features, fake_features)
        generator_loss = total(adversarial, context, latent, hparams.w_adv, hparams.w_con, hparams.w_lat)
        generator_loss = generator_loss + more_of_generator
        discriminator_loss = discriminator_adversarial(real_logits, fake_logits) + hparams.w_lat * latent
        discriminator_loss = discriminator_loss + more_of_discriminator

        descend((self.generator_adam, generator_loss), (self.discriminator_adam, discriminator_loss))
        losses = {"generator": generator_loss, "discriminator": discriminator_loss, "adversarial": adversarial,
                  "context": context, "latent": latent}
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """For the calibrated score: see what the residuals of normal images are, by the networks of now."""
        if self.calibrated is not None:
            self.discriminator.eval()
            pairs = ((x, self.generate(x, is_seen=True)) for x in map(self.take, normals))
            self.calibrated.fit(pairs, self.discriminator)

    def generate(self, x: Tensor, is_seen: bool = False) -> Tensor:
        """x_hat = G(x) in eval mode; `is_seen` tells that `calibrate` saw these images."""
        self.generator.eval()
        return self.generator(x)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """x_hat = G(x) in eval mode: (N, C, H, W) -> (N, C, H, W)."""
        return self.generate(self.take(images))

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Skip-GANomaly's score without its rescaling over the test set: 0.9 * mean (x - x_hat)^2
        + 0.1 * mean (f(x) - f(x_hat))^2; maps are the channels' mean of the pixel residual. Calibrated: the highest of
        the map of unusual residuals, and that map."""
        x, x_hat = self.take(images), self.reconstruct(images)
        self.discriminator.eval()
        if self.calibrated is not None:
            maps = self.calibrated(x, x_hat, self.discriminator)
            return maps.amax(dim=(1, 2)), to_pixels(maps, CELL_PX, *x.shape[2:])
        _, features = self.discriminator(x)  # (N, Z)
        _, reconstructed_features = self.discriminator(x_hat)
        maps = RESIDUALS[self.hparams.score_residual](x - x_hat).mean(dim=1)  # (N, H, W)
        feature_residual = (features - reconstructed_features).square().mean(dim=1)  # (N,)
        w_pixel = self.hparams.score_w_pixel
        return w_pixel * maps.mean(dim=(1, 2)) + (1 - w_pixel) * feature_residual, maps
