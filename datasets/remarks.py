"""What to know of a category before its figures are believed: what was read as good and as defective, how many defects
have a mask, what lies there and was not used. Nothing is decoded for it."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets import headers
from datasets.sample import Sample
from datasets.tree import IMAGE_EXTENSIONS, MASK_FOLDERS, is_left_behind

PAGED = frozenset({".tif", ".tiff", ".gif"})  # formats of several pages


def of_counts(samples: Sequence[Sample], published: tuple[int, int]) -> list[str]:
    """Whether there are as many normal and defective samples as were `published`."""
    defective = sum(sample.label for sample in samples)
    found = len(samples) - defective, defective
    if found == published:
        return []
    return ["{} normal and {} defective images, where {} and {} were published".format(*found, *published)]


def of_folders(root: Path, folder: Path, samples: Sequence[Sample]) -> list[str]:
    """Of a category whose pictures lie in `folder`, and whose samples' paths are relative to `root`."""
    left = _left_over(root, folder, samples)
    masks = [file for file in left if file.suffix.lower() in IMAGE_EXTENSIONS]
    others = Counter(file.suffix.lower() or file.name for file in left if file not in masks)
    lines = [_what_is_what(root, folder, samples)]
    if unused := Counter(_class_folder(s, root, folder) for s in samples if s.label and s.part == "train"):
        lines.append(f"not used: {_listed(unused)}, for training is on good images alone")
    if masks:
        first = masks[0].relative_to(folder).as_posix()
        lines.append(
            f"{len(masks)} images in folders of masks belong to no defective image, the first {first}; expected "
            "ground_truth/<defect>/<stem>_mask.png"
        )
    if others:
        lines.append(f"files that are no pictures: {_listed(others)}")
    return lines


def of_pages(root: Path, samples: Sequence[Sample]) -> list[str]:
    """Whether there are files of several pages, of which one is read."""
    of_kind = [sample.path for sample in samples if Path(sample.path).suffix.lower() in PAGED]
    pages = {path: header.pages for path in of_kind if (header := headers.read(root / path))}
    several = {path: number for path, number in pages.items() if number > 1}
    if not several:
        return []
    path, number = next(iter(several.items()))
    return [f"files of several pages: {len(several)}, of which the first page is read; {path} has {number}"]


def _what_is_what(root: Path, folder: Path, samples: Sequence[Sample]) -> str:
    good, defective = (
        Counter(_class_folder(s, root, folder) for s in samples if s.label == label and (s.part, label) != ("train", 1))
        for label in (0, 1)
    )
    masked = [bool(sample.masks) for sample in samples if sample.label and sample.part != "train"]
    with_masks = f"; {sum(masked)} of {len(masked)} with a mask" if any(masked) else ""
    return f"read as good: {_listed(good)}; as defective: {_listed(defective) or 'none'}{with_masks}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _class_folder(sample: Sample, root: Path, folder: Path) -> str:
    """`test/dent`, or `dent` without a part, whatever folders are below it."""
    names = (root / sample.path).relative_to(folder).parts[:-1]
    return "/".join(names[: 2 if sample.part else 1]) + "/"


def _left_over(root: Path, folder: Path, samples: Sequence[Sample]) -> list[Path]:
    """Files that are no samples' masks in folders of masks, and files elsewhere that are no pictures; sorted."""
    masks = {root / mask for sample in samples for mask in sample.masks}
    found = []
    for file in _files(folder):
        is_picture = file.suffix.lower() in IMAGE_EXTENSIONS
        in_masks = any(name.lower() in MASK_FOLDERS for name in file.relative_to(folder).parts[:-1])
        if (in_masks and file not in masks) or not (is_picture or in_masks):
            found.append(file)
    return sorted(found)


def _files(folder: Path) -> Iterator[Path]:
    for place, names, files in os.walk(folder):
        names[:] = [name for name in names if not is_left_behind(name)]
        yield from (Path(place) / name for name in files if not is_left_behind(name))
