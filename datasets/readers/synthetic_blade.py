"""A saw blade: a part two and a half times as long as wide, of one texture all along, with details in their places.

Its defects are small beside it: what is squeezed into a square loses them. Where a tooth
is missing, nothing is seen that a good blade does not have elsewhere.

Letters: D = the canvas' width, L = its height.
"""

import itertools
import math

import numpy as np

from datasets.readers.synthetic_drawing import Bar, Box, Canvas, Disc, Flaw, Point, noise

TALL = 2.5  # height / width of a picture
_HALF_LENGTH = 2.3  # of the blade
_BACK, _GUMS = -0.58, 0.36  # x of its straight edge, and of where the teeth begin
_TEETH = 18
_PITCH = 2 * _HALF_LENGTH / _TEETH
_LONGEST = 0.26  # of a tooth


def blade(side_px: int, rng: np.random.Generator, flaw: Flaw) -> Canvas:
    """A steel blade with teeth along one edge, three holes and a maker's mark, on a dark belt."""
    canvas = Canvas(side_px, rng, turn=0.02, shift=0.05, tall=TALL)
    teeth = rng.uniform(0.2, 0.24, size=_TEETH)
    if flaw.kind == "tooth":
        _wrong_tooth(canvas, teeth, flaw)
    steel = _steel(canvas, teeth, rng)
    for row in range(4):
        ink = rng.uniform(0.4, 0.7)
        canvas.paint(Box((-0.1, 0.8 + 0.13 * row), 0.24, 0.03), (0.18, 0.22, 0.42), ink)

    place = flaw.rng.uniform(-0.2, 0.3), flaw.rng.uniform(-2.0, 2.0)
    if flaw.kind == "crack":
        opacity = flaw.between(0.3, 1.0)
        for line in _crack(place, flaw):
            canvas.spoil(line, (0.10, 0.09, 0.09), opacity, on=steel)
    elif flaw.kind == "rust":
        speckle = (0.6 + 0.8 * noise(side_px, 26, flaw.rng, TALL)).clip(0, 1)
        canvas.spoil(flaw.blob(place, 0.09, 0.26), (0.42, 0.22, 0.08), flaw.between(0.3, 1.0), on=steel * speckle)
    return canvas


def _steel(canvas: Canvas, teeth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws the belt, the shadow and the blade with its holes, brushed along its length. (L, D): how much of each pixel
    is steel."""
    x, y, side_px = canvas.x, canvas.y, canvas.x.shape[1]
    belt = 1 + 0.25 * noise(side_px, 6, rng, TALL) + rng.uniform(0.06, 0.15) * noise(side_px, 100, rng, TALL)
    shadow = (8 * np.maximum(abs(x - 0.03) - 0.5, abs(y - 0.05) - _HALF_LENGTH)).clip(0.4, 1)
    canvas.fill((0.17, 0.18, 0.20), belt * shadow)

    along = (y + _HALF_LENGTH) / _PITCH
    number = along.astype(np.intp).clip(0, _TEETH - 1)
    edge = _GUMS + teeth.astype(np.float32)[number] * (1 - abs(2 * (along - number) - 1)).clip(0, 1)
    brushed = np.interp(x, np.linspace(-1, 1, 60), rng.uniform(-0.06, 0.06, size=60)).astype(np.float32)
    clouds = 0.05 * noise(side_px, 3, rng, TALL) + rng.uniform(0.02, 0.05) * noise(side_px, 100, rng, TALL)
    bevel = 0.12 * canvas.cover(x - _GUMS)
    shade = rng.uniform(0.52, 0.6) + brushed + clouds + bevel + rng.uniform(-0.03, 0.03) * y
    steel = canvas.cover(np.minimum(np.minimum(x - _BACK, (edge - x) / 2), _HALF_LENGTH - abs(y)))
    for hole_y in (-2.0, 0.0, 2.0):
        steel *= 1 - canvas.cover(Disc((-0.4, hole_y), rng.uniform(0.1, 0.11)).depth(x, y))
    for channel, tint in zip(canvas.colours, (1.0, 1.0, 1.03), strict=True):
        channel += steel * (tint * shade - channel)
    return steel


def _wrong_tooth(canvas: Canvas, teeth: np.ndarray, flaw: Flaw) -> None:
    """One tooth is missing or worn: changes its length."""
    number = int(flaw.rng.integers(1, _TEETH - 1))
    teeth[number] *= flaw.rng.choice((0.0, 1 - flaw.between(0.3, 0.9)))
    middle = _GUMS + _LONGEST / 2 - 0.02, (number + 0.5) * _PITCH - _HALF_LENGTH
    canvas.mark(Box(middle, _LONGEST / 2 + 0.04, _PITCH / 2))


def _crack(start: Point, flaw: Flaw) -> list[Bar]:
    """A jagged line from a place, in any direction."""
    corners, angle = [start], flaw.rng.uniform(0, 2 * math.pi)
    for _ in range(flaw.rng.integers(2, 5)):
        step = flaw.rng.uniform(0.08, 0.18)
        (x, y), angle = corners[-1], angle + flaw.rng.uniform(-0.8, 0.8)
        corners.append((x + step * math.cos(angle), y + step * math.sin(angle)))
    half_width = flaw.rng.uniform(0.018, 0.035)
    return [Bar(*ends, half_width) for ends in itertools.pairwise(corners)]
