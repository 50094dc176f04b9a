"""What a watch has judged, so that a kill at any time loses nothing and doubles nothing.

The Parquet parts in TO/predictions.parquet are the record: rows are appended by putting the last part in place again,
whole, until it is full and the next one begins. So a row is in one part, or in none. The CSV file is drawn from them:
it grows with each batch, and is written anew at the start, when a kill may have cut it short.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from orchestrator.deploy.arrivals import Identity
from orchestrator.deploy.judging import CSV, PARQUET, Prediction
from orchestrator.errors import InputError
from orchestrator.results.row_files import for_spreadsheets, to_table
from orchestrator.results.rows import arrow_schema
from orchestrator.results.storage import put_whole

PART_ROWS = 4096
LOCK = ".watching"


@dataclass(frozen=True, kw_only=True)
class WatchedRow(Prediction):
    """A prediction of a file as it lay in the watched folder; `path` is absolute."""

    file_bytes: int
    modified_ns: int  # since 1970, UTC
    judged_at: str  # ISO 8601, UTC
    moved_to: str | None = None  # where it is sorted into, at the latest when the next batch is judged
    linked_to: str | None = None

    @property
    def identity(self) -> Identity:
        """Of the file that was judged."""
        return Identity(self.file_bytes, self.modified_ns)


SCHEMA = arrow_schema(WatchedRow)


class Record:
    """The rows of a folder of results. One process at a time has it."""

    def __init__(self, to: Path):
        self.to, self.parts = to, sorted((to / PARQUET).glob("part-*.parquet"))
        self.last = _read(self.parts[-1]) if self.parts else SCHEMA.empty_table()

    def judged(self) -> dict[str, Identity]:
        """The files that may still lie in the folder, each as it was judged last: all but those that were moved."""
        names = ["path", "file_bytes", "modified_ns", "moved_to"]
        found = {}
        for part in self.parts:
            stays = _read(part, names).filter(pc.field("moved_to").is_null())
            columns = (stays[name].to_pylist() for name in names[:3])
            found |= {path: Identity(*rest) for path, *rest in zip(*columns, strict=True)}
        return found

    def newest(self, rows: int) -> list[WatchedRow]:
        """The last so many rows, or fewer where the last part holds fewer."""
        return [WatchedRow(**row) for row in self.last.slice(max(0, self.last.num_rows - rows)).to_pylist()]

    def append(self, rows: list[WatchedRow]) -> None:
        """Keeps the rows of a batch."""
        batch = to_table(WatchedRow, rows)
        if not self.parts or self.last.num_rows >= PART_ROWS:
            number = int(self.parts[-1].stem.removeprefix("part-")) + 1 if self.parts else 1
            self.parts.append(self.to / PARQUET / f"part-{number:06}.parquet")
            self.last = SCHEMA.empty_table()
        self.last = pa.concat_tables([self.last, batch])
        content = pa.BufferOutputStream()
        pq.write_table(self.last, content)
        put_whole(self.parts[-1], content.getvalue())
        with open(self.to / CSV, "ab") as file:
            file.write(_lines(batch, header=False))

    def draw_csv(self) -> None:
        """Writes the CSV file anew."""
        aside = self.to / f".{CSV}"
        with open(aside, "wb") as file:
            file.write(_lines(SCHEMA.empty_table(), header=True))
            for part in self.parts:
                file.write(_lines(_read(part), header=False))
        os.replace(aside, self.to / CSV)


@contextlib.contextmanager
def opened(to: Path) -> Iterator[Record]:
    """The record in a folder, begun where there is none. Raises InputError where the folder cannot be written, is of
    another kind, or is another watch's."""
    if (to / PARQUET).is_file():
        raise InputError(f"--to {to} holds what 'predict' has judged without --watch. Name another folder.")
    try:
        (to / PARQUET).mkdir(parents=True, exist_ok=True)
        lock = open(to / LOCK, "w")
    except OSError as error:
        raise InputError(f"--to {to} cannot be written ({error.strerror}). Name a folder that can.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until the process ends, however it does
        except OSError:
            raise InputError(f"--to {to} is another watch's. End that one, or name another folder.") from None
        for torn in (to / PARQUET).glob(".part-*"):
            torn.unlink()
        record = Record(to)
        record.draw_csv()
        yield record


def _lines(table: pa.Table, header: bool) -> bytes:
    content = pa.BufferOutputStream()
    pyarrow.csv.write_csv(for_spreadsheets(table), content, pyarrow.csv.WriteOptions(include_header=header))
    return content.getvalue().to_pybytes()


def _read(part: Path, names: list[str] | None = None) -> pa.Table:
    try:
        rows = pq.read_table(part, columns=names, partitioning=None)
        return rows.cast(pa.schema([SCHEMA.field(name) for name in names or SCHEMA.names]))
    except (pa.ArrowException, ValueError, OSError) as error:
        raise InputError(f"{part} is no part of a watch: {error}. Name another folder for --to.") from None
