"""Rows, and where they live: the only file that knows the layout of an output folder.

A trial, a finished job, a test image's score and a few pictures each leave rows in immutable Parquet files. A file is
written aside, synced and renamed (one PUT on an object store), and its name is its rows' identity: a repeated write
replaces, never doubles, and a reader sees whole files only. Any number of processes may write to one output at once,
without a lock.
"""

import dataclasses
import json
import os
import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from orchestrator.errors import InputError
from orchestrator.rows import ROW_TYPES, JobRow, PictureRow, Provenance, ScoreRow, TrialRow, arrow_schema


def safe_name(text: str) -> str:
    """A name that is one path segment everywhere, and still readable."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", text).strip("._") or "_"


class Output:
    """An output root: a local path, or a URI that pyarrow's file systems know (s3://, gs://, hdfs://).

    Raises InputError where the URI is of no known kind, or (only `create`) where it cannot be written.
    """

    def __init__(self, root: str):
        self.root = root
        if "://" in root:
            try:
                self.fs, self.base = pa.fs.FileSystem.from_uri(root)
            except (ValueError, NotImplementedError, OSError) as error:
                raise InputError(f"--output {root}: {_reason(error)}. A path, s3:// or gs:// is expected.") from None
        else:
            self.fs, self.base = pa.fs.LocalFileSystem(), str(Path(root).expanduser().absolute())
        self.is_local = isinstance(self.fs, pa.fs.LocalFileSystem)

    def create(self) -> "Output":
        """Proves that the root can be written, by writing and removing a small file."""
        probe = self.path(f".probe-{uuid.uuid4().hex}")
        try:
            self._write(probe, b"defectsweep")
            self.fs.delete_file(probe)
        except OSError as error:
            raise InputError(
                f"--output {self.root} cannot be written ({_reason(error)}). Name a folder that can."
            ) from None
        return self

    def path(self, *parts: str) -> str:
        return "/".join([self.base, *parts])

    def uri(self, *parts: str) -> str:
        return "/".join([self.root.rstrip("/") if "://" in self.root else self.base, *parts])

    # -- writing

    def write_trial(self, row: TrialRow) -> None:
        self._write_rows([row], TrialRow, "trials", *_partition(row), f"{row.trial_id}.parquet")

    def write_scores(self, job: JobRow, rows: list[ScoreRow]) -> None:
        self._write_rows(rows, ScoreRow, "scores", *_partition(job), f"{job.job_id}.parquet")

    def write_pictures(self, job: JobRow, rows: list[PictureRow]) -> None:
        self._write_rows(rows, PictureRow, "pictures", *_partition(job), f"{job.job_id}.parquet")

    def write_job(self, row: JobRow) -> None:
        self._write_rows([row], JobRow, "leaderboard", *_partition(row), f"{row.job_id}.parquet")

    def write_note(self, name: str, content: dict) -> None:
        """Keeps a small JSON file: an experiment's description, or a choice that later runs must share."""
        self._write(self.path("experiments", f"{name}.json"), json.dumps(content, indent=2).encode())

    def read_note(self, name: str) -> dict | None:
        path = self.path("experiments", f"{name}.json")
        if self.fs.get_file_info(path).type == pa.fs.FileType.NotFound:
            return None
        with self.fs.open_input_stream(path) as stream:
            return json.loads(stream.read())

    def write_checkpoint(self, job_id: str, files: dict[str, bytes]) -> str:
        """Keeps a checkpoint's files; returns the place that the job's row names."""
        for name, content in files.items():
            self._write(self.path("checkpoints", job_id, name), content)
        return f"checkpoints/{job_id}"

    def delete_folder(self, *parts: str) -> None:
        if self.fs.get_file_info(self.path(*parts)).type == pa.fs.FileType.Directory:
            self.fs.delete_dir(self.path(*parts))

    def delete_job(self, dataset: str, category: str, model: str, job_id: str) -> None:
        """Removes everything that one job has left (`--fresh`)."""
        self.delete_folder("checkpoints", job_id)
        for info in self.fs.get_file_info(pa.fs.FileSelector(self.path("ray", "train"), allow_not_found=True)):
            if info.base_name.startswith(job_id):
                self.fs.delete_dir(info.path)
        for kind in ROW_TYPES:
            for info in self._files(self.path(kind, *partition(dataset, category, model))):
                if info.base_name.startswith(job_id):
                    self.fs.delete_file(info.path)

    def _write_rows(self, rows: list, row_type: type, *parts: str) -> None:
        table = pa.Table.from_pylist([dataclasses.asdict(row) for row in rows], schema=arrow_schema(row_type))
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        self._write(self.path(*parts), sink.getvalue().to_pybytes())

    def _write(self, path: str, data: bytes) -> None:
        folder, name = path.rsplit("/", 1)
        if not self.is_local:
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

    # -- reading

    def trials(self) -> list[TrialRow]:
        return self._read("trials", TrialRow, "trial_id")

    def jobs(self) -> list[JobRow]:
        return self._read("leaderboard", JobRow, "job_id")

    def table(self, kind: str, *folders: str) -> pa.Table:
        """All rows of `kind`, or those below its `partition` folders, as one Arrow table. Kinds: those of ROW_TYPES.

        A column that a file is too old to have is null in its rows; raises ValueError where it must not be.
        """
        schema = arrow_schema(ROW_TYPES[kind])
        files = [info.path for info in self._files(self.path(kind, *folders)) if info.base_name.endswith(".parquet")]
        tables = [pq.read_table(self.fs.open_input_file(path), partitioning=None) for path in sorted(files)]
        merged = pa.concat_tables([schema.empty_table(), *tables], promote_options="default")
        return merged.select(schema.names).cast(schema)

    def _read(self, kind: str, row_type: type, identity: str) -> list:
        rows = [row_type(**values) for values in self.table(kind).to_pylist()]
        return list({getattr(row, identity): row for row in rows}.values())

    def _files(self, folder: str) -> Iterable[pa.fs.FileInfo]:
        found = self.fs.get_file_info(pa.fs.FileSelector(folder, recursive=True, allow_not_found=True))
        return [info for info in found if info.is_file and not info.base_name.startswith(".")]


def partition(dataset: str, category: str, model: str) -> tuple[str, str, str]:
    """The Hive-style folders of a job: names are percent-encoded, so none of them can leave the output folder."""
    return tuple(
        f"{key}={quote(value, safe='')}"
        for key, value in [("dataset", dataset), ("category", category), ("model", model)]
    )


def _partition(row: Provenance) -> tuple[str, str, str]:
    return partition(row.dataset, row.category, row.model)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
