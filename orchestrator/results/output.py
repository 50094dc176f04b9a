"""Rows, and where they live: the only file that knows the layout of an output folder.

A trial, a finished job, a test image's score and a few pictures each leave rows in immutable Parquet files of three
levels: a trial's own file, a job's file, and files that compaction has merged. A file's name is its rows' identity: a
repeated write replaces, never doubles. After a crash a row may lie in several levels; the first of them counts. Any
number of processes may write to one output at once, without a lock.
"""

import contextlib
import json
import re
import tempfile
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.dataset import Dataset
from pyarrow.fs import FileType

from orchestrator.results import row_files
from orchestrator.results.row_files import MERGED, UNIT, RowFile, each_once, in_order, to_table
from orchestrator.results.rows import ROW_TYPES, JobRow, PictureRow, Provenance, ScoreRow, TrialRow
from orchestrator.results.storage import Storage, reason

CLAIMS = ("claims",)  # a folder, as the parts of its path below the root: a file for each living sweep
STATES = ("resume",)  # a file for each training under way
TRAIN = ("ray", "train")  # a folder for each refit under way under Ray
GROUP_ROWS = 1 << 17  # of merged files: what is not asked for is passed over in steps of this
REMOTE_READERS = 32  # at a time: a store takes tens of milliseconds to answer
UNREADABLE = (pa.ArrowException, ValueError, OSError)  # what reading a file that holds no rows of ours ends in
Content = TypeVar("Content")


def safe_name(text: str) -> str:
    """A name that is one path segment everywhere, and still readable."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", text).strip("._") or "_"


class Output(Storage):
    """The rows of an output root, each kind in its place. Kinds: those of ROW_TYPES.

    A file that does not hold such rows is not read, and is named in `skipped`: its path below the root, and why.
    """

    def __init__(self, root: str):
        super().__init__(root)
        self.skipped: dict[str, str] = {}

    # -- writing

    def write_trial(self, row: TrialRow) -> None:
        """Keeps a trial's row in a file of its own."""
        self.write_table(to_table(TrialRow, [row]), "trials", *_partition(row), f"{row.trial_id}.parquet")

    def write_scores(self, job: JobRow, rows: list[ScoreRow]) -> None:
        """Keeps the scores of a job's test images, all in one file."""
        self.write_table(to_table(ScoreRow, rows), "scores", *_partition(job), f"{job.job_id}.parquet")

    def write_pictures(self, job: JobRow, rows: list[PictureRow]) -> None:
        """Keeps a job's pictures, all in one file."""
        self.write_table(to_table(PictureRow, rows), "pictures", *_partition(job), f"{job.job_id}.parquet")

    def write_job(self, row: JobRow) -> None:
        """Keeps the row that closes a job."""
        self.write_table(to_table(JobRow, [row]), "leaderboard", *_partition(row), f"{row.job_id}.parquet")

    def write_merged(self, kind: str, table: pa.Table) -> str:
        """Writes rows of many jobs as one file, beside those that are there; returns its path below the root."""
        path = f"{kind}/merged-{uuid.uuid4().hex[:16]}.parquet"
        self.write_table(table, path, row_group_size=GROUP_ROWS, compression="zstd")
        return path

    def write_table(self, table: pa.Table, *parts: str, **options) -> None:
        """Puts a Parquet file in place, whole; `options` are pyarrow's."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **options)
        self.write(sink.getvalue().to_pybytes(), *parts)

    def write_note(self, name: str, content: dict) -> None:
        """Keeps a small JSON file: an experiment's description, or a choice that later runs must share."""
        self.write(json.dumps(content, indent=2).encode(), "experiments", f"{name}.json")

    def read_note(self, name: str) -> dict | None:
        """The content of a note; None where there is no such note."""
        content = self.read("experiments", f"{name}.json")
        return None if content is None else json.loads(content)

    def write_checkpoint(self, job_id: str, files: dict[str, bytes]) -> str:
        """Keeps a checkpoint's files; returns the place that the job's row names."""
        for name, content in files.items():
            self.write(content, *checkpoint_folder(job_id), name)
        return "/".join(checkpoint_folder(job_id))

    def driver_log(self) -> Path:
        """Where a backend's own talk goes: a local file, beside the rows where these are local."""
        return Path(self.base if self.is_local else tempfile.mkdtemp(), "ray", "driver.log")

    def beside(self, name: str) -> str:
        """Where a file that is drawn from the rows goes, unless it is said: into a local output, else to the current
        folder."""
        return self.path(name) if self.is_local else name

    def delete_job(self, dataset: str, category: str, model: str, job_id: str) -> None:
        """Removes everything that one job has left (`--fresh`)."""
        self.delete_folder(*checkpoint_folder(job_id))
        for info in self.files(*STATES):
            if info.base_name.startswith(job_id):
                self.delete(*STATES, info.base_name)
        for info in self.listing(*TRAIN, recursive=False):
            if info.base_name.startswith(job_id):
                self.fs.delete_dir(info.path)
        place = partition(dataset, category, model)
        for kind in ROW_TYPES:
            while self._drop_from_merged(kind, place, job_id):
                pass
            for file in reversed(self.files_of(kind, *place)):
                if file.job_id == job_id:
                    self.delete(file.path)

    def _drop_from_merged(self, kind: str, place: tuple[str, ...], job_id: str) -> bool:
        """Writes each merged file that holds rows of a job again, without them, the oldest first. Whether there was
        any: a compaction may just have written another."""
        merged = [file for file in self.files_of(kind, *place) if file.level == MERGED]
        job = pc.field("job_id") == job_id
        try:
            holding = [file for file, rows in self.tables(kind, merged, *place).items() if rows.filter(job).num_rows]
            for file, rows in reversed(self.tables(kind, holding).items()):
                if (others := rows.filter(~job)).num_rows:
                    self.write_merged(kind, others)
                self.delete(file.path)
        except FileNotFoundError:
            return True
        return bool(holding)

    # -- reading

    def trials(self, *place: str, of: Collection[str] | None = None) -> list[TrialRow]:
        """All trials, or those of one (dataset, category, model), or those `of` some jobs by their ids."""
        return [TrialRow(**values) for values in self._of("trials", place, of).to_pylist()]

    def jobs(self, *place: str, of: Collection[str] | None = None) -> list[JobRow]:
        """The same of finished jobs."""
        return [JobRow(**values) for values in self._of("leaderboard", place, of).to_pylist()]

    def pictures(self, *place: str, of: Collection[str] | None = None) -> list[PictureRow]:
        """The same of the pictures that jobs have left."""
        return [PictureRow(**values) for values in self._of("pictures", place, of).to_pylist()]

    def _of(self, kind: str, place: tuple[str, ...], job_ids: Collection[str] | None) -> pa.Table:
        rows = self.table(kind, *partition(*place))
        return rows if job_ids is None else rows.filter(pc.field("job_id").isin(pa.array(list(job_ids), pa.string())))

    def table(self, kind: str, *folders: str) -> pa.Table:
        """All rows of `kind`, or those below its `partition` folders, as one Arrow table: each once.

        A column that a file is too old to have is null in its rows.
        """
        while True:
            try:
                tables = self.tables(kind, self.files_of(kind, *folders), *folders)
            except FileNotFoundError:  # its rows are in another file by now
                continue
            rows = each_once(kind, tables.values())
            return rows if len({file.level for file in tables}) < 2 else in_order(kind, rows)

    def sources(self, kind: str) -> list[pa.Table | Dataset]:
        """The same rows for a query, each in one source only; a merged file is read as far as the query needs it."""
        while True:
            files = self.files_of(kind)
            merged = [file for file in files if file.level == MERGED]
            if len(merged) != 1:
                return [self.table(kind)]
            try:
                dataset = self._try(merged[0], lambda source: row_files.lazily(source, kind))
                loose = each_once(kind, self.tables(kind, [file for file in files if file.level != MERGED]).values())
            except FileNotFoundError:
                continue
            if dataset is None or not loose.num_rows:
                return [loose if dataset is None else dataset]
            hidden = pc.field(UNIT[kind]).isin(pc.unique(loose[UNIT[kind]]))
            return [loose, dataset.filter(~hidden)]

    def files_of(self, kind: str, *folders: str) -> list[RowFile]:
        """The files that may hold rows of `kind` below its `partition` folders, those that count first.

        A row only moves into a file that is there before the other goes. So a listing is whole if everything that the
        one before it saw is still there.
        """
        before = self._list(kind, folders)
        while True:
            found = self._list(kind, folders)
            if {file.path for file in before} <= {file.path for file in found}:
                return row_files.best_first(found)
            before = found

    def tables(self, kind: str, files: Sequence[RowFile], *folders: str) -> dict[RowFile, pa.Table]:
        """What each file holds below the folders, less the files that are skipped. Raises FileNotFoundError where one
        has gone since it was listed."""
        conditions = [(key, "=", unquote(value)) for key, _, value in (folder.partition("=") for folder in folders)]

        def read(file: RowFile) -> pa.Table | None:
            wanted = conditions if file.level == MERGED else []
            return self._try(file, lambda source: row_files.read(source, kind, wanted))

        with ThreadPoolExecutor(1 if self.is_local else REMOTE_READERS) as pool:
            return {file: rows for file, rows in zip(files, pool.map(read, files), strict=True) if rows is not None}

    def is_there(self, file: RowFile) -> bool:
        """Whether a file is as it was when it was listed."""
        info = self.info(file.path)
        return info.is_file and (info.size, info.mtime_ns or 0) == (file.size, file.mtime_ns)

    def _list(self, kind: str, folders: tuple[str, ...]) -> list[RowFile]:
        infos = self.listing(kind, *folders)
        if folders:
            infos += self.listing(kind, recursive=False)
        files = []
        for info in infos:
            path = info.path.removeprefix(self.base).lstrip("/")
            if not path.endswith(".parquet") or info.base_name.startswith(".") or ".parquet/" in path:
                continue
            if info.is_file:
                files.append(RowFile(row_files.level(kind, path), path, info.size, info.mtime_ns or 0))
            elif info.type == FileType.Directory:
                self.skipped[path] = "a folder; a Parquet file is expected"
        return files

    def _try(self, file: RowFile, read: Callable[[pa.NativeFile], Content]) -> Content | None:
        """What `read` makes of a file; None where the fault is the file's, which is then one of `skipped`. Raises
        RunError where it is the storage's."""
        with self._saying(f"reading {file.path}"):
            if file.level == MERGED:  # large, and often but a part is wanted
                with contextlib.suppress(*UNREADABLE):  # whose fault? That of who fails again below
                    return read(self.fs.open_input_file(self.path(file.path)))
            try:
                content = self.read(file.path)
                if content is None:
                    raise FileNotFoundError(file.path)
            except PermissionError as error:
                self.skipped[file.path] = reason(error)
                return None
            try:
                return read(pa.BufferReader(content))
            except UNREADABLE as error:
                self.skipped[file.path] = reason(error)
                return None


def claim_file(sweep: str) -> tuple[str, ...]:
    """Where a living sweep names the jobs that it holds: the parts of the path below the root, as of all these."""
    return *CLAIMS, f"{sweep}.json"


def state_file(training: str) -> tuple[str, ...]:
    """Where the state of a training lies while it is under way."""
    return *STATES, f"{training}.pt"


def checkpoint_folder(job_id: str) -> tuple[str, ...]:
    """Where a job's detector lies."""
    return "checkpoints", job_id


def partition(*place: str) -> tuple[str, ...]:
    """The Hive-style folders of a (dataset, category, model): names are percent-encoded, so none of them can leave the
    output folder."""
    return tuple(
        f"{key}={quote(value, safe='')}" for key, value in zip(("dataset", "category", "model"), place, strict=False)
    )


def _partition(row: Provenance) -> tuple[str, ...]:
    return partition(row.dataset, row.category, row.model)
