"""Whole files below one root: a local folder, or a URI that pyarrow's file systems know.

A file is written aside, synced and renamed (one PUT on an object store), so a reader sees whole files only, whatever is
killed; folders that are made on the way to it are synced too. Names that begin with a dot are files in the making, and
are never read.
"""

import contextlib
import errno
import itertools
import os
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.fs import (
    AwsStandardS3RetryStrategy,
    FileInfo,
    FileSelector,
    FileSystem,
    FileType,
    GcsFileSystem,
    LocalFileSystem,
    S3FileSystem,
)

from orchestrator.errors import InputError, RunError
from orchestrator.words import one_line

S3_ATTEMPTS = 5  # at a request, which take some ten seconds where nothing listens, and a minute where nothing answers
GS_PATIENCE = timedelta(minutes=1)


class Storage:
    """Files below `root`, named by the parts of their path. Raises InputError where there can be no such place.

    Whatever then cannot be written or read raises RunError: the run must end, and what is written stays.
    """

    def __init__(self, root: str):
        self.root = root
        self.fs, self.base = _open(root)
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def create(self):
        """Proves that the root can be written, by writing and removing a small file; returns itself. Raises InputError
        where it cannot."""
        probe = f".probe-{uuid.uuid4().hex}"
        try:
            self._write(self.path(probe), b"defectsweep")
            self.fs.delete_file(self.path(probe))
        except OSError as error:
            raise InputError(
                f"--output {self.root} cannot be written ({reason(error)}). Name a folder that can."
            ) from None
        return self

    def path(self, *parts: str) -> str:
        """A path in the file system `fs`."""
        return "/".join([self.base, *parts])

    def uri(self, *parts: str) -> str:
        """The same as other programs want it: a local path, or a URI with its options."""
        if "://" not in self.root:
            return self.path(*parts)
        place, mark, options = self.root.partition("?")
        return "/".join([place.rstrip("/"), *parts]) + mark + options

    def write(self, data: bytes, *parts: str) -> None:
        """Puts a whole file in place of the one before, or leaves that as it is and raises RunError."""
        with self._saying(f"writing {'/'.join(parts)}"):
            self._write(self.path(*parts), data)

    def read(self, *parts: str) -> bytes | None:
        """A file's content; None where there is no such file. Raises PermissionError where that file alone is closed
        to us."""
        try:
            with self._saying(f"reading {'/'.join(parts)}", besides=(FileNotFoundError, PermissionError)):
                with self.fs.open_input_stream(self.path(*parts), compression=None) as stream:
                    return stream.read()
        except FileNotFoundError:
            return None

    def files(self, *parts: str) -> list[FileInfo]:
        """Every file in or below a folder, in the order of their paths; none where there is no such folder."""
        whole = (info for info in self.listing(*parts) if info.is_file and not info.base_name.startswith("."))
        return sorted(whole, key=lambda info: info.path)

    def listing(self, *parts: str, recursive: bool = True) -> list[FileInfo]:
        """All that there is below a folder, files in the making too; nothing where there is, or can be, no such
        folder."""
        where = FileSelector(self.path(*parts), recursive=recursive, allow_not_found=True)
        with self._saying(f"listing {'/'.join(parts) or 'it'}"):
            try:
                return self.fs.get_file_info(where)
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                return []

    def info(self, *parts: str) -> FileInfo:
        """What there is under a name, if anything."""
        with self._saying(f"looking for {'/'.join(parts)}"):
            return self.fs.get_file_info(self.path(*parts))

    def delete(self, *parts: str) -> None:
        """Removes a file, if it is there."""
        with self._saying(f"removing {'/'.join(parts)}"), contextlib.suppress(FileNotFoundError):
            self.fs.delete_file(self.path(*parts))

    def delete_folder(self, *parts: str) -> None:
        """Removes a folder and all that is in it, if it is there."""
        if self.info(*parts).type == FileType.Directory:
            with self._saying(f"removing {'/'.join(parts)}"):
                self.fs.delete_dir(self.path(*parts))

    def _write(self, path: str, data: bytes) -> None:
        if not self.is_local:
            content = pa.py_buffer(data)  # an error after the file is open would leave an empty one
            if not isinstance(self.fs, S3FileSystem):  # whose folders are but names
                self.fs.create_dir(path.rsplit("/", 1)[0], recursive=True)
            with self.fs.open_output_stream(path) as stream:
                stream.write(content)
            return
        put_whole(Path(path), data)

    @contextlib.contextmanager
    def _saying(self, deed: str, besides: tuple[type[OSError], ...] = (FileNotFoundError,)) -> Iterator[None]:
        """Makes a fault of the storage, `besides` those that its caller answers, one line that says what was being
        done."""
        try:
            yield
        except besides:
            raise
        except OSError as error:
            raise RunError(
                f"--output {self.root}: {reason(error)}, while {deed}. Every row that was finished is kept; "
                "mend this, and run the same command again."
            ) from error


def put_whole(path: Path, data: bytes) -> None:
    """Puts a local file in place of the one before, whole and synced, or leaves that as it is and raises OSError."""
    _make_folder(path.parent)
    aside = path.parent / f".{path.name}.{uuid.uuid4().hex}.tmp"
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    _sync_folder(path.parent)


def reason(error: Exception) -> str:
    """An error of the storage in a few words."""
    text = getattr(error, "strerror", None) or one_line(error)
    return re.sub(r"^When .*?: AWS Error | \(Request ID: \w+\)", "", text)


def _open(root: str) -> tuple[FileSystem, str]:
    """The file system of a root, and the path of the root in it."""
    try:
        if "://" in root:
            fs, base = FileSystem.from_uri(root)
        else:
            fs, base = LocalFileSystem(), str(Path(root).expanduser().absolute())
        if not root.strip() or not base:
            raise ValueError("names no place")
        if "\0" in base:
            raise ValueError("has a zero byte in it")
        base.encode()
    except (ValueError, NotImplementedError, RuntimeError, OSError) as error:
        why = "is not UTF-8" if isinstance(error, UnicodeEncodeError) else reason(error).rstrip(".")
        raise InputError(f"--output {root!r}: {why}. A path, s3:// or gs:// is expected.") from None
    return _steady(fs), base


def _steady(fs: FileSystem) -> FileSystem:
    """The same, that gives a store up after a minute; its S3 puts a small file in one request instead of three."""
    if isinstance(fs, S3FileSystem):
        retries = AwsStandardS3RetryStrategy(max_attempts=S3_ATTEMPTS)
        return S3FileSystem(**{**_options(fs), "retry_strategy": retries, "allow_delayed_open": True})
    if isinstance(fs, GcsFileSystem):
        return GcsFileSystem(**{**_options(fs), "retry_time_limit": GS_PATIENCE})
    return fs


def _options(fs: FileSystem) -> dict[str, Any]:
    """What it was made with, as it would be pickled."""
    _, (options,) = fs.__reduce__()
    return options


def _make_folder(folder: Path) -> None:
    """With its parents, each of which then is as lasting as what is put there."""
    missing = list(itertools.takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
