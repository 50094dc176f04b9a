"""The losses of Skip-GANomaly and of the paper's model, each under its equation's number in the paper
(Sun et al., "Skip.Self attention GAN for anomaly detection", IJSCC 16(1), 2025).

Equations (1)-(3) are those of Skip-GANomaly (section 2), (5)-(8) those of the improved model (section 3). Adversarial
terms are computed from logits, so that a certain discriminator gives large numbers and never log(0).
Below them, the losses of training on forged defects: of the picture that is restored, and of the mask that is guessed.
Letters: N images, C channels, H, W pixels, Z features of the discriminator. Every loss is a 0-d tensor.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

SSIM_WINDOW_PX = 7
GRADIENT_SCALES = 3
_LEAST_GRADIENT = 1e-12  # squared: the root of 0 has no derivative


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


def restoration(images: Tensor, restored: Tensor) -> Tensor:
    """L1 + structural + gradient dissimilarity, of images (N, C, H, W) in [-1, 1] each: how far a restored picture is
    from the one that was spoilt."""
    return (
        context_l1(images, restored)
        + structural_dissimilarity(images, restored)
        + gradient_dissimilarity(images, restored)
    )


def structural_dissimilarity(images: Tensor, restored: Tensor) -> Tensor:
    """1 - the mean structural similarity (Wang et al., TIP 2004, equation 13), over 7 x 7 windows, pixels alike."""
    mean, restored_mean = _window(images), _window(restored)
    variance, restored_variance = _window(images.square()) - mean**2, _window(restored.square()) - restored_mean**2
    covariance = _window(images * restored) - mean * restored_mean
    luminance, contrast = 0.02**2, 0.06**2  # (.01 L)^2 and (.03 L)^2; the pixels' range L is 2
    similarity = (2 * mean * restored_mean + luminance) * (2 * covariance + contrast)
    similarity = similarity / (mean**2 + restored_mean**2 + luminance) / (variance + restored_variance + contrast)
    return 1 - similarity.mean()


def gradient_dissimilarity(images: Tensor, restored: Tensor) -> Tensor:
    """1 - the mean similarity of the grey gradients' magnitudes, at the image's size, a half and a quarter of it (Xue
    et al., TIP 2014; at several scales: RIAD, Zavrtanik et al. 2021)."""
    grey, restored_grey = images.mean(dim=1, keepdim=True), restored.mean(dim=1, keepdim=True)
    parts = []
    for _ in range(GRADIENT_SCALES):
        one, other = _gradient(grey), _gradient(restored_grey)
        stabiliser = 4 * 0.0026  # .0026 for pixels in [0, 1]
        parts.append(1 - ((2 * one * other + stabiliser) / (one**2 + other**2 + stabiliser)).mean())
        grey, restored_grey = F.avg_pool2d(grey, 2), F.avg_pool2d(restored_grey, 2)
    return torch.stack(parts).mean()


def _window(images: Tensor) -> Tensor:
    return F.avg_pool2d(images, SSIM_WINDOW_PX, stride=1)


def _gradient(grey: Tensor) -> Tensor:
    """The magnitude of Prewitt's gradient (N, 1, H - 2, W - 2)."""
    rows, columns = F.avg_pool2d(grey, (3, 1), stride=1), F.avg_pool2d(grey, (1, 3), stride=1)
    dx, dy = rows[..., 2:] - rows[..., :-2], columns[..., 2:, :] - columns[..., :-2, :]
    return (dx**2 + dy**2 + _LEAST_GRADIENT).sqrt()


def focal_loss(logits: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """The mean of (1 - p)^2 * cross-entropy over what counts, p being the target's probability (Lin et al.,
    ICCV 2017, equation 4 with gamma = 2). All three have one shape; target and counts are 0 or 1."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    missing = 1 - torch.exp(-cross_entropy)
    return (missing.square() * cross_entropy * counts).sum() / counts.sum().clamp(min=1)


def dice_loss(logits: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """1 - the Dice coefficient over what counts in the batch (Milletari et al., 3DV 2016), with 1 added above and
    below."""
    probability = logits.sigmoid() * counts
    overlap, total = (probability * target).sum(), probability.sum() + (target * counts).sum()
    return 1 - (2 * overlap + 1) / (total + 1)


CONTEXT_LOSSES = {"l1": context_l1, "l2": context_l2}
LATENT_LOSSES = {"squared": latent_squared, "l1": latent_l1}
