"""Rows, and where they live: the only file that knows the layout of an output folder.

A trial, a finished job, a test image's score and a few pictures each leave rows in immutable Parquet files. A file's
name is its rows' identity: a repeated write replaces, never doubles. Any number of processes may write to one output at
once, without a lock.
"""

import dataclasses
import json
import re
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from orchestrator.rows import ROW_TYPES, JobRow, PictureRow, Provenance, ScoreRow, TrialRow, arrow_schema
from orchestrator.storage import Storage


def safe_name(text: str) -> str:
    """A name that is one path segment everywhere, and still readable."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", text).strip("._") or "_"


class Output(Storage):
    """The rows of an output root, each kind in its place."""

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
        self.write(json.dumps(content, indent=2).encode(), "experiments", f"{name}.json")

    def read_note(self, name: str) -> dict | None:
        content = self.read("experiments", f"{name}.json")
        return None if content is None else json.loads(content)

    def write_checkpoint(self, job_id: str, files: dict[str, bytes]) -> str:
        """Keeps a checkpoint's files; returns the place that the job's row names."""
        for name, content in files.items():
            self.write(content, "checkpoints", job_id, name)
        return f"checkpoints/{job_id}"

    def delete_job(self, dataset: str, category: str, model: str, job_id: str) -> None:
        """Removes everything that one job has left (`--fresh`)."""
        self.delete_folder("checkpoints", job_id)
        for info in self.fs.get_file_info(FileSelector(self.path("ray", "train"), allow_not_found=True)):
            if info.base_name.startswith(job_id):
                self.fs.delete_dir(info.path)
        for kind in ROW_TYPES:
            for info in self.files(kind, *partition(dataset, category, model)):
                if info.base_name.startswith(job_id):
                    self.fs.delete_file(info.path)

    def _write_rows(self, rows: list, row_type: type, *parts: str) -> None:
        table = pa.Table.from_pylist([dataclasses.asdict(row) for row in rows], schema=arrow_schema(row_type))
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        self.write(sink.getvalue().to_pybytes(), *parts)

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
        files = [info.path for info in self.files(kind, *folders) if info.base_name.endswith(".parquet")]
        tables = [pq.read_table(self.fs.open_input_file(path), partitioning=None) for path in files]
        merged = pa.concat_tables([schema.empty_table(), *tables], promote_options="default")
        return merged.select(schema.names).cast(schema)

    def _read(self, kind: str, row_type: type, identity: str) -> list:
        rows = [row_type(**values) for values in self.table(kind).to_pylist()]
        return list({getattr(row, identity): row for row in rows}.values())


def partition(dataset: str, category: str, model: str) -> tuple[str, str, str]:
    """The Hive-style folders of a job: names are percent-encoded, so none of them can leave the output folder."""
    return tuple(
        f"{key}={quote(value, safe='')}"
        for key, value in [("dataset", dataset), ("category", category), ("model", model)]
    )


def _partition(row: Provenance) -> tuple[str, str, str]:
    return partition(row.dataset, row.category, row.model)
