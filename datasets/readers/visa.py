"""VisA (Zou et al., ECCV 2022): 10,821 images of 12 objects, CC BY 4.0.

As published: <object>/Data/Images/{Normal,Anomaly}/*.JPG, masks with a level above 0 for each kind of defect, and the
split in split_csv/1cls.csv, of the columns object, split, label, image, mask. Or as its own preparation script writes
it: MVTec AD's layout, in a folder 1cls/ or in the root itself.
"""

import csv
from pathlib import Path

from datasets.class_folders import finish_category
from datasets.mvtec_layout import Layout, categories_in, scan_parts
from datasets.sample import DataError, Sample
from datasets.tree import open_root, require_category

COUNTS: dict[str, tuple[int, int]] = {  # published: normal, defective
    "candle": (1000, 100), "capsules": (602, 100), "cashew": (500, 100), "chewinggum": (503, 100),
    "fryum": (500, 100), "macaroni1": (1000, 100), "macaroni2": (1000, 100), "pcb1": (1004, 100), "pcb2": (1001, 100),
    "pcb3": (1006, 100), "pcb4": (1005, 100), "pipe_fryum": (500, 100),
}  # fmt: skip
CATEGORIES: tuple[str, ...] = tuple(COUNTS)
LIST = "split_csv/1cls.csv"
COLUMNS = {"object", "split", "label", "image", "mask"}
_PREPARED = "1cls"
_layout = Layout("visa", "VisA", "VisA.tar")


def find_categories(root: str | Path) -> list[str]:
    """Names of the listed objects that have a folder, sorted, or of the prepared ones. Raises DataError if there is
    none."""
    folder = open_root(root, _layout.archive)
    if not (folder / LIST).is_file():
        return _layout.find_categories(_prepared(folder))
    found = sorted({line["object"] for line in _lines(folder) if (folder / line["object"]).is_dir()})
    if not found:
        raise DataError(
            f"{folder} has none of the objects that its {LIST} names; expected {CATEGORIES[0]}/Data/Images; unpack "
            f"{_layout.archive} again"
        )
    return found


def scan(root: str | Path, category: str) -> list[Sample]:
    """The samples of one object, sorted by path. Raises DataError unless it and its pictures exist."""
    folder = open_root(root, _layout.archive)
    require_category("visa", folder, category, find_categories(folder))
    if not (folder / LIST).is_file():
        home = _prepared(folder) / category
        return finish_category(home, scan_parts(folder, home))
    samples = [_sample(folder, line) for line in _lines(folder) if line["object"] == category]
    return finish_category(folder / category, samples)


def _prepared(folder: Path) -> Path:
    return folder / _PREPARED if categories_in(folder / _PREPARED) else folder


def _lines(folder: Path) -> list[dict[str, str]]:
    with open(folder / LIST, newline="") as file:
        lines = list(csv.DictReader(file))
    if not lines or not COLUMNS <= lines[0].keys():
        expected = ", ".join(sorted(COLUMNS))
        raise DataError(f"{folder / LIST} is another list; expected the columns {expected}; restore it")
    return lines


def _sample(folder: Path, line: dict[str, str]) -> Sample:
    path, is_normal = line["image"], line["label"] == "normal"
    if not (folder / path).is_file():
        raise DataError(f"{LIST} names {path}, which is not there; expected every picture of it; unpack it again")
    return Sample(
        path=path,
        label=0 if is_normal else 1,
        defect="good" if is_normal else "anomaly",
        part=line["split"],
        group=path,
        masks=() if is_normal or not line["mask"] else (line["mask"],),
        size_bytes=(folder / path).stat().st_size,
    )
