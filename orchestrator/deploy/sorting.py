"""Where a watched picture goes by its verdict: DIR/good, DIR/defective, or DIR/not-judged, moved or linked.

The place is chosen before the row is kept, and is in it; the picture goes there after. So after a kill the row says
what is left to do, and doing it twice is doing it once.
"""

import contextlib
import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestrator.deploy.record import WatchedRow

MOVE, LINK = "move", "link"
NOT_JUDGED = "not-judged"


@dataclass(frozen=True)
class Sorting:
    """Into which folder, and how: MOVE or LINK."""

    root: Path  # absolute
    how: str

    def place(self, verdict: str | None, name: str, taken: set[str]) -> dict[str, str]:
        """The column of a row that says where its picture goes: where nothing lies yet, and none of `taken` goes, to
        which it is added."""
        wished = self.root / (verdict or NOT_JUDGED) / name
        free, number = wished, 1
        while str(free) in taken or os.path.lexists(free):
            number += 1
            free = wished.with_stem(f"{wished.stem}-{number}")
        taken.add(str(free))
        return {"moved_to" if self.how == MOVE else "linked_to": str(free)}


def carry_out(row: WatchedRow, path: str) -> None:
    """Brings the picture of a row, which lies at `path`, to its place, if that is not done yet. Raises OSError."""
    place = row.moved_to or row.linked_to
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if row.linked_to:
        if not os.path.lexists(place):
            os.symlink(path, place)
        return
    with contextlib.suppress(FileNotFoundError):  # taken away by somebody else
        _move(path, place)


def _move(path: str, place: str) -> None:
    try:
        os.replace(path, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        aside = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.tmp")
        shutil.copy2(path, aside)
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, place)
        os.unlink(path)
