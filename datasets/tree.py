"""Folder trees of images: what every dataset of files shares when it lists its samples.

Names of folders are understood in any case. What an operating system leaves behind is passed over.
"""

import os
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from pathlib import Path

from datasets.sample import DataError

IMAGE_EXTENSIONS = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".jp2", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}
)
MASK_FOLDERS = frozenset({"ground_truth", "gt", "mask", "masks", "label", "labels"})
_LEFT_BEHIND = frozenset({"__macosx", "@eadir", "thumbs.db", "desktop.ini"})  # by systems and network drives
_DEEPEST, _MOST_FOLDERS = 3, 1000  # that are looked through for what is not where it was expected


def nearest_first(wanted: str, names: Iterable[str]) -> list[str]:
    """`names`, the one most like `wanted` first."""
    return sorted(names, key=lambda name: (-SequenceMatcher(None, wanted.lower(), name.lower()).ratio(), name))


def open_root(root: str | Path, archive: str = "") -> Path:
    """The data root, `~` expanded. Raises DataError unless it is a folder with something in it: what `archive` holds,
    where there is one."""
    folder = Path(root).expanduser()
    if not folder.exists():
        raise DataError(f"data root {folder} does not exist; expected a folder of images; check --data-root")
    if not folder.is_dir():
        raise DataError(f"data root {folder} is a file; expected a folder of images; check --data-root")
    if not any(folder.iterdir()):
        expected = f"what {archive} unpacks to" if archive else "a folder of images"
        raise DataError(f"data root {folder} is empty; expected {expected}; check --data-root")
    return folder


def subfolders(folder: Path) -> list[str]:
    """Names of the visible folders in `folder`, sorted; none where it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not is_left_behind(entry.name))


def is_left_behind(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's own."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def named(folder: Path, name: str) -> Path:
    """The folder of that name in `folder`, in any case; one that does not exist where there is none."""
    return folder / next((found for found in subfolders(folder) if found.lower() == name.lower()), name)


def not_here(what: str, folder: Path, expected: str, is_wanted: Callable[[Path], object], cure: str = "") -> DataError:
    """The error that `folder` does not hold `what`, but only other folders; it names one below that does, if near."""
    there = ", ".join(subfolders(folder)) or "no folder"
    return DataError(f"no {what}, only: {there}; expected {expected}; {cure}{deeper(folder, is_wanted)}")


def deeper(folder: Path, is_wanted: Callable[[Path], object]) -> str:
    """The end of an error line: where below `folder` there is what was wanted in it, if anywhere near."""
    level, looked_at = [folder], 0
    for _ in range(_DEEPEST):
        level = [inner / name for inner in level for name in subfolders(inner)][: _MOST_FOLDERS - looked_at]
        looked_at += len(level)
        for inner in level:
            if is_wanted(inner):
                return f"there is one in {inner}; use that as --data-root"
    return "check --data-root"


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
        names[:] = sorted(name for name in names if not (is_left_behind(name) or name.lower() in MASK_FOLDERS))
        found += images_in(Path(place))
    return sorted(found)


def require_category(dataset: str, root: Path, wanted: str, found: list[str]) -> None:
    """Raises DataError, which lists the categories found, the nearest name first, unless `wanted` is one of them."""
    if wanted not in found:
        names = ", ".join(nearest_first(wanted, found))
        raise DataError(f"{dataset} has no category {wanted!r} in {root}; there are: {names}; check --category")
