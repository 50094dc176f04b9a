"""A user's own folder of images: good ones in a folder of that name, and any other name as a defect.

    ROOT/CATEGORY/train/good/*   ROOT/CATEGORY/test/{good,<defect>}/*     with a split of its own
    ROOT/CATEGORY/{good,<defect>}/*                                       without one
    ROOT/{...}                                                            ROOT itself is the category, by its name

Images in validation/, beside train/, choose and do not train. What `good` may be called, class_folders.py says; masks
are optional, and where they may lie, mask_files.py says.
"""

from pathlib import Path

from datasets.class_folders import NORMAL_NAMES, finish_category, normal_classes, scan_classes
from datasets.mvtec_layout import scan_parts
from datasets.sample import Sample
from datasets.tree import named, not_here, open_root, require_category, subfolders

CATEGORIES: tuple[str, ...] = ()


def find_categories(root: str | Path) -> list[str]:
    """The folder's own name if it is a category itself, else the names of the categories in it, sorted. Raises
    DataError if there is none."""
    folder = open_root(root)
    if _is_category(folder):
        return [folder.resolve().name]
    found = _categories(folder)
    if not found:
        expected = f"one named {', '.join(NORMAL_NAMES)} (or train/ with one)"
        what = f"folder of normal images in {folder} or one level below"
        raise not_here(what, folder, expected, _categories, cure="add or rename it, or ")
    return found


def scan(root: str | Path, category: str) -> list[Sample]:
    """The samples of one category, sorted by path; `part` is None unless there is a `train` folder. Raises DataError if
    the category does not exist, a class folder is empty, or no image is normal to train on."""
    folder = open_root(root)
    require_category("folder", folder, category, find_categories(folder))
    home = category_folder(folder, category)
    if named(home, "train").is_dir():
        return finish_category(home, scan_parts(folder, home))
    return finish_category(home, scan_classes(folder, home, None, masks_in=(home,)))


def category_folder(root: Path, category: str) -> Path:
    """Where the images of a category lie: `root` itself, if it is one."""
    return root if _is_category(root) else root / category


def _categories(folder: Path) -> list[str]:
    return [name for name in subfolders(folder) if _is_category(folder / name)]


def _is_category(folder: Path) -> bool:
    return bool(normal_classes(folder) or normal_classes(named(folder, "train")))
