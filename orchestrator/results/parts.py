"""What a finished job has left beside its row: whether it is still there. What is not, the job makes again: its trials,
and its refit all else."""

import functools
from collections.abc import Iterable

import pyarrow.parquet as pq

from orchestrator.results.compaction import KINDS
from orchestrator.results.output import UNREADABLE, Output, checkpoint_folder, partition
from orchestrator.results.rows import COMPLETED, JobRow

TRIALS, SCORES, PICTURES = "trials", "scores", "pictures"


def damaged(output: Output, rows: Iterable[JobRow]) -> dict[str, str]:
    """Job id -> what of it is missing or cut short, of the completed jobs of `rows` that say what they have left."""
    everywhere = functools.cache(lambda kind: _rows_by_job(output, kind))
    found = {}
    for row in rows:
        if row.status != COMPLETED or row.checkpoint_bytes is None:
            continue
        lost = []
        for kind, least in ((TRIALS, row.trials), (SCORES, 1), (PICTURES, 0)):
            in_own = _rows_in_own_file(output, kind, row)
            is_whole = in_own is not None and in_own >= least
            if not is_whole and not (kind in KINDS and everywhere(kind).get(row.job_id, 0) >= least):
                lost.append(kind)
        if sum(info.size for info in output.files(*checkpoint_folder(row.job_id))) != row.checkpoint_bytes:
            lost.append("checkpoint")
        if lost:
            found[row.job_id] = ", ".join(lost)
    return found


def _rows_in_own_file(output: Output, kind: str, row: JobRow) -> int | None:
    """How many rows the job's own file of a kind says that it holds: at its end, which a file cut short has lost. None
    where there is no such file, or no end."""
    path = output.path(kind, *partition(row.dataset, row.category, row.model), f"{row.job_id}.parquet")
    try:
        return pq.read_metadata(output.fs.open_input_file(path)).num_rows
    except UNREADABLE:
        return None


def _rows_by_job(output: Output, kind: str) -> dict[str, int]:
    """How many rows of each job can be read, wherever they are."""
    counted = output.table(kind)["job_id"].value_counts()
    return {count["values"]: count["counts"] for count in counted.to_pylist()}
