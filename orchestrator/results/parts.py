"""What a finished job has left beside its row: whether it is still there. What is not, its refit makes again."""

from collections.abc import Iterable

import pyarrow.parquet as pq

from orchestrator.results.output import UNREADABLE, Output, checkpoint_folder, partition
from orchestrator.results.rows import COMPLETED, JobRow

SCORES, PICTURES = "scores", "pictures"


def damaged(output: Output, rows: Iterable[JobRow]) -> dict[str, str]:
    """Job id -> what of it is missing or cut short, of the completed jobs of `rows` that say what they have left."""
    merged: set[str] | None = None
    found = {}
    for row in rows:
        if row.status != COMPLETED or row.checkpoint_bytes is None:
            continue
        lost = [kind for kind in (SCORES, PICTURES) if not _is_whole(output, kind, row)]
        if SCORES in lost:
            merged = _scored(output) if merged is None else merged
            lost = [kind for kind in lost if kind != SCORES or row.job_id not in merged]
        if sum(info.size for info in output.files(*checkpoint_folder(row.job_id))) != row.checkpoint_bytes:
            lost.append("checkpoint")
        if lost:
            found[row.job_id] = ", ".join(lost)
    return found


def _is_whole(output: Output, kind: str, row: JobRow) -> bool:
    """Whether the job's own file of a kind is there with its end, where Parquet keeps what is in it."""
    path = output.path(kind, *partition(row.dataset, row.category, row.model), f"{row.job_id}.parquet")
    try:
        pq.read_metadata(output.fs.open_input_file(path))
    except UNREADABLE:
        return False
    return True


def _scored(output: Output) -> set[str]:
    """The jobs whose scores can be read, in merged files too."""
    return set(output.table(SCORES)["job_id"].unique().to_pylist())
