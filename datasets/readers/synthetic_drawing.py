"""What the generated products are drawn with: a canvas that a product lies on, shapes, flaws, and smooth noise.

Everything is measured in halves of the picture's width: over a product that lies straight, coordinates x (right) run
from -1 to 1, and y (down) too where the picture is square; most lie a little turned and shifted. Letters: D = the
canvas' width in pixels, L = its height.
"""

import math
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]  # red, green, blue in [0, 1]
Point = tuple[float, float]


@dataclass(frozen=True)
class Disc:
    """A round spot."""

    middle: Point
    radius: float

    @property
    def reach(self) -> float:
        """How far from its middle it goes."""
        return self.radius

    def depth(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Signed distance of points to the outline, positive inside."""
        return self.radius - _length(x - self.middle[0], y - self.middle[1])


@dataclass(frozen=True)
class Box:
    """A rectangle, turned by `turn` radians."""

    middle: Point
    half_x: float
    half_y: float
    turn: float = 0.0

    @property
    def reach(self) -> float:
        """How far from its middle it goes."""
        return math.hypot(self.half_x, self.half_y)

    def depth(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Signed distance of points to the nearest side, positive inside."""
        x, y = _turned(x - self.middle[0], y - self.middle[1], self.turn)
        return np.minimum(self.half_x - abs(x), self.half_y - abs(y))


@dataclass(frozen=True)
class Bar:
    """A line from one point to another, with round ends."""

    start: Point
    end: Point
    half_width: float

    @property
    def middle(self) -> Point:
        """Half way."""
        return (self.start[0] + self.end[0]) / 2, (self.start[1] + self.end[1]) / 2

    @property
    def reach(self) -> float:
        """How far from its middle it goes."""
        return math.dist(self.start, self.end) / 2 + self.half_width

    def depth(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Signed distance of points to the outline, positive inside."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        x, y = x - self.start[0], y - self.start[1]
        along = ((x * dx + y * dy) / (dx * dx + dy * dy)).clip(0, 1)
        return self.half_width - _length(x - along * dx, y - along * dy)


@dataclass(frozen=True)
class Blob:
    """An irregular spot: a disc whose outline waves three and five times around it."""

    middle: Point
    radius: float
    phases: Point  # of the waves, in radians

    @property
    def reach(self) -> float:
        """How far from its middle it goes, where both waves are highest."""
        return self.radius * 1.25

    def depth(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How far inside the outline points lie on their way to the middle, negative outside."""
        x, y = x - self.middle[0], y - self.middle[1]
        angle = np.arctan2(y, x)
        wave = 0.15 * np.sin(3 * angle + self.phases[0]) + 0.1 * np.sin(5 * angle + self.phases[1])
        return self.radius * (1 + wave) - _length(x, y)


Shape = Disc | Box | Bar | Blob


class Canvas:
    """A product's colours, and how much of each pixel is defective, while it is drawn."""

    x: np.ndarray  # (L, D) float32: the product's coordinates
    y: np.ndarray  # (L, D) float32
    colours: np.ndarray  # (3, L, D) float32, in [0, 1] but for highlights
    defective: np.ndarray  # (L, D) float32 coverage in [0, 1]

    def __init__(self, side_px: int, rng: np.random.Generator, turn: float, shift: float, tall: float = 1.0):
        """Black and sound, `side_px` wide and `tall` times as high. The product is turned by up to `turn` radians and
        moved by up to `shift`."""
        self.tall = tall
        self._half_px = side_px / 2
        self._turn = rng.uniform(-turn, turn)
        self._shift = rng.uniform(-shift, shift), rng.uniform(-shift, shift)
        columns, rows = (
            (np.arange(pixels, dtype=np.float32) + 0.5) * (2 / side_px) - reach
            for pixels, reach in ((side_px, 1), (round(tall * side_px), tall))
        )
        self.x, self.y = _turned(columns[None, :] - self._shift[0], rows[:, None] - self._shift[1], self._turn)
        self.colours = np.zeros((3, *self.x.shape), dtype=np.float32)
        self.defective = np.zeros(self.x.shape, dtype=np.float32)

    def cover(self, depth: np.ndarray) -> np.ndarray:
        """Coverage in [0, 1] from the signed distance to an outline, soft over one drawn pixel."""
        return (depth * self._half_px + 0.5).clip(0, 1)

    def fill(self, colour: Colour, shade: np.ndarray) -> None:
        """Paints all of it in one colour times a shade (L, D)."""
        self.colours[:] = _column(colour) * shade

    def paint(self, shape: Shape, colour: Colour, opacity: float = 1.0, on: np.ndarray | None = None) -> None:
        """Lays a colour over a shape; only as far as `on` (L, D), a coverage, says."""
        where = self._window(shape)
        region = self.colours[:, *where]
        region += opacity * self._coverage(shape, where, on) * (_column(colour) - region)

    def mark(self, shape: Shape, on: np.ndarray | None = None) -> None:
        """Declares a shape defective, as far as it lies `on`."""
        where = self._window(shape)
        np.maximum(self.defective[where], self._coverage(shape, where, on), out=self.defective[where])

    def spoil(self, shape: Shape, colour: Colour, opacity: float, on: np.ndarray | None = None) -> None:
        """Paints a defect. All that it covers is defective, however faint it is."""
        self.paint(shape, colour, opacity, on)
        self.mark(shape, on)

    def _coverage(self, shape: Shape, where: tuple[slice, slice], on: np.ndarray | None) -> np.ndarray:
        coverage = self.cover(shape.depth(self.x[where], self.y[where]))
        return coverage if on is None else coverage * on[where]

    def _window(self, shape: Shape) -> tuple[slice, slice]:
        """Rows and columns that hold a shape: the rest of the canvas is not looked at."""
        x, y = _turned(*shape.middle, -self._turn)
        row, column = (y + self._shift[1] + self.tall) * self._half_px, (x + self._shift[0] + 1) * self._half_px
        margin = shape.reach * self._half_px + 1
        return tuple(slice(max(0, int(at - margin)), max(0, int(at + margin) + 1)) for at in (row, column))


@dataclass(frozen=True)
class Flaw:
    """What is wrong with one picture."""

    kind: str  # "good": nothing
    severity: float  # in [0, 1]
    rng: np.random.Generator

    def between(self, faint: float, glaring: float) -> float:
        """A measure that grows with the severity; most lie near one end or the other."""
        return faint + (glaring - faint) * self.severity**2 * (3 - 2 * self.severity)

    def blob(self, middle: Point, smallest: float, largest: float) -> Blob:
        """A spot of any size between two."""
        phases = self.rng.uniform(0, 2 * math.pi), self.rng.uniform(0, 2 * math.pi)
        return Blob(middle, self.rng.uniform(smallest, largest), phases)


def noise(side_px: int, cells: int, rng: np.random.Generator, tall: float = 1.0) -> np.ndarray:
    """(L, D) float32 in [-1, 1], L = `tall` times D: random heights on a grid of `cells` squares across, and smooth
    between them. The same landscape at every size."""
    heights = rng.random((math.ceil(tall * cells) + 1, cells + 1), dtype=np.float32) * 2 - 1
    column, right = _between_cells(side_px, cells / side_px)
    row, below = _between_cells(round(tall * side_px), cells / side_px)
    columns = heights[:, column] + right * (heights[:, column + 1] - heights[:, column])
    return columns[row] + below[:, None] * (columns[row + 1] - columns[row])


def _between_cells(pixels: int, cells_per_px: float) -> tuple[np.ndarray, np.ndarray]:
    """(pixels,) each: the cell that a pixel lies in, and how much its far side counts there."""
    at = (np.arange(pixels, dtype=np.float32) + 0.5) * cells_per_px
    cell = at.astype(np.intp)
    part = at - cell.astype(np.float32)
    return cell, part * (part * (3 - 2 * part))


def _turned(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def _length(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y)


def _column(colour: Colour) -> np.ndarray:
    return np.array(colour, dtype=np.float32)[:, None, None]
