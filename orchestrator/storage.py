"""Whole files below one root: a local folder, or a URI that pyarrow's file systems know.

A file is written aside, synced and renamed (one PUT on an object store), so a reader sees whole files only, whatever is
killed. Names that begin with a dot are files in the making, and are never read.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, LocalFileSystem

from orchestrator.errors import InputError, RunError


class Storage:
    """Files below `root`, named by the parts of their path. Raises InputError where a URI is of no known kind.

    Whatever then cannot be written raises RunError: the run must end, and what is written stays.
    """

    def __init__(self, root: str):
        self.root = root
        if "://" in root:
            try:
                self.fs, self.base = FileSystem.from_uri(root)
            except (ValueError, NotImplementedError, OSError) as error:
                raise InputError(f"--output {root}: {reason(error)}. A path, s3:// or gs:// is expected.") from None
        else:
            self.fs, self.base = LocalFileSystem(), str(Path(root).expanduser().absolute())
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
        """A file's content; None where there is no such file."""
        try:
            with self.fs.open_input_stream(self.path(*parts), compression=None) as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def files(self, *parts: str) -> list[FileInfo]:
        """Every file in or below a folder, in the order of their paths; none where there is no such folder."""
        found = self.fs.get_file_info(FileSelector(self.path(*parts), recursive=True, allow_not_found=True))
        whole = (info for info in found if info.is_file and not info.base_name.startswith("."))
        return sorted(whole, key=lambda info: info.path)

    def delete(self, *parts: str) -> None:
        """Removes a file, if it is there."""
        with self._saying(f"removing {'/'.join(parts)}"), contextlib.suppress(FileNotFoundError):
            self.fs.delete_file(self.path(*parts))

    def delete_folder(self, *parts: str) -> None:
        with self._saying(f"removing {'/'.join(parts)}"):
            if self.fs.get_file_info(self.path(*parts)).type == FileType.Directory:
                self.fs.delete_dir(self.path(*parts))

    def _write(self, path: str, data: bytes) -> None:
        folder, name = path.rsplit("/", 1)
        if not self.is_local:
            if not isinstance(self.fs, pyarrow.fs.S3FileSystem):  # whose folders are but names
                self.fs.create_dir(folder, recursive=True)
            with self.fs.open_output_stream(path) as stream:
                stream.write(data)
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        aside = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
        try:
            with open(aside, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        _sync_folder(folder)

    @contextlib.contextmanager
    def _saying(self, deed: str) -> Iterator[None]:
        """Makes a fault of the storage one line that says what was being done."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise RunError(
                f"--output {self.root}: {reason(error)}, while {deed}. Every row that was finished is kept; "
                "mend this, and run the same command again."
            ) from error


def reason(error: Exception) -> str:
    """An error of the storage in a few words."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
