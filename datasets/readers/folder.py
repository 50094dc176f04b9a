"""A user's own folder of images: `good` (also `ok`, `normal`, any case) and any other name as a defect.

    ROOT/CATEGORY/train/good/*   ROOT/CATEGORY/test/{good,<defect>}/*     with a split of its own
    ROOT/CATEGORY/{good,<defect>}/*                                       without one
    ROOT/{...}                                                            ROOT itself is the category, by its name

Masks are optional: CATEGORY/ground_truth/<defect>/<stem>_mask.png (or <stem>.png, any image extension).
"""

from pathlib import Path

from datasets.sample import DataError, Sample
from datasets.tree import (
    NORMAL_NAMES,
    finish_category,
    is_normal_name,
    open_root,
    require_category,
    scan_classes,
    subfolders,
)

CATEGORIES: tuple[str, ...] = ()


def find_categories(root: str | Path) -> list[str]:
    """The folder's own name if it is a category itself, else the names of the categories in it, sorted. Raises
    DataError if there is none."""
    folder = open_root(root)
    if _is_category(folder):
        return [_own_name(folder)]
    found = [name for name in subfolders(folder) if _is_category(folder / name)]
    if not found:
        there = ", ".join(subfolders(folder)) or "no folder"
        raise DataError(
            f"no folder of normal images in {folder} or one level below, only: {there}; expected one named "
            f"{', '.join(sorted(NORMAL_NAMES))} (or train/ with one); add or rename it"
        )
    return found


def scan(root: str | Path, category: str) -> list[Sample]:
    """The samples of one category, sorted by path; `part` is None unless there is a `train` folder. Raises DataError if
    the category does not exist, a class folder is empty, no image is normal to train on, or only some defects have
    masks."""
    folder = open_root(root)
    require_category("folder", folder, category, find_categories(folder))
    home = folder if _is_category(folder) else folder / category
    if (home / "train").is_dir():
        samples = scan_classes(folder, home / "train", "train") + scan_classes(folder, home / "test", "test")
    else:
        samples = scan_classes(folder, home, None)
    return finish_category(home, samples)


def _own_name(folder: Path) -> str:
    return folder.resolve().name


def _is_category(folder: Path) -> bool:
    return any(is_normal_name(name) for name in subfolders(folder) + subfolders(folder / "train"))
