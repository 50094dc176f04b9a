"""Which files of a watched folder are new and whole. Pure: a look is what lies there, each file with its identity.

A file that is being written grows, or its time changes, so it is left until two looks in a row find it the same. A
writer may pause: what then cannot be judged is tried once more, when it has lain still for PATIENCE_S, and only then
is it believed to be no picture. A file under an old name is new if its size or time is another.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

PATIENCE_S = 10.0


class Identity(NamedTuple):
    """Of a file's content, without reading it."""

    file_bytes: int
    modified_ns: int


def identity(path: str) -> Identity | None:
    """None where there is no such file."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return Identity(about.st_size, about.st_mtime_ns)


@dataclass
class Waiting:
    """A file that is not judged yet."""

    identity: Identity
    since_s: float  # when it was first seen so
    has_failed: bool = False


class Arrivals:
    """The files that are judged, by path, and those that wait."""

    def __init__(self, judged: Mapping[str, Identity]):
        self.judged = dict(judged)
        self.waiting: dict[str, Waiting] = {}

    def due(self, look: Mapping[str, Identity], now_s: float) -> list[str]:
        """The files to judge now, in the order of a look at `now_s`."""
        before, self.waiting = self.waiting, {}
        for path, found in look.items():
            if self.judged.get(path) != found:
                known = before.get(path)
                self.waiting[path] = known if known and known.identity == found else Waiting(found, now_s)
        return [path for path, one in self.waiting.items() if path in before and self._is_due(before[path], one, now_s)]

    def _is_due(self, before: Waiting, now: Waiting, now_s: float) -> bool:
        return before is now and (not now.has_failed or now_s - now.since_s >= PATIENCE_S)

    def failed(self, path: str) -> bool:
        """Notes that a file that was due could not be judged. Whether that is to be believed: it was tried before."""
        waiting = self.waiting[path]
        was_tried, waiting.has_failed = waiting.has_failed, True
        return was_tried

    def close(self, path: str) -> None:
        """Notes that a file is judged, as it was seen."""
        self.judged[path] = self.waiting.pop(path).identity

    def forget(self, path: str) -> None:
        """Notes that a judged file has left the folder for good."""
        del self.judged[path]
