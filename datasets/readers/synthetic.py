"""The embedded default: generated pictures of three products, with defects and their masks. Needs no files.

A picture is a function of its description ("washer/test/rust/083.png") and the size asked for: description -> sha256 ->
random numbers -> product -> defect -> lighting -> sensor noise, drawn at twice the size and averaged. Everything is
measured in halves of the picture's side, so one picture shows the same scene at every size.

The normal pictures vary much (pose, lighting, tint, phase of the texture) and the defects are small, so that the
distance to the mean image tells little; the defects differ in colour from all that the product shows, so that a model
of the normal product in any pose finds them.

Letters: S = size_px, D = 2 S the side while drawing. Coordinates x (right) and y (down) run from -1 to 1.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.picture import Picture
from datasets.sample import DataError, Sample
from datasets.tree import require_category

TRAIN_IMAGES = 120
TEST_GOOD_IMAGES = 40
TEST_DEFECT_IMAGES = 14  # of each kind
_VERSION = 1  # part of every content hash: raise it when the same description shows another picture
_OVERSAMPLING = 2

Drawing = tuple[np.ndarray, np.ndarray]  # colours (D, D, 3) float32 in [0, 1], defect (D, D) float32 coverage
DEFECTS: dict[str, tuple[str, ...]] = {
    "board": ("bridge", "corrosion", "wrong_part"),
    "fabric": ("hole", "stain", "thread"),
    "washer": ("paint", "rust", "scratch"),
}
CATEGORIES: tuple[str, ...] = tuple(DEFECTS)


def find_categories(root: str | Path | None = None) -> list[str]:
    """The three products, whatever the root: there are no files."""
    return list(CATEGORIES)


def scan(root: str | Path | None, category: str) -> list[Sample]:
    """The samples of one category, sorted by path; the paths are those that `write_files` writes. Raises DataError for
    a category that does not exist."""
    require_category("synthetic", Path(), category, list(CATEGORIES))
    counts = [("train", "good", TRAIN_IMAGES), ("test", "good", TEST_GOOD_IMAGES)]
    counts += [("test", defect, TEST_DEFECT_IMAGES) for defect in DEFECTS[category]]
    samples = []
    for part, defect, images in counts:
        for index in range(images):
            path = f"{category}/{part}/{defect}/{index:03}.png"
            normal = defect == "good"
            mask = None if normal else f"{category}/ground_truth/{defect}/{index:03}_mask.png"
            samples.append(Sample(path, int(not normal), defect, part, group=path, mask=mask, size_bytes=0))
    return sorted(samples, key=lambda sample: sample.path)


def read(root: str | Path | None, sample: Sample, size_px: int, fit: str) -> Picture:
    """Draws a sample: (S, S, 3) uint8, and an (S, S) bool mask where it is defective. Its hashes are those of its
    description: they do not depend on the size, nor on the processor."""
    pixels, mask = draw(sample.path, size_px)
    content = hashlib.sha256(f"synthetic {_VERSION}: {sample.path}".encode()).hexdigest()
    return Picture(pixels, mask if sample.label else None, content=content, pixel_hash=content)


def write_files(root: str | Path, size_px: int) -> int:
    """Writes all pictures and masks as a tree of PNG files in MVTec AD's layout; returns the number of pictures. Raises
    DataError where a file cannot be written."""
    home = Path(root).expanduser()
    written = 0
    for category in CATEGORIES:
        for sample in scan(None, category):
            pixels, mask = draw(sample.path, size_px)
            try:
                _save(home / sample.path, pixels)
                if sample.mask is not None:
                    _save(home / sample.mask, mask.astype(np.uint8) * 255)
            except OSError as error:
                reason = f"cannot write {error.filename}: {error.strerror}"
                raise DataError(f"{reason}; expected a folder to write to; choose another --data-root") from None
            written += 1
    return written


def draw(description: str, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """(S, S, 3) uint8 picture and (S, S) bool mask of "CATEGORY/part/defect/index"; all False where it is good."""
    category, _, defect, _ = description.split("/")
    digest = hashlib.sha256(f"synthetic {_VERSION}: {description}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
    steps = ((np.arange(_OVERSAMPLING * size_px, dtype=np.float32) + 0.5) / (_OVERSAMPLING * size_px)) * 2 - 1
    y, x = np.meshgrid(steps, steps, indexing="ij")

    colours, coverage = _PRODUCTS[category](x, y, rng, defect)
    picture = _shrink(_light(colours, x, y, rng))
    picture += rng.normal(0, 0.01, size=picture.shape).astype(np.float32)
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8), _shrink(coverage) >= 0.25


def _board(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, defect: str) -> Drawing:
    """A circuit board: a chip, eight pads with tracks, four resistors; turned and shifted."""
    x, y = _pose(x, y, rng, turn=0.35, shift=0.12)
    across, down = abs(x), abs(y)  # the layout is symmetric: one quarter of it is drawn
    colours = _paint(_fill(x, (0.10, 0.38, 0.22)), _bar(across, down, 0.3, 0.12, 0.73, 0.12, 0.03), (0.16, 0.50, 0.30))
    colours = _paint(colours, _bar(across, down, 0.3, 0.36, 0.73, 0.36, 0.03), (0.16, 0.50, 0.30))
    pads = np.maximum(_disc(across, down, 0.52, 0.12, 0.085), _disc(across, down, 0.52, 0.36, 0.085))
    colours = _paint(colours, pads, (0.80, 0.66, 0.30))
    colours = _paint(colours, _box(x, y, 0, 0, 0.32, 0.46), (0.10, 0.10, 0.12))
    colours = _paint(colours, _disc(x, y, -0.2, -0.34, 0.05), (0.45, 0.45, 0.47))
    colours = _paint(colours, _box(across, down, 0.35, 0.72, 0.20, 0.09), (0.20, 0.18, 0.20))
    colours = _paint(colours, _box(across, down, 0.35, 0.72, 0.05, 0.09), (0.75, 0.15, 0.12))
    side, row = rng.choice((-1, 1)), rng.choice((-1, 1))
    coverage = np.zeros_like(x)
    if defect == "bridge":
        coverage = _bar(x, y, side * 0.52, row * 0.12, side * rng.uniform(0.48, 0.56), row * 0.36, 0.055)
        colours = _paint(colours, coverage, (0.92, 0.93, 0.96))
    elif defect == "corrosion":
        middle = side * rng.uniform(0.45, 0.6), row * rng.uniform(0.1, 0.4)
        coverage = _blob(x, y, *middle, rng.uniform(0.10, 0.14), rng)
        colours = _paint(colours, coverage, (0.35, 0.80, 0.85))
    elif defect == "wrong_part":
        coverage = _box(x, y, side * 0.35, row * 0.72, 0.20, 0.09)
        colours = _paint(colours, coverage, (0.20, 0.35, 0.90))
    return colours, coverage


def _fabric(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, defect: str) -> Drawing:
    """A plain weave of ten threads across, turned a little, at any phase; blue to teal."""
    turned_x, turned_y = _pose(x, y, rng, turn=0.15, shift=0.2)
    phase_x, phase_y = turned_x * 5 * np.pi, turned_y * 5 * np.pi
    over = np.sin(phase_x) * np.sin(phase_y) > 0  # where the upright thread lies on top
    relief = np.where(over, abs(np.sin(phase_x)), abs(np.sin(phase_y)))
    dye = np.array((0.20, 0.42, 0.62), dtype=np.float32) + rng.uniform(-0.06, 0.06, size=3).astype(np.float32)
    colours = (dye * (0.55 + 0.45 * relief)[:, :, None]).astype(np.float32)
    centre = rng.uniform(-0.7, 0.7, size=2)
    coverage = np.zeros_like(x)
    if defect == "hole":
        coverage = _blob(x, y, *centre, rng.uniform(0.09, 0.14), rng)
        colours = _paint(colours, coverage, (0.02, 0.01, 0.01))
    elif defect == "stain":
        coverage = _blob(x, y, *centre, rng.uniform(0.12, 0.18), rng)
        colours = _paint(colours, 0.85 * coverage, (0.50, 0.26, 0.06))
    elif defect == "thread":
        angle, length = rng.uniform(0, np.pi), rng.uniform(0.35, 0.55)
        reach = np.array((np.cos(angle), np.sin(angle))) * length / 2
        coverage = _bar(x, y, *(centre - reach), *(centre + reach), 0.035)
        colours = _paint(colours, coverage, (0.93, 0.88, 0.80))
    return colours, coverage


def _washer(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, defect: str) -> Drawing:
    """A plated steel ring on a dark belt, turned on a lathe; its highlights stand at any angle."""
    colours = _fill(x, (0.16, 0.17, 0.20))
    x, y = _pose(x, y, rng, turn=np.pi, shift=0.08)
    outer, inner = rng.uniform(0.70, 0.76), rng.uniform(0.28, 0.32)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    shine = 0.56 + 0.16 * np.cos(2 * angle) + 0.02 * np.sin(radius * 30)
    ring = _edge(x, outer - radius) * _edge(x, radius - inner)
    steel = shine[:, :, None] * np.array((0.97, 1.0, 1.05), dtype=np.float32)
    colours = colours + ring[:, :, None] * (steel - colours)
    along = rng.uniform(-np.pi, np.pi)
    middle = (inner + outer) / 2
    coverage = np.zeros_like(x)
    if defect == "paint":
        coverage = ring * _blob(x, y, outer * np.cos(along), outer * np.sin(along), rng.uniform(0.18, 0.24), rng)
        colours = _paint(colours, coverage, (0.05, 0.70, 0.25))
    elif defect == "rust":
        coverage = ring * _blob(x, y, middle * np.cos(along), middle * np.sin(along), rng.uniform(0.11, 0.16), rng)
        colours = _paint(colours, coverage, (0.60, 0.22, 0.04))
    elif defect == "scratch":
        tilt = along + rng.uniform(-0.5, 0.5)
        ends = inner * np.cos(along), inner * np.sin(along), outer * np.cos(tilt), outer * np.sin(tilt)
        coverage = ring * _bar(x, y, *ends, 0.04)
        colours = _paint(colours, coverage, (0.90, 0.40, 0.12))
    return colours, coverage


_PRODUCTS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator, str], Drawing]] = {
    "board": _board,
    "fabric": _fabric,
    "washer": _washer,
}


def _pose(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, turn: float, shift: float) -> tuple[np.ndarray, ...]:
    """The product's own coordinates: turned by up to `turn` radians and moved by up to `shift`."""
    angle, (dx, dy) = np.float32(rng.uniform(-turn, turn)), rng.uniform(-shift, shift, size=2).astype(np.float32)
    x, y = x - dx, y - dy
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _light(colours: np.ndarray, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, a tint, and a slope of brightness across the picture."""
    angle = rng.uniform(-np.pi, np.pi)
    slope = rng.uniform(0, 0.25) * (np.cos(angle) * x + np.sin(angle) * y)
    gain = rng.uniform(0.6, 1.2) * rng.uniform(0.97, 1.03, size=3)
    return (colours * (1 + slope)[:, :, None] * gain).astype(np.float32)


def _fill(like: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    return np.broadcast_to(np.array(colour, dtype=np.float32), (*like.shape, 3))


def _paint(colours: np.ndarray, coverage: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    return colours + coverage[:, :, None] * (np.array(colour, dtype=np.float32) - colours)


def _edge(like: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Coverage in [0, 1] from the signed distance to an outline (positive inside), soft over one drawn pixel."""
    return (inside * (like.shape[0] / 2) + 0.5).clip(0, 1).astype(np.float32)


def _disc(x: np.ndarray, y: np.ndarray, centre_x: float, centre_y: float, radius: float) -> np.ndarray:
    return _edge(x, radius - np.hypot(x - centre_x, y - centre_y))


def _box(x: np.ndarray, y: np.ndarray, centre_x: float, centre_y: float, half_x: float, half_y: float) -> np.ndarray:
    return _edge(x, np.minimum(half_x - abs(x - centre_x), half_y - abs(y - centre_y)))


def _bar(
    x: np.ndarray, y: np.ndarray, from_x: float, from_y: float, to_x: float, to_y: float, half_width: float
) -> np.ndarray:
    """A line from one point to another, with round ends."""
    dx, dy = to_x - from_x, to_y - from_y
    along = (((x - from_x) * dx + (y - from_y) * dy) / (dx * dx + dy * dy)).clip(0, 1)
    return _edge(x, half_width - np.hypot(x - from_x - along * dx, y - from_y - along * dy))


def _blob(
    x: np.ndarray, y: np.ndarray, centre_x: float, centre_y: float, radius: float, rng: np.random.Generator
) -> np.ndarray:
    """An irregular disc."""
    angle = np.arctan2(y - centre_y, x - centre_x)
    wave = 0.15 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(5 * angle + rng.uniform(0, 6))
    return _edge(x, radius * (1 + wave) - np.hypot(x - centre_x, y - centre_y))


def _shrink(drawn: np.ndarray) -> np.ndarray:
    """(D, D, ...) -> (S, S, ...) by averaging."""
    size = drawn.shape[0] // _OVERSAMPLING
    return drawn.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, *drawn.shape[2:]).mean(axis=(1, 3), dtype=np.float32)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
