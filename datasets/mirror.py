"""Data at a URI, as a local folder: its tree at once, each picture when it is first read.

A URI is listed, and in a folder of this machine's cache a file is made for each of its files: of its size and time, but
hollow, which its mode says (nobody may read it). Those that list pictures (LISTS) are fetched at once, others when they
are first asked for. So readers see a folder like any other, a worker fetches only the categories that it trains on, and
a machine each picture once: until size or time at the URI are others. Where a server tells no time, as over http, a new
list forgets what was fetched.
"""

import os
import stat
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from datasets.sample import DataError

if TYPE_CHECKING:  # else imported where there is a URI: verbs that read no data start without them
    from pyarrow.fs import FileInfo, FileSystem

LISTS = frozenset({".csv", ".parquet"})  # what readers open by themselves
FRESH_S = 60.0  # a list is good for so long
AT_ONCE = 16  # requests
_BY_PYARROW = frozenset({"s3", "gs", "gcs", "abfs", "abfss", "hdfs", "file"})  # schemes; all others by fsspec


@dataclass
class Mirror:
    """A folder that stands for a URI, and the file in it that the URI names, if it names one."""

    uri: str
    folder: Path
    fs: "FileSystem"
    base: str  # of the folder, in `fs`
    file: str = ""
    listed_at: float = float("-inf")

    def update(self) -> None:
        """Makes the tree what it is at the URI now. Raises DataError where it cannot be listed, or holds no file, and
        where there is no room for it here."""
        files = self._list()
        try:
            self._take_over(files)
        except OSError as error:
            raise self._wrong(f"its copy in {self.folder} cannot be written: {_reason(error)}") from None
        self.listed_at = time.monotonic()

    def _take_over(self, files: "dict[str, FileInfo]") -> None:
        for name, info in files.items():
            path = self.folder / name
            if not _stands_for(path, info):
                _put(path, None, info.size or 0, info.mtime_ns or 0)
            if path.suffix.lower() in LISTS:
                self.content(path)
        for path in sorted(self.folder.rglob("*"), reverse=True):  # a folder behind all that is in it
            if path.is_dir():
                _remove_if_empty(path)
            elif path.relative_to(self.folder).as_posix() not in files:
                path.unlink(missing_ok=True)

    def content(self, path: Path) -> bytes:
        """Of a file in the folder. Raises DataError where it cannot be fetched, OSError where there is none."""
        known, name = path.stat(), path.relative_to(self.folder).as_posix()
        if not _is_hollow(known):
            return path.read_bytes()
        try:
            with self.fs.open_input_stream(f"{self.base}/{name}", compression=None) as stream:
                data = stream.read()
            _put(path, data, len(data), known.st_mtime_ns)
        except OSError as error:
            raise self._wrong(f"{name} cannot be read, or kept here: {_reason(error)}") from None
        return data

    def _list(self) -> "dict[str, FileInfo]":
        """The files at the URI, by their paths below it."""
        from pyarrow.fs import FileSelector, FileType

        try:
            found = self.fs.get_file_info(FileSelector(self.base, recursive=True))
        except OSError as error:
            raise self._wrong(_reason(error)) from None
        files = {info.path[len(self.base) :].strip("/"): info for info in found if info.type == FileType.File}
        unsized = [name for name, info in files.items() if info.size is None]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            files |= zip(unsized, pool.map(self.fs.get_file_info, [files[name].path for name in unsized]), strict=True)
        for name in files:
            if {"", ".", ".."} & set(name.split("/")):
                raise self._wrong(f"{name!r} is no path that can stand in a folder")
        if not files:
            raise self._wrong("no file is there")
        return files

    def _wrong(self, found: str) -> DataError:
        expected = "expected a folder that this machine may read; check --data-root"
        return DataError(f"data root {self.uri}: {found}; {expected}")


_MIRRORS: dict[str, Mirror] = {}  # by URI
_LOCK = threading.Lock()


def is_uri(root: str | Path) -> bool:
    """Whether a data root is no local path."""
    return "://" in str(root)


def local(uri: str) -> Path:
    """The folder that stands for a URI; where that names a file, the file in it. Raises DataError where there is no
    such place."""
    with _LOCK:
        mirror = _MIRRORS.get(uri) or _of(uri)
        if time.monotonic() - mirror.listed_at > FRESH_S:
            mirror.update()
        _MIRRORS[uri] = mirror
    return mirror.folder / mirror.file


def content(path: Path) -> bytes:
    """Of a local file, or of one in a mirror of this process. Raises DataError where that cannot be fetched, OSError
    where there is none."""
    mirror = _mirror_of(path)
    return mirror.content(path) if mirror else path.read_bytes()


def is_mirrored(path: Path) -> bool:
    """Whether a file may be hollow because nobody has asked for it yet."""
    return _mirror_of(path) is not None


def _mirror_of(path: Path) -> Mirror | None:
    return next((mirror for mirror in tuple(_MIRRORS.values()) if path.is_relative_to(mirror.folder)), None)


def _of(uri: str) -> Mirror:
    """Not listed yet."""
    import fsspec
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    try:
        if urlsplit(uri).scheme in _BY_PYARROW:
            fs, base = FileSystem.from_uri(uri)
        else:
            fsspec_fs, base = fsspec.core.url_to_fs(uri)
            fs = PyFileSystem(FSSpecHandler(fsspec_fs))
    except (ValueError, NotImplementedError, ImportError, OSError) as error:
        expected = "expected DIR, s3://, gs:// or http://; check --data-root"
        raise DataError(f"data root {uri}: {_reason(error)}; {expected}") from None
    if Path(urlsplit(uri).path).suffix.lower() in LISTS:
        base, _, file = base.rpartition("/")
        return Mirror(uri, _folder(uri.rpartition("/")[0]), fs, base, file)
    return Mirror(uri, _folder(uri), fs, base.rstrip("/"))


def _folder(uri: str) -> Path:
    """Its place in the cache, by a name that says what it is."""
    parts = urlsplit(uri)
    options = "@" + sha256(parts.query.encode()).hexdigest()[:8] if parts.query else ""
    where = [part for part in (parts.netloc.rpartition("@")[2] + parts.path).split("/") if part not in ("", ".", "..")]
    return _cache() / "data" / parts.scheme / Path(*where, options)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "defectsweep"


def _is_hollow(known: os.stat_result) -> bool:
    return not known.st_mode & stat.S_IRUSR


def _stands_for(path: Path, info: "FileInfo") -> bool:
    """Whether a local file is the one at the URI, or a hollow one for it."""
    try:
        known = path.stat()
    except OSError:
        return False
    if info.mtime_ns is None:
        return _is_hollow(known) and known.st_size == info.size
    return known.st_mtime_ns == info.mtime_ns and known.st_size == info.size


def _put(path: Path, data: bytes | None, size: int, time_ns: int) -> None:
    """Writes a file whole, or a hollow one."""
    aside = _cache() / "in the making" / uuid.uuid4().hex
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.write_bytes(data or b"")
    if data is None:
        os.truncate(aside, size)
        aside.chmod(stat.S_IWUSR)
    os.utime(aside, ns=(time_ns, time_ns))
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(aside, path)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # it is not
        pass


def _reason(error: Exception) -> str:
    """In one line."""
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
