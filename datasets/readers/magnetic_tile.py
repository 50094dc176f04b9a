"""Magnetic tiles (Huang et al., The Visual Computer 2020): 1,344 pictures, 392 of them with one of 5 defects; free to
use, no licence named.

MT_Free/Imgs/*.jpg are good, MT_<Defect>/Imgs/*.jpg are not; the .png beside each, of its name, is its mask. It has no
split of its own, and its names do not tell which pictures show one tile.
"""

from pathlib import Path

from datasets.mask_files import beside
from datasets.sample import DataError, Sample
from datasets.tree import deeper, images_below, open_root, require_category, subfolders

COUNTS: dict[str, tuple[int, int]] = {"magnetic_tile": (952, 392)}  # published: normal, defective
CATEGORIES: tuple[str, ...] = tuple(COUNTS)
ARCHIVE = "Magnetic-tile-defect-datasets.-master.zip"
_PREFIX, _NORMAL = "MT_", "MT_Free"


def find_categories(root: str | Path) -> list[str]:
    """The one category. Raises DataError unless `root` holds good tiles."""
    folder = open_root(root, ARCHIVE)
    if not _has_normals(folder):
        there = ", ".join(subfolders(folder)) or "no folder"
        raise DataError(
            f"no magnetic tiles in {folder}, only: {there}; expected {_NORMAL}/Imgs/*.jpg; "
            f"{deeper(folder, _has_normals)}"
        )
    return list(CATEGORIES)


def scan(root: str | Path, category: str) -> list[Sample]:
    """All pictures, sorted by path. Raises DataError if the category does not exist."""
    folder = open_root(root, ARCHIVE)
    require_category("magnetic_tile", folder, category, find_categories(folder))
    kinds = [name for name in subfolders(folder) if name.startswith(_PREFIX)]
    return sorted((sample for kind in kinds for sample in _scan_kind(folder, kind)), key=lambda sample: sample.path)


def _has_normals(folder: Path) -> bool:
    return bool(images_below(folder / _NORMAL))


def _scan_kind(root: Path, kind: str) -> list[Sample]:
    files = images_below(root / kind)
    masks = beside(files)
    drawn = {mask for own in masks.values() for mask in own}
    is_normal = kind == _NORMAL
    samples = []
    for picture in (file for file in files if file not in drawn):
        path = picture.relative_to(root).as_posix()
        own = () if is_normal else masks.get(picture, ())
        samples.append(
            Sample(
                path=path,
                label=0 if is_normal else 1,
                defect="good" if is_normal else kind.removeprefix(_PREFIX).lower(),
                part=None,
                group=path,
                masks=tuple(mask.relative_to(root).as_posix() for mask in own),
                size_bytes=picture.stat().st_size,
            )
        )
    return samples
