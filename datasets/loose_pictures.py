"""Pictures that no dataset knows, as a camera leaves them: files, and folders of them at any depth.

Hidden files (macOS's `._*` are) and what has no extension of an image are no pictures. A file that is named itself is
one, whatever it is called. A folder is entered once, however many links lead to it, so loops of links end.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets.sample import DataError
from datasets.tree import IMAGE_EXTENSIONS

_LONGEST_NAME_BYTES = 200


@dataclass(frozen=True)
class LoosePicture:
    """One picture of a dump."""

    path: str  # by which it is opened
    name: str  # its path below the place that was asked for: valid UTF-8, and another for each picture in any case


@dataclass
class Dump:
    """What lies in the places that were asked for."""

    pictures: list[LoosePicture] = field(default_factory=list)
    others: int = 0  # files that are no pictures
    closed: list[str] = field(default_factory=list)  # folders that could not be listed, and why


def find(places: Sequence[str], drawn: str, beside: str) -> Dump:
    """The pictures of files and folders, in the order of the places, each once. A folder `drawn` next to a table
    `beside` holds what was drawn of earlier pictures, and is passed over. With several places, a folder's pictures are
    named after the folder too. Raises DataError for a place that is not there, and where there is no picture at all."""
    dump, names = Dump(), _Names()
    seen_folders: set[tuple[int, int]] = set()
    seen_files: set[str] = set()
    for place in places:
        top = Path(place).expanduser()
        if not (top.is_dir() or top.is_file()):
            raise DataError(f"{place} is no file or folder; expected pictures, or folders of them; check its name")
        prefix = top.resolve().name if len(places) > 1 else ""
        for path in _walk(top, dump, seen_folders, drawn, beside) if top.is_dir() else [str(top)]:
            real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            if real not in seen_files:
                seen_files.add(real)
                below = os.path.join(prefix, os.path.relpath(path, top)) if top.is_dir() else top.name
                dump.pictures.append(LoosePicture(path, names.free(readable(below))))
    if not dump.pictures:
        raise DataError(
            f"no picture in {', '.join(places)} ({dump.others} other files); expected "
            f"{', '.join(sorted(IMAGE_EXTENSIONS))}"
        )
    return dump


def below(folder: Path) -> tuple[list[str], list[str]]:
    """The paths of the pictures below a folder, which may be none, and the folders that could not be listed."""
    dump = Dump()
    return list(_walk(folder, dump, set(), drawn="", beside="")), dump.closed


def name_below(folder: Path, path: str) -> str:
    """What a picture below a folder is called, whatever else lies there: the path from there, as valid UTF-8 and short
    enough for a file's name."""
    return _Names().free(readable(os.path.relpath(path, folder)))


def readable(path: str) -> str:
    """A path as valid UTF-8: bytes that are none are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _walk(top: Path, dump: Dump, seen: set[tuple[int, int]], drawn: str, beside: str) -> Iterator[str]:
    """The pictures below a folder, a folder's own before those of its subfolders, sorted by name."""

    def closed(error: OSError) -> None:
        dump.closed.append(f"{error.filename}: {error.strerror}")

    for folder, subfolders, files in os.walk(top, followlinks=True, onerror=closed):
        identity = _identity(folder)
        if identity in seen:
            subfolders.clear()
            continue
        seen.add(identity)
        passed_over = {drawn} if beside in (*files, *subfolders) else set()
        subfolders[:] = sorted(name for name in set(subfolders) - passed_over if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if _is_picture(path):
                yield path
            else:
                dump.others += 1


def _is_picture(path: str) -> bool:
    """By its name, unless it is a pipe or another device; a link that leads nowhere is a picture that cannot be
    read."""
    name = os.path.basename(path)
    looks_like_one = os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS and not name.startswith(".")
    return looks_like_one and (os.path.isfile(path) or not os.path.exists(path))


def _identity(folder: str | Path) -> tuple[int, int]:
    about = os.stat(folder)
    return about.st_dev, about.st_ino


class _Names:
    """Gives each name once: without regard to case, and none is both a file and a folder."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.folders: set[str] = set()

    def free(self, name: str) -> str:
        """The name itself, or the first of NAME-2, NAME-3, ... that is free."""
        folder, _, last = name.rpartition("/")
        stem, extension = os.path.splitext(last)
        stem = stem.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore")
        number, free = 1, os.path.join(folder, stem + extension)
        while free.casefold() in self.files | self.folders:
            number += 1
            free = os.path.join(folder, f"{stem}-{number}{extension}")
        self.files.add(free.casefold())
        self.folders.update(str(parent).casefold() for parent in Path(free).parents)
        return free
