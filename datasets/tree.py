"""Folder trees of images: what every dataset of files shares when it lists its samples.

A class folder holds the images of one label, in itself or in folders below it: `good` (also `ok`, `normal`, any case)
or a defect's name. Masks lie in `ground_truth/<defect>/[<the same folders>/]<stem>[_mask].<any image extension>`.
"""

import os
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path

from datasets.sample import DataError, Sample

IMAGE_EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
NORMAL_NAMES = frozenset({"good", "ok", "normal"})
MASK_FOLDER = "ground_truth"
MASK_FOLDERS = frozenset({MASK_FOLDER, "mask", "masks"})


def is_normal_name(name: str) -> bool:
    """Whether a folder of this name holds normal images: one of NORMAL_NAMES, in any case."""
    return name.lower() in NORMAL_NAMES


def nearest_first(wanted: str, names: Iterable[str]) -> list[str]:
    """`names`, the one most like `wanted` first."""
    return sorted(names, key=lambda name: (-SequenceMatcher(None, wanted.lower(), name.lower()).ratio(), name))


def open_root(root: str | Path) -> Path:
    """The data root, `~` expanded. Raises DataError unless it is a folder with something in it."""
    folder = Path(root).expanduser()
    if not folder.exists():
        raise DataError(f"data root {folder} does not exist; expected a folder of images; check --data-root")
    if not folder.is_dir():
        raise DataError(f"data root {folder} is a file; expected a folder of images; check --data-root")
    if not any(folder.iterdir()):
        raise DataError(f"data root {folder} is empty; expected a folder of images; check --data-root")
    return folder


def subfolders(folder: Path) -> list[str]:
    """Names of the visible folders in `folder`, sorted; none where it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def images_in(folder: Path) -> list[Path]:
    """The image files directly in `folder`, sorted by name; hidden files (macOS's `._*`) are no images."""
    if not folder.is_dir():
        return []
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in IMAGE_EXTENSIONS and not entry.name.startswith(".") and entry.is_file()
    )


def images_below(folder: Path) -> list[Path]:
    """The image files in `folder` and in the visible folders below it, but for those of MASK_FOLDERS, sorted by path. A
    folder is entered once, so loops of links end."""
    seen = {parent.resolve() for parent in folder.absolute().parents}
    found = []
    for place, names, _ in os.walk(folder, followlinks=True):
        if (real := Path(place).resolve()) in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith(".") and name.lower() not in MASK_FOLDERS)
        found += images_in(Path(place))
    return sorted(found)


def require_category(dataset: str, root: Path, wanted: str, found: list[str]) -> None:
    """Raises DataError, which lists the categories found, the nearest name first, unless `wanted` is one of them."""
    if wanted not in found:
        names = ", ".join(nearest_first(wanted, found))
        raise DataError(f"{dataset} has no category {wanted!r} in {root}; there are: {names}; check --category")


def scan_classes(root: Path, folder: Path, part: str | None) -> list[Sample]:
    """Samples of every class folder directly in `folder`, with paths relative to the data's `root`.

    `folder` is the category's folder of a part, "train" or "test", and its masks lie beside it; or, where the category
    has no split of its own (`part` is None), the category itself, and they lie in it. Raises DataError for a class
    folder without an image.
    """
    masks = (folder.parent if part else folder) / MASK_FOLDER
    samples = []
    for name in subfolders(folder):
        if name == MASK_FOLDER:
            continue
        images = images_below(folder / name)
        if not images:
            expected = ", ".join(sorted(IMAGE_EXTENSIONS))
            raise DataError(f"{folder / name} holds no image; expected files in it ({expected}); add some or remove it")
        normal = is_normal_name(name)
        found = [] if normal else images_below(masks / name)
        own = {mask.relative_to(masks / name).with_suffix(""): mask for mask in found}
        for image in images:
            place = image.relative_to(folder / name).with_suffix("")
            mask = own.get(place.with_name(f"{place.name}_mask")) or own.get(place)
            path = image.relative_to(root).as_posix()
            samples.append(
                Sample(
                    path=path,
                    label=0 if normal else 1,
                    defect="good" if normal else name,
                    part=part,
                    group=path,
                    mask=mask.relative_to(root).as_posix() if mask else None,
                    size_bytes=image.stat().st_size,
                )
            )
    return samples


def finish_category(category: Path, samples: list[Sample]) -> list[Sample]:
    """The samples of one category, sorted by path. Raises DataError unless they hold normals to train on, and masks for
    all of the defective ones or for none."""
    if not any(sample.label == 0 and sample.part != "test" for sample in samples):
        classes = ", ".join(sorted({f"{sample.part or ''}/{sample.defect}".lstrip("/") for sample in samples}))
        raise DataError(
            f"{category} has no normal training image, only: {classes or 'nothing'}; expected a folder named "
            f"{', '.join(sorted(NORMAL_NAMES))} (in train/, if there is one); add or rename it"
        )
    defective = [sample for sample in samples if sample.label == 1 and sample.part != "train"]
    missing = [sample.path for sample in defective if sample.mask is None]
    if missing and len(missing) < len(defective):
        raise DataError(
            f"{category}: {len(missing)} of {len(defective)} defective images have no mask, the first {missing[0]}; "
            f"expected {MASK_FOLDER}/<defect>/<stem>_mask.png for all or none; add them or move {MASK_FOLDER} away"
        )
    return sorted(samples, key=lambda sample: sample.path)
