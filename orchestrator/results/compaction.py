"""Many small files of rows -> few large ones: a job's trials when it ends, and all jobs by `defectsweep compact`.

What is merged is written beside the files that it comes from, and these are deleted after it, those that count least
first: whatever is killed when, the same rows are read. Only files whose rows are in the new one, as they were read, are
deleted, so that a compaction may run beside sweeps and other compactions.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator

from orchestrator.results.output import Output, partition
from orchestrator.results.row_files import JOB, MERGED, OWN, RowFile, each_once, in_order, to_table
from orchestrator.results.rows import TrialRow

KINDS = ("trials", "leaderboard", "scores")  # pictures are large, and read a job at a time
LEFTOVER = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")  # what a killed `Storage.write` leaves
LEFTOVER_S = 3600  # no write takes that long


def merge_job(
    output: Output, dataset: str, category: str, model: str, job_id: str, rows: Collection[TrialRow] = ()
) -> None:
    """Puts a job's trials into one file. `rows` are those in memory, which need not be read again.

    For whoever holds the job: nobody else may be writing its rows.
    """
    place, known = partition(dataset, category, model), {row.trial_id for row in rows}
    files = [file for file in output.files_of("trials", *place) if file.job_id == job_id]
    if not any(file.level == OWN for file in files):
        return
    try:
        others = output.tables("trials", [file for file in files if file.level == JOB or file.name not in known])
    except FileNotFoundError:  # a compaction that began before the job was claimed
        return merge_job(output, dataset, category, model, job_id, rows)
    merged = in_order("trials", each_once("trials", [to_table(TrialRow, rows), *others.values()]))
    output.write_table(merged, "trials", *place, f"{job_id}.parquet")
    written = set(merged["trial_id"].to_pylist())
    for file in files:
        if file.level == OWN and file.name in written:
            output.delete(file.path)


def compact(output: Output, held_jobs: Callable[[], Collection[str]] = frozenset) -> Iterator[str]:
    """Merges all files of a kind into one; yields a line for each kind. `held_jobs` says whose files to leave alone:
    the jobs that a living sweep holds."""
    for kind in KINDS:
        while (line := _merge(output, kind, held_jobs)) is None:
            pass
        yield f"{kind}: {line}"
    if leftovers := _remove_leftovers(output):
        yield f"{leftovers} unfinished files of killed processes removed"


def _merge(output: Output, kind: str, held_jobs: Callable[[], Collection[str]]) -> str | None:
    """Merges the files of a kind, and says what that was; None where another process has changed them meanwhile."""
    held = held_jobs()
    files = output.files_of(kind)
    try:
        tables = output.tables(kind, [file for file in files if file.job_id not in held])
    except FileNotFoundError:
        return None
    if len(tables) < 2 and all(file.level == MERGED for file in tables):
        return f"{sum(table.num_rows for table in tables.values()):,} rows, nothing to merge"
    rows = in_order(kind, each_once(kind, tables.values()))
    path = output.write_merged(kind, rows)
    if not _is_last_word(path, tables, files, output.files_of(kind)):
        output.delete(path)
        return None
    held = held_jobs()
    for file in reversed(tables):
        if file.job_id not in held and output.is_there(file):
            output.delete(file.path)
    return f"{len(tables):,} files -> 1, {rows.num_rows:,} rows"


def _is_last_word(path: str, merged: Collection[RowFile], before: list[RowFile], after: list[RowFile]) -> bool:
    """Whether what a new file was merged from is still as it was, and nobody else has written a merged file: of two
    that compact at once, one goes back."""
    known = {path, *(file.path for file in before)}
    return set(merged) <= set(after) and all(file.path in known for file in after if file.level == MERGED)


def _remove_leftovers(output: Output) -> int:
    """Removes files that were never finished; returns how many there were."""
    oldest = time.time() - LEFTOVER_S
    files = [info for info in output.listing() if info.is_file and LEFTOVER.fullmatch(info.base_name)]
    leftovers = [info for info in files if info.mtime.timestamp() < oldest]
    for info in leftovers:
        output.delete(info.path.removeprefix(output.base).lstrip("/"))
    return len(leftovers)
