"""A U-Net GAN that may be trained on forged defects: its generator restores the picture, says where it was spoilt, or
both.

Normal images -> defects forged into them (model/parts/forging.py) -> G -> the restored picture against the clean one
(L1, SSIM, gradients), and a logit a pixel against where it was forged. So skips no longer let G copy a defect through.
Beside the pixels G may be given how far each is from what is normal there (model/parts/normal_input.py); and D may be
shown the forged pictures as fakes, too. It is judged by the average of its weights.

Restored from forgeries: RIAD (Zavrtanik et al. 2021), DRAEM (Zavrtanik et al., ICCV 2021), OCR-GAN (Liang et al., TIP
2023), whose ablation has the gains of each for a Skip-GANomaly. All of it is off by default.

Letters: N images, C channels, H, W pixels, E channels of G's input.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.contract import check_choice, check_number
from model.parts.adversarial import AdversarialReconstructor, GanHParams
from model.parts.descent import descend
from model.parts.ema import Ema
from model.parts.forging import forge
from model.parts.losses import CONTEXT_LOSSES, dice_loss, focal_loss, restoration
from model.parts.normal_input import NormalInput
from model.parts.smoothing import smooth
from model.parts.spread import Spread, fit_spreads

EMA_DECAY = 0.99
W_DICE = 0.05  # of the Dice loss beside 1 for the focal loss
NEEDS_MASK = ("mask", "both")
NEEDS_FORGED = ("restored", *NEEDS_MASK)


@dataclass(frozen=True)
class RestoringHParams(GanHParams):
    """Options of training on forged defects. What is None follows from the score: "restored" is the highest residual of
    a generator that restores, "mask" the highest of its logits, "both" the highest sum of the two."""

    SCORES: ClassVar[tuple[str, ...]] = (*GanHParams.SCORES, *NEEDS_FORGED)

    forged_input: bool | None = None  # G is given forged pictures, and is to give back the clean ones
    mask_output: bool | None = None  # G has a second output: a logit a pixel, of whether it was forged
    normal_input: bool | None = None  # G is given deviations from the normal pixels, and coordinates
    forged_fakes: bool = False  # D is shown forged pictures as fakes
    w_mask: float = 100.0  # focal loss is small: at 10 the mask is learnt after the picture

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("forged_input", "mask_output", "normal_input"):
            check_choice(name, getattr(self, name), (None, False, True))
        check_choice("forged_fakes", self.forged_fakes, (False, True))
        check_number("w_mask", self.w_mask, least=0, example=100.0)
        if self.score in NEEDS_MASK and self.mask_output is False:
            raise ValueError(f"mask_output is False: expected True for score {self.score!r}; leave it out")
        if (self.score in NEEDS_FORGED or self.mask_output) and self.forged_input is False:
            raise ValueError("forged_input is False: expected True where a picture is restored or masked; leave it out")

    def resolved(self) -> Self:
        """With nothing left None."""
        has_mask = self.score in NEEDS_MASK if self.mask_output is None else self.mask_output
        is_forged = (has_mask or self.score in NEEDS_FORGED) if self.forged_input is None else self.forged_input
        is_told = is_forged if self.normal_input is None else self.normal_input
        return replace(self, forged_input=is_forged, mask_output=has_mask, normal_input=is_told)


class Restorer(AdversarialReconstructor):
    """Its generator takes (N, E, H, W), E of `input_channels`, and returns images, or with a mask output images and
    logits (N, H, W)."""

    HParams: ClassVar[type] = RestoringHParams

    def __init__(self, hparams: RestoringHParams, image_shape: tuple[int, int, int], device: torch.device | str,
                 generator: nn.Module):
        """hparams are `resolved`."""
        super().__init__(hparams, image_shape, device, generator)
        self.normal_input = NormalInput(self.image_shape).to(self.device) if hparams.normal_input else None
        self.average = Ema(self.generator, EMA_DECAY).to(self.device) if hparams.forged_input else None
        self.spreads = None
        if hparams.score == "both":
            self.spreads = nn.ModuleDict({"residual": Spread(), "mask": Spread()}).to(self.device)

    def networks(self) -> dict[str, nn.Module]:
        """Generator and discriminator; and what the options add: the generator's average, what calibration keeps."""
        added = {"generator_average": self.average, "normal_input": self.normal_input, "spreads": self.spreads}
        return super().networks() | {name: network for name, network in added.items() if network is not None}

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One step of both networks; see the contract. Losses: the GAN's, and those that the options add."""
        hparams = self.hparams
        if not (hparams.forged_input or hparams.normal_input or hparams.forged_fakes):
            return super().step(images, progress)
        x = self.take(images)
        forged, mask = forge(x)
        forged = forged.contiguous(memory_format=self.MEMORY_FORMAT)
        self.generator.train()
        with self.autocast():
            x_hat, logits = self._outputs(self.generator, forged if hparams.forged_input else x, without=x)
        likeness = restoration if hparams.forged_input else CONTEXT_LOSSES[hparams.context_loss]
        context, of_mask = likeness(x, x_hat.float()), _mask_loss(logits, mask)
        if self.discriminates:
            losses = self._step_both(x, x_hat, forged, mask, context, of_mask)
        else:
            loss = hparams.w_con * context + hparams.w_mask * of_mask
            descend((self.generator_adam, loss))
            losses = {"generator": loss.detach(), "context": context.detach()}
        if self.average is not None:
            self.average.update(self.generator)
        return losses | {"mask": of_mask.detach()}

    @property
    def discriminates(self) -> bool:
        """Whether D has a say, in the generator's loss or in the score: else it is left untrained."""
        hparams = self.hparams
        return bool(hparams.w_adv or hparams.w_lat) or hparams.score not in NEEDS_FORGED

    def _step_both(self, x: Tensor, x_hat: Tensor, forged: Tensor, mask: Tensor, context: Tensor,
                   of_mask: Tensor) -> dict[str, Tensor]:
        self.discriminator.train()
        of_fakes = torch.zeros_like(of_mask)
        with self.autocast():
            judged = *self.discriminator(x), *self.discriminator(x_hat)
            of_forged = self.discriminator(forged)[0] if self.hparams.forged_fakes else None
        if of_forged is not None:
            of_fakes = _fakes_loss(of_forged.float(), mask)
        losses = self.descend(context, judged, self.hparams.w_mask * of_mask, of_fakes)
        return losses | {"forged_fakes": of_fakes.detach()}

    @torch.no_grad()
    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Before the first step, see what each pixel of a normal image is; later, what the maps of one are."""
        if self.normal_input is not None and not self.normal_input.is_fitted():
            self.normal_input.fit(map(self.take, normals))
            return
        if self.spreads is None:
            super().calibrate(normals)
            return
        maps = (self._maps(images, is_seen=True) for images in map(self.take, normals))
        fit_spreads(self.spreads.values(), maps)

    def generate(self, x: Tensor, is_seen: bool = False) -> Tensor:
        """The generator's image of x; see AdversarialReconstructor."""
        return self._judge(x, is_seen)[0]

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores: the highest of the maps; maps: the residual of the restored picture, the mask's logits, or the sum of
        both, smoothed. Else the GAN's."""
        if self.hparams.score not in NEEDS_FORGED:
            return super().score(images)
        residuals, logits = self._maps(self.take(images))
        maps = {"restored": residuals, "mask": logits}.get(self.hparams.score)
        if maps is None:
            maps = self.spreads["residual"](residuals) + self.spreads["mask"](logits)
        return maps.amax(dim=(1, 2)), maps

    def _maps(self, x: Tensor, is_seen: bool = False) -> tuple[Tensor, Tensor]:
        """The residual and, with a mask output, the logits, smoothed: (N, H, W) each."""
        x_hat, logits = self._judge(x, is_seen)
        maps = (x - x_hat).abs().mean(dim=1), logits
        return tuple(of if of is None else smooth(of, self.hparams.smoothing_px) for of in maps)

    def _judge(self, x: Tensor, is_seen: bool) -> tuple[Tensor, Tensor | None]:
        network = self.generator if self.average is None else self.average
        network.eval()
        return self._outputs(network, x, without=x if is_seen else None)

    def _outputs(self, generator: nn.Module, x: Tensor, without: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The image and, with a mask output, the logits."""
        if self.normal_input is not None:
            x = self.normal_input(x, without).contiguous(memory_format=self.MEMORY_FORMAT)
        outputs = generator(x)
        return outputs if self.hparams.mask_output else (outputs, None)


def input_channels(hparams: RestoringHParams, channels: int) -> int:
    """E, of images of so many channels."""
    return 2 * channels + 2 if hparams.normal_input else channels


def _mask_loss(logits: Tensor | None, mask: Tensor) -> Tensor:
    """Of logits (N, H, W) against a mask of that shape; 0 where there are none."""
    if logits is None:
        return torch.zeros((), device=mask.device)
    logits, target, counts = logits.float(), mask.float(), torch.ones(mask.shape, device=mask.device)
    return focal_loss(logits, target, counts) + W_DICE * dice_loss(logits, target, counts)


def _fakes_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """-E[log(1 - D)] over the pictures that show something forged, of logits (N,)."""
    is_forged = mask.flatten(1).any(dim=1).float()
    return -(F.logsigmoid(-logits) * is_forged).sum() / is_forged.sum().clamp(min=1)
