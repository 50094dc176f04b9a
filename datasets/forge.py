"""Anomalies made from normal images, for choosing and training without a labelled defect.

Each image gets one anomaly of a kind drawn at random: region -> texture -> blended into the region.

- CutPaste: a rectangle of the image pasted elsewhere, its brightness shifted (Li et al., CVPR 2021, section 2.1);
- CutPaste-scar: a long thin rectangle, rotated (ibid., section 2.2);
- Perlin patches: thresholded Perlin noise filled with another image of the batch or with noise (after DRAEM, Zavrtanik
  et al., ICCV 2021, section 3.2, whose texture images from outside we do without).

Letters: N images, H, W height and width, C channels.
"""

import numpy as np

_TRIES = 20
_LEAST_STRUCTURE = 16  # levels of 255 between the darkest and the lightest pixel of what is no plain background
_LEAST_CHANGE = 20  # levels of 255 by which a forged region differs from the original, on average


def forge_defects(pixels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Forges one anomaly in each of the normal images `pixels`, uint8 (N, H, W, C), which stay as they are. Returns the
    forged images, uint8 (N, H, W, C), and masks, bool (N, H, W), never empty, outside of which nothing changed.

    Equal pixels and an equal `seed` (>= 0) give equal anomalies.
    """
    forged = pixels.copy()
    masks = np.zeros(pixels.shape[:3], dtype=bool)
    for index, image in enumerate(pixels):
        rng = np.random.Generator(np.random.PCG64([seed, index]))
        mask, texture = _region_and_texture(rng, pixels, index)
        if (image == image[:, :, :1]).all():
            texture = np.broadcast_to(texture.mean(axis=2, keepdims=True), image.shape)  # grey stays grey
        opacity = rng.uniform(0.5, 1.0)
        blend = np.rint((1 - opacity) * image[mask] + opacity * texture[mask]).clip(0, 255).astype(np.uint8)  # (M, C)
        forged[index][mask] = _visible(image[mask], blend)
        masks[index] = mask
    return forged, masks


def _region_and_texture(rng: np.random.Generator, pixels: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) bool and (H, W, C): drawn again while the region lies on plain background, such as a letterbox's bar."""
    image = pixels[index]
    for _ in range(_TRIES):
        kind = rng.integers(3)
        if kind == 0:
            mask, texture = _rectangle(rng, image.shape), _moved(rng, image)
        elif kind == 1:
            mask, texture = _scar(rng, image.shape), _moved(rng, image)
        else:
            mask, texture = _perlin_patches(rng, image.shape), _foreign(rng, pixels, index)
        if np.ptp(image[mask], axis=0).max() >= _LEAST_STRUCTURE:
            break
    return mask, texture


def _rectangle(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: an upright rectangle of 1 to 10 % of the image, side ratio up to 1:3, wholly inside."""
    height, width = shape[:2]
    area = rng.uniform(0.01, 0.10) * height * width
    ratio = np.exp(rng.uniform(-np.log(3), np.log(3)))
    tall = int(np.clip(round(np.sqrt(area * ratio)), 1, height))
    wide = int(np.clip(round(np.sqrt(area / ratio)), 1, width))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    mask = np.zeros((height, width), dtype=bool)
    mask[top : top + tall, left : left + wide] = True
    return mask


def _scar(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: a rectangle of 10-30 % by 1.5-5 % of the shorter side at any angle, its centre inside the image."""
    height, width = shape[:2]
    side = min(height, width)
    half_length, half_width = rng.uniform(0.05, 0.15) * side, max(0.75, rng.uniform(0.0075, 0.025) * side)
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[:height, :width]
    y, x = y - rng.integers(height), x - rng.integers(width)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (abs(along) <= half_length) & (abs(across) <= half_width)


def _perlin_patches(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: the highest 1 to 6 % of a Perlin noise, a few connected patches."""
    noise = _perlin(rng, shape[0], shape[1], cells=int(2 ** rng.integers(1, 4)))
    return noise >= np.quantile(noise, 1 - rng.uniform(0.01, 0.06))


def _perlin(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """(H, W) gradient noise with `cells` x `cells` lattice cells (Perlin 1985, with his fade of 2002)."""
    angles = rng.uniform(0, 2 * np.pi, size=(cells + 1, cells + 1))
    y, x = (np.arange(height) + 0.5) * cells / height, (np.arange(width) + 0.5) * cells / width
    row, column = np.floor(y).astype(int)[:, None], np.floor(x).astype(int)[None, :]
    dy, dx = y[:, None] - row, x[None, :] - column

    def slope(down: int, right: int) -> np.ndarray:
        angle = angles[row + down, column + right]
        return np.cos(angle) * (dx - right) + np.sin(angle) * (dy - down)

    fade_y, fade_x = (t**3 * (t * (6 * t - 15) + 10) for t in (dy, dx))
    top = slope(0, 0) + fade_x * (slope(0, 1) - slope(0, 0))
    bottom = slope(1, 0) + fade_x * (slope(1, 1) - slope(1, 0))
    return top + fade_y * (bottom - top)


def _moved(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """(H, W, C): the image shifted (around its borders) by at least a tenth of it, each channel's level shifted."""
    height, width = image.shape[:2]
    shift = [int(rng.uniform(0.1, 0.9) * side) for side in (height, width)]
    jitter = rng.choice((-1, 1)) * rng.uniform(15, 60) + rng.uniform(-15, 15, size=image.shape[2])
    return np.roll(image, shift, axis=(0, 1)) + jitter


def _foreign(rng: np.random.Generator, pixels: np.ndarray, index: int) -> np.ndarray:
    """(H, W, C): another image of the batch, mirrored and turned upside down, or (always for a batch of one) noise."""
    other = (index + rng.integers(1, max(2, len(pixels)))) % len(pixels)
    if other != index and rng.random() < 0.5:
        return pixels[other][::-1, ::-1].astype(np.float64)
    colour = rng.uniform(0, 255, size=pixels.shape[3])
    return colour + rng.normal(0, 30, size=pixels.shape[1:])


def _visible(original: np.ndarray, blend: np.ndarray) -> np.ndarray:
    """(M, C): the blend, or, where it hardly differs (flat pasted on flat), the original made lighter or darker."""
    if abs(blend.astype(int) - original).max(axis=1).mean() >= _LEAST_CHANGE:
        return blend
    return original + np.where(original < 128, 2 * _LEAST_CHANGE, -2 * _LEAST_CHANGE).astype(np.uint8)  # modulo 256
