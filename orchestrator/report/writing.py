"""The verb `report`: an output's Parquet rows, and nothing else -> one HTML file that needs no network.

rows -> found (tables and names) -> answer, plots, search_plots, schedule, warm_starts, mistakes -> page. The same rows
give the same file.
"""

from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.report import page, tables
from orchestrator.results.output import Output
from orchestrator.results.storage import put_whole
from orchestrator.words import count

ENDINGS = (".html", ".htm")


def write(output: Output, file: Path) -> str:
    """Writes the report, whole or not at all; returns the line to print.

    Raises InputError where the output holds neither a job nor a trial, or the file cannot be written, or is called as
    if it were something else, such as a picture.
    """
    if file.suffix.lower() not in ENDINGS:
        raise InputError(f"--to {file}: a name that ends in {' or '.join(ENDINGS)} is expected.")
    rows = tables.read(output)
    if rows.jobs.empty and rows.trials.empty:
        raise InputError(
            f"--output {output.root} holds no job and no trial. 'defectsweep run --output {output.root}' makes some."
        )
    content = page.render(output, rows).encode()
    try:
        put_whole(file, content)
    except OSError as error:
        raise InputError(f"--to {file} cannot be written ({error.strerror}). Name a file that can.") from None
    held = f"{count(len(rows.jobs), 'job')}, {count(len(rows.trials), 'trial')}"
    return f"wrote {file} ({len(content) / 1e6:.1f} MB): {held}"
