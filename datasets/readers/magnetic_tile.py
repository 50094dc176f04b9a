"""Magnetic tiles (Huang et al., The Visual Computer 2020): 1,344 pictures, 392 of them with one of 5 defects; free to
use, no licence named.

MT_Free/Imgs/*.jpg are good, MT_<Defect>/Imgs/*.jpg are not; the .png beside each, of its name, is its mask. It has no
split of its own, and its names do not tell which pictures show one tile.
"""

import dataclasses
from pathlib import Path

from datasets.class_folders import scan_class
from datasets.sample import Sample
from datasets.tree import images_below, not_here, open_root, require_category, subfolders

COUNTS: dict[str, tuple[int, int]] = {"magnetic_tile": (952, 392)}  # published: normal, defective
CATEGORIES: tuple[str, ...] = tuple(COUNTS)
ARCHIVE = "Magnetic-tile-defect-datasets.-master.zip"
_PREFIX, _NORMAL = "MT_", "MT_Free"


def find_categories(root: str | Path) -> list[str]:
    """The one category. Raises DataError unless `root` holds good tiles."""
    folder = open_root(root, ARCHIVE)
    if not _has_normals(folder):
        raise not_here(f"magnetic tiles in {folder}", folder, f"{_NORMAL}/Imgs/*.jpg", _has_normals)
    return list(CATEGORIES)


def scan(root: str | Path, category: str) -> list[Sample]:
    """All pictures, sorted by path. Raises DataError if the category does not exist, or a folder of it is empty."""
    folder = open_root(root, ARCHIVE)
    require_category("magnetic_tile", folder, category, find_categories(folder))
    kinds = [name for name in subfolders(folder) if name.startswith(_PREFIX)]
    return sorted((sample for kind in kinds for sample in _scan_kind(folder, kind)), key=lambda sample: sample.path)


def _has_normals(folder: Path) -> bool:
    return bool(images_below(folder / _NORMAL))


def _scan_kind(root: Path, kind: str) -> list[Sample]:
    samples = scan_class(root, root / kind, part=None, is_normal=kind == _NORMAL, mask_homes=[])
    name = kind.removeprefix(_PREFIX).lower()
    return [dataclasses.replace(sample, defect=name) if sample.label else sample for sample in samples]
