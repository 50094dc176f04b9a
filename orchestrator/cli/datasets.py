"""`datasets`: what there are, what one's files hold, or the synthetic one as files."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datasets import montage
from datasets.catalog import DATASETS
from datasets.frame import Frame
from datasets.images import Images
from datasets.readers.synthetic import write_files
from datasets.split import PROTOCOLS, split
from orchestrator.cli.prepare import say_remarks
from orchestrator.display.tables import print_table
from orchestrator.errors import InputError, choice
from orchestrator.experiment import cues, evidence, preflight
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Category, Decoding, jobs
from orchestrator.words import count, printable

CHECKED = Frame(32, 32)  # small, as only whether a picture can be read is of interest
SHOWN = Frame(192, 192)  # in the montage
COLUMNS = (
    "category", "good + bad", "train", "validation", "test", "masks", "pixels", "pixel-identical copies", "defects",
)  # fmt: skip


def main(asked) -> int:
    """Lists, checks or makes."""
    if asked.action == "check":
        return _check(asked)
    if asked.action is None:
        _list()
    else:
        _make(asked.name, asked.data_root, asked.size_px)
    return 0


def _make(name: str | None, data_root: str | None, size_px: int) -> None:
    if name != "synthetic" or data_root is None:
        raise InputError("datasets make: 'datasets make synthetic --data-root DIR' is expected.")
    write_files(Path(data_root).expanduser(), size_px)
    print(f"wrote the synthetic dataset to {data_root}; use it with --dataset mvtec_ad or --dataset folder")


def _list() -> None:
    """Prints what datasets there are."""
    rows = [
        [
            d.name,
            d.description,
            len(d.categories) or "yours",
            sum(map(sum, d.counts.values())) or "",
            "--data-root" if d.needs_root else "none",
            d.source,
        ]
        for d in DATASETS.values()
    ]
    print_table(["dataset", "what", "categories", "images", "files", "source"], rows, numbers={"images"})


def _check(asked) -> int:
    """Scans and decodes a tree, and prints what it holds. Returns 2 if a category cannot be used. Raises InputError
    where there is none."""
    choice("dataset", asked.name or "", list(DATASETS))
    experiment = Experiment(
        dataset=(asked.name,),
        category=tuple(asked.category),
        normal_folder=asked.normal_folder,
        protocol=choice("protocol", asked.protocol, PROTOCOLS),
    )
    rows, sheets, unusable = [], [], 0
    for dataset, name in preflight.wanted(experiment, asked.data_root):
        try:
            category = preflight.scanned(dataset, name, asked.data_root, asked.normal_folder)
            images = _decode_category(category, CHECKED if asked.montage is None else SHOWN, experiment)
            rows.append(_line(images, experiment))
            if asked.montage is not None:
                sheets.append(montage.of_category(images))
        except InputError as error:
            unusable += 1
            rows.append([name, "cannot be used"])
            print(printable(f"{name} cannot be used: {error}"))
    print_table(COLUMNS, [row + [""] * (len(COLUMNS) - len(row)) for row in rows])
    if sheets:
        _write_montage(sheets, asked.montage)
    if unusable:
        print(f"\nprotocol {asked.protocol} cannot use {unusable} of {count(len(rows), 'category', 'categories')}")
        return 2
    print(f"\nevery image can be read, and every category can be split by protocol {asked.protocol}")
    return 0


def _decode_category(category: Category, frame: Frame, experiment: Experiment) -> Images:
    """Decodes it, and says what to know of it. Raises InputError where it cannot be used."""
    say_remarks(category)
    preflight.check_names(jobs(experiment, [category], workers=1))
    (images,) = preflight.decode([Decoding(category, frame)], experiment, Execution()).values()
    for line in (*evidence.find([images], experiment), *map(str, cues.find([images]))):
        print(printable(line))
    return images


def _line(images: Images, experiment: Experiment) -> list[Any]:
    """Of the table."""
    parts = split(images, experiment.protocol, experiment.seed[0])
    in_parts = [_by_label(images.labels[part]) for part in (parts.train, parts.val, parts.test)]
    masked = [bool(sample.masks) for sample in images.samples if sample.label]
    defects = Counter(sample.defect for sample in images.samples if sample.label)
    return [
        images.category,
        _by_label(images.labels),
        *in_parts,
        f"{sum(masked)} of {len(masked)}" if any(masked) else "no",
        _sizes(images),
        len(images.samples) - len(set(images.pixel_hash)),
        ", ".join(f"{defect} {count}" for defect, count in sorted(defects.items())),
    ]


def _write_montage(sheets: list[Image.Image], file: str) -> None:
    try:
        montage.stacked(sheets).save(file)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {file}: {error}. A file that ends in .png is expected.") from None
    print()
    print(printable(f"drew {file}: look whether what is called good is good, and where the masks lie"))


def _by_label(labels: np.ndarray) -> str:
    return f"{(labels == 0).sum()} + {(labels == 1).sum()}"


def _sizes(images: Images) -> str:
    """Width x height of the smallest and of the largest image."""
    smallest, *_, largest = sorted(images.native_sizes, key=math.prod) * 2
    ends = [f"{width} x {height}" for height, width in (smallest, largest)]
    return " to ".join(dict.fromkeys(ends))
