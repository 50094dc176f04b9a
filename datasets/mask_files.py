"""Which mask pictures belong to which picture, by their names. Nothing is decoded.

Masks lie in a folder of their own, beside the class folders or beside train/ and test/, or next to their pictures:

    ground_truth/[PART/]CLASS/[<the picture's folders>/]NAME     or, where it has no folder of that class, NAME in it
    CLASS/masks/NAME
    CLASS/NAME with a suffix of SUFFIX, or a .png beside a .jpg

NAME is the picture's, with or without a suffix such as `_mask`, of any image extension; `001_mask_2.png`, or all files
in a folder that is named after the picture, are several masks of it. Folders and suffixes are understood in any case.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from datasets.tree import MASK_FOLDERS, images_below, images_in, named, subfolders

SUFFIX = re.compile(r"(?P<stem>.+)[_-](mask|gt|label)([_-]?\d+)?", re.IGNORECASE)
_DRAWN, _PHOTOGRAPHED = frozenset({".png", ".bmp"}), frozenset({".jpg", ".jpeg", ".jfif"})
Masks = dict[Path, tuple[Path, ...]]  # by picture; those without a mask are not in it


def homes(*folders: Path) -> list[Path]:
    """The folders of masks that lie directly in these."""
    return [folder / name for folder in folders for name in subfolders(folder) if name.lower() in MASK_FOLDERS]


def beside(files: Sequence[Path]) -> Masks:
    """Of the image files of a class, those that are masks of others in the same folder."""
    by_place: dict[Path, list[Path]] = {}
    for file in files:
        by_place.setdefault(file.with_suffix(""), []).append(file)
    found: dict[Path, list[Path]] = {}
    for file in files:
        match = SUFFIX.fullmatch(file.stem)
        if match and (pictures := by_place.get(file.with_name(match["stem"]))):
            found.setdefault(_photographed(pictures), []).append(file)
        elif file.suffix.lower() in _DRAWN and (picture := _photographed(by_place[file.with_suffix("")])) != file:
            found.setdefault(picture, []).append(file)
    return {picture: tuple(masks) for picture, masks in found.items()}


def in_homes(pictures: Sequence[Path], class_folder: Path, mask_homes: Sequence[Path], part_folder: str) -> Masks:
    """Of the pictures of a class, the masks in the folders of masks `mask_homes` or in those within the class."""
    found: Masks = {}
    places = [_of_class(home, class_folder.name, part_folder) for home in mask_homes]
    for masks, below in [*places, *((images_below(home), home) for home in homes(class_folder))]:
        by_place = _by_place(masks, below)
        for picture in pictures:
            place = picture.relative_to(class_folder).with_suffix("")
            if picture not in found and (own := by_place.get(place)):
                found[picture] = own
    return found


def _photographed(files: Sequence[Path]) -> Path:
    """Of files of one name, the one that is no drawing, else the first."""
    return next((file for file in files if file.suffix.lower() in _PHOTOGRAPHED), files[0])


def _of_class(home: Path, class_name: str, part_folder: str) -> tuple[list[Path], Path]:
    """The mask files for a class in a folder of masks, and the folder that their places are relative to."""
    for folder in (home / class_name, named(home, class_name), named(named(home, part_folder), class_name)):
        if folder.is_dir():
            return images_below(folder), folder
    return images_in(home), home


def _by_place(masks: Sequence[Path], below: Path) -> dict[Path, tuple[Path, ...]]:
    """The masks of each picture's place: those with a suffix, else the one of its name, else all in its folder."""
    suffixed: dict[Path, list[Path]] = {}
    plain: dict[Path, list[Path]] = {}
    folders: dict[Path, list[Path]] = {}
    for mask in masks:
        place = mask.relative_to(below).with_suffix("")
        match = SUFFIX.fullmatch(place.name)
        if match:
            suffixed.setdefault(place.with_name(match["stem"]), []).append(mask)
        plain.setdefault(place, []).append(mask)
        folders.setdefault(place.parent, []).append(mask)
    return {place: tuple(own) for place, own in {**folders, **plain, **suffixed}.items()}
