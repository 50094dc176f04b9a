"""KolektorSDD (Tabernik et al., JIM 2020): 399 pictures of 50 electrical commutators, 52 with a crack, CC BY-NC-SA 4.0.

kosNN/PartM.jpg with kosNN/PartM_label.bmp, whose pixels are all zero where the part is normal. It has no split of its
own: an item (kosNN) is a group, and items that are pixel-identical are found later, by content (datasets/split.py).
"""

import re
from pathlib import Path

from datasets.label_pictures import sample_of
from datasets.sample import DataError, Sample
from datasets.tree import IMAGE_EXTENSIONS, images_in, not_here, open_root, require_category, subfolders

COUNTS: dict[str, tuple[int, int]] = {"kolektor_sdd": (347, 52)}  # published: normal, defective
CATEGORIES: tuple[str, ...] = tuple(COUNTS)
ARCHIVE = "KolektorSDD.zip"
_ITEM = re.compile(r"kos\d+", re.IGNORECASE)
_LABEL = "_label"


def find_categories(root: str | Path) -> list[str]:
    """The one category. Raises DataError unless `root` holds an item."""
    folder = open_root(root, ARCHIVE)
    if not _items(folder):
        raise not_here(f"KolektorSDD item in {folder}", folder, "kos01/Part0.jpg ...", _items)
    return list(CATEGORIES)


def scan(root: str | Path, category: str) -> list[Sample]:
    """All parts of all items, sorted by path; reads the label pictures, for they alone say what is defective. Raises
    DataError if the category does not exist, an item is empty, a label picture is missing or unreadable, or no part is
    normal."""
    folder = open_root(root, ARCHIVE)
    require_category("kolektor_sdd", folder, category, find_categories(folder))
    samples = [sample for item in _items(folder) for sample in _scan_item(folder, item)]
    if not any(sample.label == 0 for sample in samples):
        raise DataError(
            f"{folder} has no normal image among its {len(samples)}; expected parts whose label picture is all zero; "
            "check the *_label.bmp files"
        )
    return sorted(samples, key=lambda sample: sample.path)


def _items(folder: Path) -> list[str]:
    return [name for name in subfolders(folder) if _ITEM.fullmatch(name)]


def _scan_item(root: Path, item: str) -> list[Sample]:
    pictures = images_in(root / item)
    labels = {picture.stem: picture for picture in pictures if picture.stem.endswith(_LABEL)}
    parts = [picture for picture in pictures if not picture.stem.endswith(_LABEL)]
    if not parts:
        raise DataError(
            f"{root / item} holds no image; expected Part0.jpg ... ({', '.join(sorted(IMAGE_EXTENSIONS))}); "
            "add them or remove the folder"
        )
    samples = []
    for part in parts:
        label = labels.get(part.stem + _LABEL)
        if label is None:
            raise DataError(
                f"{item}/{part.name} has no label picture; expected {part.stem}{_LABEL}.bmp beside it; add it"
            )
        samples.append(sample_of(root, part, label, part=None, group=item))
    return samples
