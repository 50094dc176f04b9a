"""A user's own folder of images: good ones in a folder of that name, and any other name as a defect.

    ROOT/CATEGORY/train/good/*   ROOT/CATEGORY/test/{good,<defect>}/*     with a split of its own
    ROOT/CATEGORY/{good,<defect>}/*                                       without one
    ROOT/{...}                                                            ROOT itself is the category, by its name

Images in validation/, beside train/, choose and do not train. What `good` may be called, class_folders.py says, unless
`normal_folder` does; masks are optional, and where they may lie, mask_files.py says.
"""

from functools import partial
from pathlib import Path

from datasets.class_folders import expected_names, finish_category, normal_classes, scan_classes
from datasets.mvtec_layout import scan_parts
from datasets.sample import Sample
from datasets.tree import named, not_here, open_root, require_category, subfolders

CATEGORIES: tuple[str, ...] = ()


def find_categories(root: str | Path, normal_folder: str | None = None) -> list[str]:
    """The folder's own name if it is a category itself, else the names of the categories in it, sorted. Raises
    DataError if there is none."""
    folder = open_root(root)
    if _is_category(folder, normal_folder):
        return [folder.resolve().name]
    categories_in = partial(_categories, normal_folder=normal_folder)
    found = categories_in(folder)
    if not found:
        expected = f"one named {expected_names(normal_folder)} (or train/ with one)"
        what = f"folder of normal images in {folder} or one level below"
        cure = "add or rename it, " + ("or " if normal_folder else "or name it with --normal-folder, or ")
        raise not_here(what, folder, expected, categories_in, cure)
    return found


def scan(root: str | Path, category: str, normal_folder: str | None = None) -> list[Sample]:
    """The samples of one category, sorted by path; `part` is None unless there is a `train` folder. Raises DataError if
    the category does not exist, a class folder is empty, or no image is normal to train on."""
    folder = open_root(root)
    require_category("folder", folder, category, find_categories(folder, normal_folder))
    home = category_folder(folder, category, normal_folder)
    if named(home, "train").is_dir():
        samples = scan_parts(folder, home, normal_folder=normal_folder)
    else:
        samples = scan_classes(folder, home, None, masks_in=(home,), normal_folder=normal_folder)
    return finish_category(home, samples, normal_folder)


def category_folder(root: Path, category: str, normal_folder: str | None = None) -> Path:
    """Where the images of a category lie: `root` itself, if it is one."""
    return root if _is_category(root, normal_folder) else root / category


def _categories(folder: Path, normal_folder: str | None) -> list[str]:
    return [name for name in subfolders(folder) if _is_category(folder / name, normal_folder)]


def _is_category(folder: Path, normal_folder: str | None) -> bool:
    return any(normal_classes(place, normal_folder) for place in (folder, named(folder, "train")))
