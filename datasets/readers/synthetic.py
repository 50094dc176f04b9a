"""The embedded default: generated pictures of three products, with defects and their masks. Needs no files.

A picture is a function of its description ("washer/test/rust/083.png") and the size asked for: description -> sha256 ->
random numbers -> product and flaw -> dust -> lighting -> sensor noise, drawn at twice the size and averaged. Everything
is measured in halves of the picture's width, so one picture shows the same scene at every size.

The products are as real ones are: parts lie a little shifted and turned, batches differ in colour and texture, the lamp
drifts, dust lies everywhere, and the defects go from glaring to faint. So no number of the whole picture tells good
from bad, the distance to the mean image tells little, and a model of each place's colours and edges takes the worst
speck for a defect.

Letters: S = size_px, the width; H the height, S but for long parts; D = 2 S and L = 2 H while drawing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from datasets import masks
from datasets.frame import Frame
from datasets.picture import Picture, fit_image
from datasets.readers.synthetic_products import PRODUCTS, Flaw, dust
from datasets.sample import DataError, Sample
from datasets.tree import require_category

TRAIN_IMAGES = 120
TEST_GOOD_IMAGES = 40
TEST_DEFECT_IMAGES = 14  # of each kind
_VERSION = 5  # part of every content hash: raise it when the same description shows another picture
_OVERSAMPLING = 2
_EVENLY = 2**0.5, 5**0.5  # multiples of an irrational, modulo 1, fill [0, 1) evenly

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
    return list_samples(category, DEFECTS[category])


def list_samples(category: str, defects: Sequence[str]) -> list[Sample]:
    """The samples of a category with those kinds of defects, sorted by path."""
    parts = [("train", "good", TRAIN_IMAGES), ("test", "good", TEST_GOOD_IMAGES)]
    parts += [("test", defect, TEST_DEFECT_IMAGES) for defect in defects]
    samples = []
    for part, defect, images in parts:
        for index in range(images):
            path = f"{category}/{part}/{defect}/{index:03}.png"
            normal = defect == "good"
            found = () if normal else (f"{category}/ground_truth/{defect}/{index:03}_mask.png",)
            samples.append(Sample(path, int(not normal), defect, part, group=path, masks=found, size_bytes=0))
    return sorted(samples, key=lambda sample: sample.path)


def counts(defects: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    """Normal and defective pictures of each category, from its kinds of defects."""
    good = TRAIN_IMAGES + TEST_GOOD_IMAGES
    return {category: (good, TEST_DEFECT_IMAGES * len(kinds)) for category, kinds in defects.items()}


def read(root: str | Path | None, sample: Sample, frame: Frame) -> Picture:
    """Draws a sample, S the frame's shorter side, and a mask where it is defective. Its hashes are those of its
    description: they do not depend on the size, nor on the processor."""
    pixels, mask = draw(sample.path, min(frame.height, frame.width))
    native = mask.shape
    own_mask = masks.resize(mask, masks.own_size(*native)) if sample.label else None
    content = hashlib.sha256(f"synthetic {_VERSION}: {sample.path}".encode()).hexdigest()
    return Picture(fit_image(pixels, frame), own_mask, content, pixel_hash=content, native_size=native)


def write_files(root: str | Path, size_px: int, defects: Mapping[str, Sequence[str]] = DEFECTS) -> int:
    """Writes all pictures and masks of categories, each with its kinds of defects, as a tree of PNG files in MVTec AD's
    layout; returns the number of pictures. Raises DataError where a file cannot be written."""
    home = Path(root).expanduser()
    written = 0
    for category, kinds in defects.items():
        for sample in list_samples(category, kinds):
            pixels, mask = draw(sample.path, size_px)
            try:
                _save(home / sample.path, pixels)
                for path in sample.masks:
                    _save(home / path, mask.astype(np.uint8) * 255)
            except OSError as error:
                reason = f"cannot write {error.filename}: {error.strerror}"
                raise DataError(f"{reason}; expected a folder to write to; choose another --data-root") from None
            written += 1
    return written


def draw(description: str, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, S, 3) uint8 picture and (H, S) bool mask of "CATEGORY/part/defect/index.png"; all False where it is good."""
    category, _, kind, name = description.split("/")
    digest = hashlib.sha256(f"synthetic {_VERSION}: {description}".encode()).digest()
    rng, of_flaw = (np.random.Generator(np.random.PCG64(int.from_bytes(half))) for half in (digest[:16], digest[16:]))
    severity, lamp = (int(name.removesuffix(".png")) * step % 1 for step in _EVENLY)
    canvas = PRODUCTS[category](_OVERSAMPLING * size_px, rng, Flaw(kind, severity, of_flaw))
    dust(canvas, rng)
    picture = _shrink(canvas.colours)
    picture *= _light(*picture.shape[1:], lamp, rng)
    picture += rng.uniform(0.005, 0.012) * size_px / 128 * rng.standard_normal(picture.shape, dtype=np.float32)
    levels = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0)), _shrink(canvas.defective) >= 0.25


def _light(height_px: int, width_px: int, lamp: float, rng: np.random.Generator) -> np.ndarray:
    """(3, H, S) float32: how bright the lamp is, its tint, a slope across the picture, and dimmer corners."""
    gain = (0.9 + 0.2 * lamp) * rng.uniform(0.97, 1.03, size=3).astype(np.float32)
    slope_x, slope_y, dimming = rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1), rng.uniform(0, 0.1)
    rows, columns = (
        slope * steps - dimming * steps * steps
        for slope, steps in ((slope_y, _from_edge_to_edge(height_px)), (slope_x, _from_edge_to_edge(width_px)))
    )
    return gain[:, None, None] * (1 + rows[:, None] + columns)


def _from_edge_to_edge(pixels: int) -> np.ndarray:
    """(pixels,) float32: where each lies between -1 and 1."""
    return (np.arange(pixels, dtype=np.float32) + 0.5) * (2 / pixels) - 1


def _shrink(drawn: np.ndarray) -> np.ndarray:
    """(..., L, D) -> (..., H, S) by averaging squares of 2 x 2; a last row without a second is left out."""
    rows = drawn[..., :-1:2, :] + drawn[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
