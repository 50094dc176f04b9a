"""The losses of Skip-GANomaly and of the paper's model, each under its equation's number in the paper
(Sun et al., "Skip.Self attention GAN for anomaly detection", IJSCC 16(1), 2025).

Equations (1)-(3) are those of Skip-GANomaly (section 2), (5)-(8) those of the improved model (section 3). Adversarial
terms are computed from logits, so that a certain discriminator gives large numbers and never log(0).
Letters: N images, C channels, H, W pixels, Z features of the discriminator. Every loss is a 0-d tensor.
"""

from torch import Tensor
from torch.nn import functional as F


def adversarial_value(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Equation (1): E[log D(x)] + E[log(1 - D(x_hat))], of logits (N,) each; the discriminator maximises it."""
    return F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean()


def context_l1(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Equation (2): the mean absolute difference of pixels, of images (N, C, H, W) each."""
    return F.l1_loss(reconstructions, images)


def latent_l1(features: Tensor, reconstructed_features: Tensor) -> Tensor:
    """Equation (3): the mean absolute difference of the discriminator's features (N, Z), not squared."""
    return F.l1_loss(reconstructed_features, features)


def discriminator_adversarial(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Equation (5), with x_hat = G(x) in the place of its noise z: the negative of (1), BCE(real) + BCE(fake)."""
    return -adversarial_value(real_logits, fake_logits)


def generator_adversarial(fake_logits: Tensor) -> Tensor:
    """The generator's side of (1) and (5) in the non-saturating form of the reference code: -E[log D(x_hat)]."""
    return -F.logsigmoid(fake_logits).mean()


def context_l2(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Equation (6), as the text below it reads (its print repeats (7)): the mean squared difference of pixels."""
    return F.mse_loss(reconstructions, images)


def latent_squared(features: Tensor, reconstructed_features: Tensor) -> Tensor:
    """Equation (7): the mean squared difference of the discriminator's features (N, Z)."""
    return F.mse_loss(reconstructed_features, features)


def total(adversarial: Tensor, context: Tensor, latent: Tensor, w_adv: float, w_con: float, w_lat: float) -> Tensor:
    """Equation (8): the weighted sum of the three losses."""
    return w_adv * adversarial + w_con * context + w_lat * latent


CONTEXT_LOSSES = {"l1": context_l1, "l2": context_l2}
LATENT_LOSSES = {"squared": latent_squared, "l1": latent_l1}
