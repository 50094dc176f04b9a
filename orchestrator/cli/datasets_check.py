"""`datasets check`: what a tree of pictures holds, category by category, and whether a run could use it."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from datasets import headers, montage
from datasets.catalog import DATASETS
from datasets.frame import Frame
from datasets.images import Images
from datasets.split import PROTOCOLS, split
from orchestrator.cli.prepare import say_remarks
from orchestrator.display.tables import print_table
from orchestrator.errors import InputError, choice
from orchestrator.experiment import auto_protocol, cues, evidence, preflight
from orchestrator.experiment.config import AUTO, Execution, Experiment
from orchestrator.experiment.cues import Finding
from orchestrator.experiment.job import Category, Decoding, jobs
from orchestrator.words import count, printable

CHECKED = Frame(32, 32)  # small, as only whether a picture can be read is of interest
SHOWN = Frame(192, 192)  # in the montage
COLUMNS = (
    "category", "good + bad", "train", "validation", "test", "masks", "pixels", "modes", "copies", "trivial cue",
    "defects",
)  # fmt: skip


def main(asked) -> int:
    """Scans and decodes a tree, and prints what it holds. Returns 2 if a category cannot be used. Raises InputError
    where there is none that could be."""
    experiment = _experiment(asked)
    names = [name for _, name in preflight.wanted(experiment, asked.data_root)]
    categories = preflight.survey(experiment, asked.data_root, _say_unusable)
    experiment, why = auto_protocol.resolved(experiment, categories)
    if why:
        print(printable(why))
    lines, sheets = {}, []
    for category in categories:
        say_remarks(category)
        try:
            images = _decoded(category, experiment, _frame(asked, experiment, category))
        except InputError as error:
            _say_unusable(category.name, error)
            continue
        findings = cues.find([images])
        for line in (*evidence.find([images], experiment), *map(str, findings)):
            print(printable(line))
        lines[category.name] = _line(category, images, experiment, findings)
        if asked.montage is not None:
            sheets.append(montage.of_category(images))
    nothing = ["cannot be used", *[""] * (len(COLUMNS) - 2)]
    print_table(COLUMNS, [lines.get(name, [name, *nothing]) for name in names])
    if sheets:
        _write_montage(sheets, asked.montage)
    if unusable := len(names) - len(lines):
        of_all = f"{unusable} of {count(len(names), 'category', 'categories')}"
        print(f"\nprotocol {experiment.protocol} cannot use {of_all}")
        return 2
    print(f"\nevery image can be read, and every category can be split by protocol {experiment.protocol}")
    return 0


def _experiment(asked) -> Experiment:
    """As a run with these words would have it."""
    return Experiment(
        dataset=(choice("dataset", asked.name or "", list(DATASETS)),),
        category=tuple(asked.category),
        normal_folder=asked.normal_folder,
        protocol=choice("protocol", asked.protocol, (*PROTOCOLS, AUTO)),
        folds=asked.folds,
        **({} if asked.size_px is None else {"size_px": (asked.size_px,)}),
    )


def _frame(asked, experiment: Experiment, category: Category) -> Frame:
    """What pictures are brought to: small, unless a run's own size is asked for."""
    if asked.size_px is None:
        return CHECKED if asked.montage is None else SHOWN
    return jobs(experiment, [category], workers=1)[0].frame


def _decoded(category: Category, experiment: Experiment, frame: Frame) -> Images:
    """Its pictures. Raises InputError where a run could not use it."""
    preflight.check_names(jobs(experiment, [category], workers=1))
    (images,) = preflight.decode([Decoding(category, frame)], experiment, Execution()).values()
    return images


def _say_unusable(name: str, error: InputError) -> None:
    print(printable(f"{name} cannot be used: {error}"))


def _line(category: Category, images: Images, experiment: Experiment, findings: Sequence[Finding]) -> list[Any]:
    """Of the table."""
    parts = split(images, experiment.protocol, experiment.seed[0], experiment.folds)
    in_parts = [_by_label(images.labels[part]) for part in (parts.train, parts.val, parts.test)]
    masked = [bool(sample.masks) for sample in images.samples if sample.label]
    defects = Counter(sample.defect for sample in images.samples if sample.label)
    strongest = [f"{finding.cues[0].name} {finding.cues[0].auroc:.3f}" for finding in findings]
    return [
        images.category,
        _by_label(images.labels),
        *in_parts,
        f"{sum(masked)} of {len(masked)}" if any(masked) else "no",
        _sizes(images),
        _modes(category, images),
        _copies(images),
        ", ".join(strongest) or "none",
        _listed(defects),
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


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))


def _sizes(images: Images) -> str:
    """Width x height of the smallest and of the largest image."""
    smallest, *_, largest = sorted(images.native_sizes, key=math.prod) * 2
    ends = [f"{width} x {height}" for height, width in (smallest, largest)]
    return " to ".join(dict.fromkeys(ends))


def _modes(category: Category, images: Images) -> str:
    """Pillow's words for grey, colour, 16 bits, by the files' headers; nothing where images are drawn."""
    source = DATASETS[category.dataset]
    if not source.needs_root:
        return ""
    home = source.home(category.root)
    found = [headers.read(home / sample.path) for sample in images.samples]
    return _listed(Counter(header.mode for header in found if header))


def _copies(images: Images) -> str:
    """Images that have the pixels of an earlier one, and how many pictures of the dataset's training part are in its
    test part too."""
    of_part = {
        part: {pixels for sample, pixels in zip(images.samples, images.pixel_hash, strict=True) if sample.part == part}
        for part in ("train", "test")
    }
    leaked = len(of_part["train"] & of_part["test"])
    copies = len(images.samples) - len(set(images.pixel_hash))
    return f"{copies}, {leaked} of train in test" if leaked else str(copies)
