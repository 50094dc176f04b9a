"""Parquet files of rows: their levels, what makes their rows ours, and which of several copies of a row counts. Pure.

A trial has its own file; a job's trials share one, as its scores and its pictures do; compaction merges the files of
many jobs. After a crash a row may lie in files of several levels: the first of them counts.
"""

import dataclasses
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from orchestrator.results.rows import ROW_TYPES, arrow_schema
from orchestrator.words import cell

OWN, JOB, MERGED = range(3)  # the levels, the first to believe first
UNIT = {"leaderboard": "job_id", "trials": "trial_id", "scores": "job_id", "pictures": "job_id"}  # comes from one file
JOB_ORDER = ["dataset", "category", "model", "job_id"]
WITHIN_JOB = {"leaderboard": [], "trials": ["index"], "scores": ["path"], "pictures": ["path"]}
OWN_INDEX = re.compile(r"-t\d{4,}$")  # as Job.trial_id ends


class RowFile(NamedTuple):
    """A file of rows, as it was when it was listed."""

    level: int
    path: str  # below the output's root
    size: int
    mtime_ns: int

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2].removesuffix(".parquet")

    @property
    def job_id(self) -> str:
        """The job whose rows it holds; of a merged file, nothing."""
        return "" if self.level == MERGED else OWN_INDEX.sub("", self.name)


def level(kind: str, path: str) -> int:
    """Of a path below the output's root."""
    if path.count("/") == 1:
        return MERGED
    return OWN if kind == "trials" and OWN_INDEX.search(path.removesuffix(".parquet")) else JOB


def best_first(files: Iterable[RowFile]) -> list[RowFile]:
    """Own files, jobs' files, merged files with the newest first."""
    return sorted(files, key=lambda file: (file.level, -file.mtime_ns if file.level == MERGED else 0, file.path))


def to_table(row_type: type, rows: Iterable) -> pa.Table:
    """Rows of one type as an Arrow table of its schema."""
    return pa.Table.from_pylist([dataclasses.asdict(row) for row in rows], schema=arrow_schema(row_type))


def for_spreadsheets(table: pa.Table) -> pa.Table:
    """The same with its texts as words.cell writes them."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = [text if text is None else cell(text) for text in table[i].to_pylist()]
            table = table.set_column(i, field, pa.array(texts, field.type))
    return table


def each_once(kind: str, tables: Iterable[pa.Table]) -> pa.Table:
    """The rows of several files together; a unit that lies in more than one comes from the first."""
    tables = list(tables)
    rows = pa.concat_tables([arrow_schema(ROW_TYPES[kind]).empty_table(), *tables])
    if len(tables) < 2 or not rows.num_rows:
        return rows
    unit = rows[UNIT[kind]].combine_chunks().dictionary_encode().indices.to_numpy()
    file = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    first = np.empty(unit.max() + 1, int)
    first[unit[::-1]] = file[::-1]  # of equal indices the last assignment stands
    counts = file == first[unit]
    return rows if counts.all() else rows.filter(pa.array(counts))


def in_order(kind: str, rows: pa.Table) -> pa.Table:
    """The rows by job, and within each as they came to be."""
    return rows.sort_by([(name, "ascending") for name in [*JOB_ORDER, *WITHIN_JOB[kind]]])


def read(source: pa.NativeFile, kind: str, wanted: list[tuple]) -> pa.Table:
    """The rows of a Parquet file that meet all conditions; what it is too old to have is null. Raises ValueError where
    they can be none of ours."""
    schema, file = arrow_schema(ROW_TYPES[kind]), pq.ParquetFile(source)
    names = _fitting(file, schema)
    if wanted:
        rows = pq.read_table(source, columns=names, filters=wanted, partitioning=None)
    else:
        rows = file.read(names, use_threads=file.num_row_groups > 1)
    rows.validate(full=True)  # no text that is not UTF-8
    if rows.schema.equals(schema):
        return rows.replace_schema_metadata(None)
    return pa.concat_tables([schema.empty_table(), rows], promote_options="default").select(schema.names).cast(schema)


def lazily(source: pa.NativeFile, kind: str) -> pyarrow.dataset.Dataset:
    """The same, to be read later. The file stays open, so that it can be read when it has been deleted."""
    schema = arrow_schema(ROW_TYPES[kind])
    _fitting(pq.ParquetFile(source), schema)
    parquet = pyarrow.dataset.ParquetFileFormat()
    return pyarrow.dataset.FileSystemDataset([parquet.make_fragment(source)], schema, parquet)


def _fitting(file: pq.ParquetFile, schema: pa.Schema) -> list[str]:
    """The columns of `schema` that a file has. Raises ValueError where its rows can be none of ours."""
    found = file.schema_arrow
    for field in schema:
        place = found.get_field_index(field.name)
        if place < 0 and not field.nullable:
            raise ValueError(f"no column {field.name}")
        if place >= 0 and found.field(place).type not in (field.type, pa.null()):
            raise ValueError(f"column {field.name} is {found.field(place).type}, {field.type} is expected")
    return [name for name in schema.names if name in found.names]
