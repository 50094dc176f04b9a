"""Memory for decoding: how much this machine, or its container, has, and a share of it that threads take turns in."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

SHARE = 0.5  # of the memory that there is
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container, in bytes


class Budget:
    """So many bytes, of which threads hold some for a while."""

    def __init__(self, total_bytes: int):
        self.total_bytes, self.held_bytes = total_bytes, 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def holding(self, size_bytes: int) -> Iterator[None]:
        """Waits until that many bytes are free, and holds them while the context lasts. Who wants more than there is
        waits for all of it."""
        size_bytes = min(size_bytes, self.total_bytes)
        with self._changed:
            self._changed.wait_for(lambda: self.held_bytes + size_bytes <= self.total_bytes)
            self.held_bytes += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self.held_bytes -= size_bytes
                self._changed.notify_all()


def decoding_budget() -> Budget:
    """For all pictures that this process decodes at a time."""
    return Budget(int(SHARE * memory_bytes()))


def memory_bytes(limits: tuple[str, ...] = LIMITS) -> int:
    """What this machine has, or its container may use where that is less."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in limits:
        with contextlib.suppress(OSError, ValueError):  # "max": no limit
            found.append(int(Path(file).read_text()))
    return min(found)
