"""Class folders: the images of one label lie in a folder of its name, in itself or in folders below it.

Good images lie in the one that the user names, or else in one that is called as NORMAL_NAMES says, or `0` with no
neighbour but `1`; any other folder is a kind of defect, but for folders of masks (datasets/mask_files.py). Names are
understood in any case.
"""

from collections.abc import Sequence
from pathlib import Path

from datasets import mask_files
from datasets.sample import DataError, Sample
from datasets.tree import IMAGE_EXTENSIONS, MASK_FOLDERS, images_below, subfolders

NORMAL_NAMES = (
    "good", "ok", "normal", "pass", "defect_free", "non_defective", "free", "clean",
)  # fmt: skip


def classes(folder: Path) -> list[str]:
    """Names of the class folders in `folder`, sorted."""
    return [name for name in subfolders(folder) if name.lower() not in MASK_FOLDERS]


def normal_classes(folder: Path, normal_folder: str | None = None) -> list[str]:
    """Of the class folders in `folder`, those of good images: called `normal_folder`, if given."""
    names = classes(folder)
    if normal_folder is not None:
        return [name for name in names if name.casefold() == normal_folder.casefold()]
    if names in (["0"], ["0", "1"]):
        return ["0"]
    return [name for name in names if name.lower().replace("-", "_").replace(" ", "_") in NORMAL_NAMES]


def scan_classes(
    root: Path, folder: Path, part: str | None, masks_in: Sequence[Path], normal_folder: str | None = None
) -> list[Sample]:
    """Samples of every class folder directly in `folder`, with paths relative to the data's `root`.

    They belong to the dataset's own `part`, or to none. Folders of masks are looked for in the folders `masks_in`.
    Raises DataError for a class folder without an image, and for a mask of two pictures.
    """
    mask_homes, normal = mask_files.homes(*masks_in), normal_classes(folder, normal_folder)
    samples: list[Sample] = []
    for name in classes(folder):
        samples += scan_class(root, folder / name, part, name in normal, mask_homes)
    _require_own_masks(samples)
    return samples


def scan_class(root: Path, folder: Path, part: str | None, is_normal: bool, mask_homes: list[Path]) -> list[Sample]:
    """Samples of one class folder, as `scan_classes` says; folders of masks besides its own are `mask_homes`."""
    files = images_below(folder)
    if not files:
        expected = ", ".join(sorted(IMAGE_EXTENSIONS))
        raise DataError(f"{folder} holds no image; expected files in it ({expected}); add some or remove it")
    masks = mask_files.beside(files)
    no_pictures = {mask for own in masks.values() for mask in own}
    pictures = [file for file in files if file not in no_pictures]
    masks |= mask_files.in_homes(pictures, folder, mask_homes, folder.parent.name)
    samples = []
    for picture in pictures:
        path = picture.relative_to(root).as_posix()
        own = () if is_normal else masks.get(picture, ())
        samples.append(
            Sample(
                path=path,
                label=0 if is_normal else 1,
                defect="good" if is_normal else folder.name,
                part=part,
                group=path,
                masks=tuple(mask.relative_to(root).as_posix() for mask in own),
                size_bytes=picture.stat().st_size,
            )
        )
    return samples


def _require_own_masks(samples: Sequence[Sample]) -> None:
    owners: dict[str, str] = {}
    for sample in samples:
        for mask in sample.masks:
            if (other := owners.setdefault(mask, sample.path)) != sample.path:
                raise DataError(
                    f"{mask} is by its name the mask of {other} and of {sample.path}; expected a folder of masks for "
                    "each kind of defect; move it into one of the defect's name"
                )


def expected_names(normal_folder: str | None = None) -> str:
    """What a folder of good images is called, for people."""
    return ", ".join(NORMAL_NAMES) if normal_folder is None else f"{normal_folder!r} (--normal-folder)"


def finish_category(category: Path, samples: list[Sample], normal_folder: str | None = None) -> list[Sample]:
    """The samples of one category, sorted by path. Raises DataError unless they hold normals to train on."""
    if not any(sample.label == 0 and sample.part in (None, "train") for sample in samples):
        there = ", ".join(sorted({f"{sample.part or ''}/{sample.defect}".lstrip("/") for sample in samples}))
        raise DataError(
            f"{category} has no normal training image, only: {there or 'nothing'}; expected a folder named "
            f"{expected_names(normal_folder)} (in train/, if there is one); add or rename it"
        )
    return sorted(samples, key=lambda sample: sample.path)
