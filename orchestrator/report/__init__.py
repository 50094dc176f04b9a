"""The verb `report`: an output's Parquet rows, and nothing else -> one HTML file that needs no network.

rows -> found (tables and names) -> answer, plots, search_plots, schedule, warm_starts, mistakes -> page. The same rows
give the same file.
"""

import contextlib
import os
import uuid
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.report import found, page
from orchestrator.results import Output


def write(output: Output, file: Path) -> str:
    """Writes the report, whole or not at all; returns the line to print.

    Raises InputError where the output holds neither a job nor a trial, or the file cannot be written.
    """
    rows = found.read(output)
    if rows.jobs.empty and rows.trials.empty:
        raise InputError(
            f"--output {output.root} holds no job and no trial. 'defectsweep run --output {output.root}' makes some."
        )
    content = page.render(output, rows).encode()
    try:
        _put(content, file)
    except OSError as error:
        raise InputError(f"--to {file} cannot be written ({error.strerror}). Name a file that can.") from None
    return f"wrote {file} ({len(content) / 1e6:.1f} MB): {_count(rows.jobs, 'job')}, {_count(rows.trials, 'trial')}"


def _put(content: bytes, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        aside.write_bytes(content)
        os.replace(aside, file)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def _count(rows, name: str) -> str:
    return f"{len(rows)} {name}{'' if len(rows) == 1 else 's'}"
