"""MVTec AD (Bergmann et al., CVPR 2019; IJCV 2021): 15 categories, its own train/test split, masks.

CATEGORY/train/good/*, CATEGORY/test/<defect>/*, CATEGORY/ground_truth/<defect>/*_mask.png. Any other tree of that
layout is read as well, whatever its categories are called.
"""

from pathlib import Path

from datasets.sample import DataError, Sample
from datasets.tree import finish_category, is_normal_name, open_root, require_category, scan_classes, subfolders

CATEGORIES: tuple[str, ...] = (
    "bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut",
    "pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper",
)  # fmt: skip


def find_categories(root: str | Path) -> list[str]:
    """Names of the categories in `root`, sorted. Raises DataError if there is none, or `root` is one itself."""
    folder = open_root(root)
    if _is_category(folder):
        raise DataError(f"{folder} is one category itself; expected the folder that holds it; use {folder.parent}")
    found = [name for name in subfolders(folder) if _is_category(folder / name)]
    if not found:
        there = ", ".join(subfolders(folder)) or "no folder"
        raise DataError(
            f"no MVTec AD category in {folder}, only: {there}; expected CATEGORY/train/good; check --data-root"
        )
    return found


def scan(root: str | Path, category: str) -> list[Sample]:
    """The samples of one category, sorted by path. Raises DataError if the category does not exist, a class folder is
    empty, no training image is normal, or only some defects have masks."""
    folder = open_root(root)
    require_category("mvtec_ad", folder, category, find_categories(folder))
    home = folder / category
    samples = scan_classes(folder, home / "train", "train") + scan_classes(folder, home / "test", "test")
    return finish_category(home, samples)


def _is_category(folder: Path) -> bool:
    return any(is_normal_name(name) for name in subfolders(folder / "train"))
