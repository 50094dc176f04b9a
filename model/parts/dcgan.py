"""DCGAN's networks (Radford et al. 2015), as GANomaly's code scales them with the image (commit 78da4ea).

4x4 stride-2 convolutions halve the image down to a 4x4 map, from 64 channels, doubling; transposed ones mirror them.
No biases; BatchNorm in all levels but the one at the image. AnoGAN, GANomaly and Skip-GANomaly's discriminator are
made of these. Letters: N images, C channels, H, W pixels, Z latent codes, F channels of the 4x4 map.
"""

from torch import Tensor, nn

BASE_WIDTH = 64
SMALLEST_MAP_PX = 4


def widths(size_px: int) -> list[int]:
    """Channels of each level, from the image down: 64, 128, ... until the map is 4x4."""
    return [BASE_WIDTH << level for level in range(size_px.bit_length() - SMALLEST_MAP_PX.bit_length())]


def down_stack(channels: int, size_px: int) -> list[nn.Module]:
    """The layers (N, C, S, S) -> (N, F, 4, 4)."""
    layers: list[nn.Module] = []
    for level, width in enumerate(widths(size_px)):
        layers.append(nn.Conv2d(channels, width, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(width)] if level else []
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        channels = width
    return layers


class Encoder(nn.Module):
    """Images (N, C, S, S) -> latent codes (N, Z)."""

    def __init__(self, channels: int, size_px: int, latent_dim: int):
        super().__init__()
        to_latent = nn.Conv2d(widths(size_px)[-1], latent_dim, SMALLEST_MAP_PX, bias=False)
        self.layers = nn.Sequential(*down_stack(channels, size_px), to_latent)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> (N, Z) of any value: nothing follows the convolution of the 4x4 map."""
        return self.layers(images).flatten(1)


class Decoder(nn.Module):
    """Latent codes (N, Z) -> images (N, C, S, S) in [-1, 1]: DCGAN's generator."""

    def __init__(self, channels: int, size_px: int, latent_dim: int):
        super().__init__()
        layers: list[nn.Module] = []
        for width in reversed(widths(size_px)):
            upwards = (4, 2, 1) if layers else (SMALLEST_MAP_PX, 1, 0)
            layers += [nn.ConvTranspose2d(latent_dim, width, *upwards, bias=False), nn.BatchNorm2d(width),
                       nn.ReLU(inplace=True)]
            latent_dim = width
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(latent_dim, channels, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, latents: Tensor) -> Tensor:
        """(N, Z) -> (N, C, S, S) in [-1, 1], by a tanh."""
        return self.layers(latents[:, :, None, None])


class Discriminator(nn.Module):
    """Images (N, C, S, S) -> logits (N,), and the 4x4 map (N, F, 4, 4) that they come from as features."""

    def __init__(self, channels: int, size_px: int):
        super().__init__()
        self.features = nn.Sequential(*down_stack(channels, size_px))
        self.logit = nn.Conv2d(widths(size_px)[-1], 1, SMALLEST_MAP_PX, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, S, S) -> logits (N,), and features (N, F, 4, 4), which are after their LeakyReLU."""
        features = self.features(images)
        return self.logit(features).flatten(), features


def init_dcgan(network: nn.Module) -> None:
    """Draw weights as DCGAN does: convolutions and linear layers from N(0, 0.02), BatchNorm's gains from N(1, 0.02),
    biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)
