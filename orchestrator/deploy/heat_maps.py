"""What an engineer looks at: a picture beside itself under its heat map, at the picture's own geometry. Pure.

The colours of all pictures of a detector mean the same: the scale's ends come from its checkpoint.

Letters: H, W a picture's native height and width; h, w a panel's; R, C those of the detector's frame.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from orchestrator.training.checkpoint import Config

LEAST_PX, MOST_PX = 256, 512  # of a panel's longer side
LEAST_WIDTH_PX = 400  # of the whole: the words must fit
GAP_PX, STRIP_PX, TEXT_PX = 8, 26, 14
COLOURS = matplotlib.colormaps["turbo"]
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
OPACITIES = 0.25, 0.8  # of the colours at both ends of the scale: what is cold lets the picture through
HOT = 0.5  # of the scale: what is above is outlined
PAPER, INK, ALARM, OUTLINE = (255, 255, 255), (40, 40, 40), (179, 0, 27), (255, 255, 255)


@dataclass(frozen=True)
class Panel:
    """A picture, scaled for its heat map."""

    pixels: np.ndarray  # (h, w, 3) uint8
    native: tuple[int, int]  # (H, W)


def panel(pixels: np.ndarray) -> Panel:
    """(H, W, 3) uint8 -> the same at the size of a panel."""
    height, width = pixels.shape[:2]
    scale = min(max(height, width, LEAST_PX), MOST_PX) / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Panel(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)), (height, width))


def draw(shown: Panel, heat: np.ndarray, config: Config, score: float) -> bytes:
    """`drawing` as a PNG file."""
    buffer = io.BytesIO()
    drawing(shown, heat, config, score).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def drawing(shown: Panel, heat: np.ndarray, config: Config, score: float) -> Image.Image:
    """Verdict and scores, the picture, the same in grey under its map `heat` (R, C), the scale of colours.

    What is hotter than half of the scale is outlined.
    """
    share = _on_scale(shown, heat, config)  # (h, w) in [0, 1]
    grey = np.asarray(Image.fromarray(shown.pixels).convert("L"))[:, :, None]
    opacity = np.interp(share, (0, 1), OPACITIES)[:, :, None]
    laid_over = np.rint((1 - opacity) * grey + opacity * 255 * COLOURS(share)[:, :, :3]).astype(np.uint8)
    hot = share > HOT
    laid_over[hot & ~ndimage.binary_erosion(hot, iterations=2, border_value=1)] = OUTLINE
    height, width = shown.pixels.shape[:2]
    whole = Image.new("RGB", (max(2 * width + GAP_PX, LEAST_WIDTH_PX), height + 2 * STRIP_PX), PAPER)
    whole.paste(Image.fromarray(shown.pixels), (0, STRIP_PX))
    whole.paste(Image.fromarray(laid_over), (width + GAP_PX, STRIP_PX))
    _words(ImageDraw.Draw(whole), score, config)
    _legend(whole, config)
    return whole


def _on_scale(shown: Panel, heat: np.ndarray, config: Config) -> np.ndarray:
    """The part of a map that is picture, at its panel's size; 0 is the low end of the scale, 1 the high end."""
    values = config.frame.out_of(heat, shown.native, shown.pixels.shape[:2])
    span = config.map_high - config.map_low
    return np.clip((values - config.map_low) / span, 0, 1) if span > 0 else np.zeros_like(values)


def _words(canvas: ImageDraw.ImageDraw, score: float, config: Config) -> None:
    is_defective = score >= config.threshold
    verdict = "DEFECTIVE" if is_defective else "good"
    text = f"{verdict}   score {score:.4g}, threshold {config.threshold:.4g}"
    canvas.text((4, 4), text, fill=ALARM if is_defective else INK, font=ImageFont.truetype(FONT, TEXT_PX))


def _legend(whole: Image.Image, config: Config) -> None:
    """The scale of colours at the bottom, with the values of its ends."""
    canvas, font = ImageDraw.Draw(whole), ImageFont.truetype(FONT, TEXT_PX)
    low, high = f"heat {config.map_low:.3g}", f"{config.map_high:.3g} and more"
    top, left = whole.height - STRIP_PX + 4, 12 + round(canvas.textlength(low, font))
    bar = (255 * COLOURS(np.linspace(0, 1, 120))[:, :3]).astype(np.uint8)
    whole.paste(Image.fromarray(np.repeat(bar[None], STRIP_PX - 10, axis=0)), (left, top + 1))
    canvas.text((4, top), low, fill=INK, font=font)
    canvas.text((left + 128, top), high, fill=INK, font=font)
