"""The layout of MVTec AD, which others have taken over: categories with a train/test split of their own, and masks.

    CATEGORY/train/good/*   CATEGORY/validation/good/*   CATEGORY/test/{good,<defect>}/*
    CATEGORY/ground_truth/<defect>/*

The readers of such datasets (datasets/readers/) make a Layout, and say what is their own.
"""

from dataclasses import dataclass
from pathlib import Path

from datasets.class_folders import finish_category, normal_classes, scan_classes
from datasets.sample import DataError, Sample
from datasets.tree import named, not_here, open_root, require_category, subfolders


@dataclass(frozen=True)
class Layout:
    """What one dataset of this layout calls itself and its folders."""

    dataset: str  # its name in the catalogue
    title: str  # its name for people
    archive: str  # what it is published as
    test: str = "test"  # the folder of the labelled test part

    def find_categories(self, root: str | Path) -> list[str]:
        """Names of the categories in `root`, sorted. Raises DataError if there is none, or `root` is one itself."""
        folder = open_root(root, self.archive)
        if _is_category(folder):
            raise DataError(f"{folder} is one category itself; expected the folder that holds it; use {folder.parent}")
        found = categories_in(folder)
        if not found:
            raise not_here(f"{self.title} category in {folder}", folder, "CATEGORY/train/good", categories_in)
        return found

    def scan(self, root: str | Path, category: str) -> list[Sample]:
        """The samples of one category, sorted by path. Raises DataError if the category does not exist, a class folder
        is empty, or no training image is normal."""
        folder = open_root(root, self.archive)
        require_category(self.dataset, folder, category, self.find_categories(folder))
        return finish_category(folder / category, scan_parts(folder, folder / category, self.test))


def scan_parts(root: Path, home: Path, test: str = "test", normal_folder: str | None = None) -> list[Sample]:
    """The samples of a category's parts, with paths relative to `root`; good ones lie in folders called
    `normal_folder`, if given. Raises DataError for an empty class folder."""
    samples = []
    for part, name in (("train", "train"), ("validation", "validation"), ("test", test)):
        folder = named(home, name)
        samples += scan_classes(root, folder, part, masks_in=(home, folder), normal_folder=normal_folder)
    return samples


def categories_in(folder: Path) -> list[str]:
    """Names of the categories directly in a folder, sorted."""
    return [name for name in subfolders(folder) if _is_category(folder / name)]


def _is_category(folder: Path) -> bool:
    return bool(normal_classes(named(folder, "train")))
