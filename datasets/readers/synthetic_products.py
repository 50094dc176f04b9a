"""The generated products, and what can be wrong with each: three square ones here, the long one in a file of its own.

A product is drawn from one random generator and its flaw from another: a flawed picture shows what the good one of the
same numbers would, but where it is defective. Severity, from 0 (barely visible) to 1 (glaring), is the contrast of a
defect, or how far a part is off; how large a spot is, chance decides, so that there are small glaring and large faint
ones. Some flaws are logical: all that is seen is sound, but a part is missing, doubled, in a wrong place or another
one. Dust lies on good and bad products alike: a detector has to learn that it is harmless.

Letters: D = the canvas' side.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from datasets.readers.synthetic_blade import blade
from datasets.readers.synthetic_drawing import Bar, Box, Canvas, Colour, Disc, Flaw, Point, noise


@dataclass(frozen=True)
class Resistor:
    """A part of the board."""

    middle: Point
    turn: float
    band: Colour  # its value

    def outline(self) -> Box:
        """A little more than what it covers."""
        return Box(self.middle, 0.19, 0.09, self.turn)

    def draw(self, canvas: Canvas) -> None:
        """Two tinned ends, a black body, a coloured band off its middle."""
        band_at = self.middle[0] + 0.05 * math.cos(self.turn), self.middle[1] + 0.05 * math.sin(self.turn)
        canvas.paint(Box(self.middle, 0.19, 0.082, self.turn), (0.70, 0.69, 0.66))
        canvas.paint(Box(self.middle, 0.135, 0.082, self.turn), (0.13, 0.12, 0.14))
        canvas.paint(Box(band_at, 0.028, 0.082, self.turn), self.band)


def board(side_px: int, rng: np.random.Generator, flaw: Flaw) -> Canvas:
    """A circuit board: a chip on eight pads with tracks, six resistors."""
    canvas = Canvas(side_px, rng, turn=0.05, shift=0.05)
    pads = [(side * 0.52, row) for side in (-1, 1) for row in (-0.36, -0.12, 0.12, 0.36)]
    _bare_board(canvas, pads, rng)
    _chip(canvas, rng)
    resistors = [_resistor(x, y, rng) for x in (-0.56, 0.0, 0.56) for y in (-0.76, 0.76)]
    if flaw.kind == "wrong_part":
        resistors = _wrong_part(canvas, resistors, flaw)
    for resistor in resistors:
        resistor.draw(canvas)

    x, y = pads[flaw.rng.integers(len(pads))]
    if flaw.kind == "bridge":
        end = (x + flaw.rng.uniform(-0.04, 0.04), y + (0.24 if y < 0.3 else -0.24))
        solder = Bar((x, y), end, flaw.rng.uniform(0.05, 0.09))
        canvas.spoil(solder, (0.82, 0.82, 0.80), flaw.between(0.25, 1.0))
    elif flaw.kind == "corrosion":
        place = x + flaw.rng.uniform(-0.05, 0.25) * math.copysign(1, x), y + flaw.rng.uniform(-0.1, 0.1)
        crust = 0.75 + 0.25 * noise(side_px, 20, flaw.rng)
        canvas.spoil(flaw.blob(place, 0.12, 0.30), (0.42, 0.72, 0.66), flaw.between(0.2, 1.0), on=crust)
    return canvas


def _bare_board(canvas: Canvas, pads: list[Point], rng: np.random.Generator) -> None:
    side_px, green = len(canvas.x), rng.uniform(0.9, 1.1)
    cloudy = 1 + 0.14 * noise(side_px, 7, rng) + rng.uniform(0.05, 0.12) * noise(side_px, 100, rng)
    canvas.fill((0.08, 0.33 * green, 0.19), cloudy)
    for x, y in pads:
        tin = rng.uniform(0.55, 0.78)
        canvas.paint(Bar((x * 0.6, y), (x * 1.5, y), 0.025), (0.14, 0.46 * green, 0.27))
        canvas.paint(Disc((x, y), rng.uniform(0.068, 0.08)), (tin, tin * 0.97, tin * 0.9))
        canvas.paint(Box((x * 0.73, y), 0.10, 0.03), (tin, tin, tin))


def _chip(canvas: Canvas, rng: np.random.Generator) -> None:
    x, y = rng.uniform(-0.015, 0.015), rng.uniform(-0.015, 0.015)
    canvas.paint(Box((x, y), 0.30, 0.47, rng.uniform(-0.02, 0.02)), (0.11, 0.11, 0.12))
    canvas.paint(Disc((x - 0.2, y - 0.36), 0.045), (0.32, 0.32, 0.33))
    for row in (-0.1, 0.02):
        canvas.paint(Box((x, y + row), 0.18, 0.022), (0.38, 0.38, 0.38), rng.uniform(0.4, 0.8))


def _resistor(x: float, y: float, rng: np.random.Generator) -> Resistor:
    middle = x + rng.uniform(-0.015, 0.015), y + rng.uniform(-0.015, 0.015)
    grey = rng.uniform(0.6, 0.8)
    return Resistor(middle, rng.uniform(-0.08, 0.08), (grey, grey * 0.97, grey * 0.9))


def _wrong_part(canvas: Canvas, resistors: list[Resistor], flaw: Flaw) -> list[Resistor]:
    """What is mounted where one part is missing, doubled, misplaced, or of another value."""
    index = int(flaw.rng.integers(len(resistors)))
    right = resistors[index]
    (x, y), inward = right.middle, -math.copysign(1, right.middle[1])
    case = flaw.rng.choice(("missing", "doubled", "misplaced", "another"))
    if case == "missing":
        mounted = []
    elif case == "doubled":
        mounted = [right, replace(right, middle=(x, y + 0.19 * inward))]
    elif case == "misplaced":
        away = flaw.between(0.02, 0.12)
        mounted = [replace(right, middle=(x + away, y + away * inward), turn=flaw.between(0.1, 0.7))]
    else:
        redder = flaw.between(0.2, 1.0)
        band = tuple(old + redder * (red - old) for old, red in zip(right.band, (0.75, 0.15, 0.12), strict=True))
        mounted = [replace(right, band=band)]
    for land in (-0.13, 0.13):
        canvas.paint(Box((x + land, y), 0.05, 0.07, right.turn), (0.66, 0.64, 0.58))
    for resistor in (right, *mounted):
        canvas.mark(resistor.outline())
    return [*resistors[:index], *mounted, *resistors[index + 1 :]]


def fabric(side_px: int, rng: np.random.Generator, flaw: Flaw) -> Canvas:
    """A plain weave of ten threads across, at any phase; blue warp, grey weft."""
    canvas = Canvas(side_px, rng, turn=0.04, shift=0)
    column, across = _threads(canvas.x, rng)
    row, down = _threads(canvas.y, rng)
    warp_on_top, tone = (column + row) % 2 == 0, np.ones_like(canvas.x)
    if flaw.kind == "thread":
        _wrong_thread(canvas, row, warp_on_top, tone, flaw)

    warp_tone, weft_tone = rng.normal(1, 0.07, size=(2, 40)).astype(np.float32)
    relief = np.where(warp_on_top, warp_tone[column] * across, weft_tone[row] * down)
    crimp = np.where(warp_on_top, down, across)
    shade = (0.35 + 0.45 * relief + 0.2 * crimp * relief) * tone
    shade *= 1 + 0.04 * noise(side_px, 6, rng) + rng.uniform(0.06, 0.15) * noise(side_px, 100, rng)
    dye = rng.uniform(-0.008, 0.008, size=3).astype(np.float32)
    warp, weft = np.array(((0.22, 0.38, 0.62), (0.60, 0.63, 0.66)), dtype=np.float32) + dye
    for channel, of_warp, of_weft in zip(canvas.colours, warp, weft, strict=True):
        np.multiply(np.where(warp_on_top, of_warp, of_weft), shade, out=channel)

    place = (flaw.rng.uniform(-0.75, 0.75), flaw.rng.uniform(-0.75, 0.75))
    if flaw.kind == "hole":
        hole = flaw.blob(place, 0.12, 0.30)
        bare = (2 * (flaw.between(0.5, 1.7) - relief)).clip(0, 1)  # a thin place first shows between the threads
        canvas.paint(hole, (0.04, 0.04, 0.05), on=bare)
        canvas.mark(hole)
    elif flaw.kind == "stain":
        dirt = ((0.38, 0.24, 0.10), (0.10, 0.10, 0.12), (0.75, 0.72, 0.55))[flaw.rng.integers(3)]
        uneven = 0.8 + 0.2 * noise(side_px, 12, flaw.rng)
        canvas.spoil(flaw.blob(place, 0.15, 0.32), dirt, flaw.between(0.2, 1.0), on=uneven)
    return canvas


def _threads(position: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(D, D) each: the number of the thread that runs there, 14 to 27, and its roundness, 0 at its edges to 1 amid."""
    threads = position * rng.uniform(4.85, 5.15) + rng.uniform(20, 22) + 0.15 * noise(len(position), 4, rng)
    number = np.floor(threads)
    part = threads - number
    return number.astype(np.intp), 4 * part * (1 - part)


def _wrong_thread(canvas: Canvas, row: np.ndarray, warp_on_top: np.ndarray, tone: np.ndarray, flaw: Flaw) -> None:
    """Over some length, one weft thread is missing, is the same as its neighbours, or floats over the warp: changes
    the weave and its tone."""
    number = int(flaw.rng.integers(17, 24))
    half_length = flaw.between(0.1, 0.38)
    middle = flaw.rng.uniform(half_length - 0.9, 0.9 - half_length)
    pick = (row == number) & (abs(canvas.x - middle) < half_length)
    case = flaw.rng.choice(("missing", "doubled", "float"))
    if case == "missing":
        warp_on_top[pick], tone[pick] = True, flaw.between(0.95, 0.35)
    elif case == "doubled":
        warp_on_top[pick] ^= True
    else:
        warp_on_top[pick], tone[pick] = False, flaw.between(1.0, 1.2)
    canvas.defective[pick] = 1


@dataclass(frozen=True)
class Mark:
    """A dot of paint on the washer."""

    distance: float  # from the washer's centre
    angle: float
    radius: float

    def disc(self) -> Disc:
        """Its outline."""
        return Disc(_polar(self.distance, self.angle), self.radius)


def washer(side_px: int, rng: np.random.Generator, flaw: Flaw) -> Canvas:
    """A turned steel ring with a key in its bore and a dot of blue paint, on a dark belt."""
    canvas = Canvas(side_px, rng, turn=0.07, shift=0.05)
    outer, inner = rng.uniform(0.74, 0.76), rng.uniform(0.29, 0.31)
    ring = _steel_ring(canvas, outer, inner, rng)
    middle = (inner + outer) / 2
    marks = [Mark(middle, rng.uniform(0.55, 0.75), rng.uniform(0.08, 0.1))]
    opacity = rng.uniform(0.65, 0.95)
    place = _polar(middle, flaw.rng.uniform(-math.pi, math.pi))
    if flaw.kind == "paint":
        marks = _wrong_paint(canvas, marks[0], place, ring, flaw)
    for mark in marks:
        canvas.paint(mark.disc(), (0.10, 0.22, 0.60), opacity, on=ring)

    if flaw.kind == "rust":
        speckle = (0.6 + 0.8 * noise(side_px, 26, flaw.rng)).clip(0, 1)
        canvas.spoil(flaw.blob(place, 0.12, 0.30), (0.42, 0.22, 0.08), flaw.between(0.3, 1.0), on=ring * speckle)
    elif flaw.kind == "scratch":
        dx, dy = _polar(flaw.rng.uniform(0.12, 0.35), flaw.rng.uniform(0, math.pi))
        ends = (place[0] - dx, place[1] - dy), (place[0] + dx, place[1] + dy)
        scratch, grey = Bar(*ends, flaw.rng.uniform(0.03, 0.05)), flaw.rng.choice((0.95, 0.20))
        pressure = (0.9 + 0.4 * noise(side_px, 18, flaw.rng)).clip(0, 1)
        canvas.spoil(scratch, (grey, grey, grey), flaw.between(0.35, 1.0), on=ring * pressure)
    return canvas


def _steel_ring(canvas: Canvas, outer: float, inner: float, rng: np.random.Generator) -> np.ndarray:
    """Draws the belt, the shadow, the ring with its highlights and grooves. (D, D): how much of each pixel is steel."""
    side_px, x, y = len(canvas.x), canvas.x, canvas.y
    belt = 1 + 0.25 * noise(side_px, 8, rng) + rng.uniform(0.06, 0.15) * noise(side_px, 100, rng)
    shadow = ((np.sqrt((x - 0.05) ** 2 + (y - 0.06) ** 2) - outer + 0.05) * 8).clip(0.35, 1)
    canvas.fill((0.17, 0.18, 0.20), belt * shadow)

    squared = x * x + y * y + 1e-6
    radius = np.sqrt(squared)
    light = rng.uniform(-0.5, 0.5)
    fan = (math.cos(light) * (x * x - y * y) + math.sin(light) * 2 * x * y) / squared  # cos of twice the angle
    grooves = np.interp(radius, np.linspace(0, 1.5, 90), rng.uniform(-0.05, 0.05, size=90)).astype(np.float32)
    rim = (1 - np.minimum(outer - radius, radius - inner) * 20).clip(0, 1) * (x + y) / radius
    grain = 0.05 * noise(side_px, 10, rng) + rng.uniform(0.02, 0.05) * noise(side_px, 100, rng)
    steel = 0.58 + 0.13 * fan + grooves + grain - 0.14 * rim
    key = canvas.cover(Box((0, -inner), 0.07, 0.09).depth(x, y))
    ring = canvas.cover(outer - radius) * canvas.cover(radius - inner) * (1 - key)
    for channel, tint in zip(canvas.colours, (0.97, 1.0, 1.04), strict=True):
        channel += ring * (tint * steel - channel)
    return ring


def _wrong_paint(canvas: Canvas, mark: Mark, place: Point, ring: np.ndarray, flaw: Flaw) -> list[Mark]:
    """The dots on a ring where one is missing, doubled or misplaced, or where paint has splashed."""
    case = flaw.rng.choice(("splash", "missing", "doubled", "misplaced"), p=(0.4, 0.2, 0.2, 0.2))
    if case == "splash":
        canvas.spoil(flaw.blob(place, 0.12, 0.28), (0.20, 0.55, 0.30), flaw.between(0.25, 1.0), on=ring)
        return [mark]
    if case == "missing":
        marks, wrong = [], [mark]
    elif case == "doubled":
        second = replace(mark, angle=mark.angle + flaw.rng.uniform(0.5, 5.5))
        marks, wrong = [mark, second], [second]
    else:
        moved = replace(mark, angle=mark.angle + flaw.between(0.15, 2.5))
        marks, wrong = [moved], [mark, moved]
    for each in wrong:
        canvas.mark(each.disc(), on=ring)
    return marks


def dust(canvas: Canvas, rng: np.random.Generator) -> None:
    """Specks and lint, which no picture is free of: smaller than a defect, but not fainter."""
    for _ in range(rng.poisson(9 * canvas.tall)):
        grey = rng.choice((0.08, 0.9))
        canvas.paint(Disc(_anywhere(canvas, rng), rng.uniform(0.012, 0.035)), (grey, grey, grey), rng.uniform(0.3, 1.0))
    for _ in range(rng.poisson(2 * canvas.tall)):
        start, grey = _anywhere(canvas, rng), rng.uniform(0.6, 0.9)
        dx, dy = _polar(rng.uniform(0.08, 0.2), rng.uniform(0, math.pi))
        end = start[0] + dx, start[1] + dy
        canvas.paint(Bar(start, end, 0.008), (grey, grey, grey), rng.uniform(0.3, 0.8))


def _anywhere(canvas: Canvas, rng: np.random.Generator) -> Point:
    return rng.uniform(-1, 1), canvas.tall * rng.uniform(-1, 1)


def _polar(distance: float, angle: float) -> Point:
    return distance * math.cos(angle), distance * math.sin(angle)


PRODUCTS: dict[str, Callable[[int, np.random.Generator, Flaw], Canvas]] = {
    "blade": blade,
    "board": board,
    "fabric": fabric,
    "washer": washer,
}
