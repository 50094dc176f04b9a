"""An output's ranking on a screen: as a table on a terminal, and the same as JSON, CSV or Markdown."""

import sys
from collections.abc import Sequence

import pandas as pd
from rich.console import Console

from orchestrator.display import terminal
from orchestrator.display.tables import print_table
from orchestrator.errors import InputError
from orchestrator.ranking import leaderboard, reading
from orchestrator.ranking import paper as published
from orchestrator.ranking.comparison import USUAL, Wish
from orchestrator.ranking.reading import Reading
from orchestrator.results.output import Output
from orchestrator.words import cell, printable

DISPENSABLE = (  # on a narrow terminal, the first of them first
    "trials", "f1_of_all", "score_ms", "au_pro", "val_auc", "f1", "false_alarm_rate", "recall",
)  # fmt: skip
PAPER_TEXT = {"category", "figure", "model", "protocol", "settings"}  # all other columns are numbers


def print_leaderboard(
    output: Output, by: str = "job", sort: str | None = None, format: str = "table", only: set[str] | None = None,
    most_ms: float | None = None, wish: Wish = USUAL,
) -> None:  # fmt: skip
    """Prints the ranking of `output`, or of the jobs `only`, or of those that judge a picture in `most_ms`. Raises
    InputError where there are no rows."""
    rows = output.table("leaderboard").to_pandas()
    if only is not None:
        rows = rows[rows.job_id.isin(only)]
    if rows.empty:
        if only is not None:
            return
        raise InputError(
            f"--output {output.root} holds no leaderboard. 'defectsweep run --output {output.root}' makes one."
        )
    if most_ms is not None:
        rows = leaderboard.within_ms(rows, most_ms)
    scores = output.table("scores").to_pandas()
    if format in ("json", "csv"):
        _data(_rendered(reading.view(rows, scores, by, sort, wish), format))
        return
    found = reading.read(rows, scores, by, sort, wish)
    if format == "markdown":
        _data(reading.markdown(found.names, found.cells))
    else:
        _ranking(found)
    print()
    _caption(found.caption, format)
    _paragraph(found.leads, format)


def print_paper(output: Output, format: str = "table") -> None:
    """Prints our figures beside the paper's. Raises InputError where nothing was finished that the paper reports on."""
    rows = published.reported_on(output.table("leaderboard").to_pandas())
    tables = published.tables(rows, output.table("scores").to_pandas())
    if not tables:
        raise InputError(
            f"--output {output.root} holds no finished job on mvtec_ad or kolektor_sdd, the paper's datasets. "
            f"'defectsweep run --dataset mvtec_ad --data-root DIR --output {output.root}' makes some."
        )
    if format in ("json", "csv"):
        _data(published.render(tables, format))
        return
    for name, table in tables.items():
        print(f"### {published.TITLES[name]}\n" if format == "markdown" else published.TITLES[name])
        shown = published.for_reading(table)
        if format == "markdown":
            print(reading.markdown(shown.columns, shown.values))
        else:
            print_table(list(shown.columns), shown.values.tolist(), set(shown.columns) - PAPER_TEXT)
        print()
    _caption(reading.caption(rows), format)
    _paragraph(published.notes(rows), format)


def print_rows(view: pd.DataFrame, format: str) -> None:
    """Prints any table of rows in the format asked for, in full."""
    if format == "table":
        shown = reading.for_reading(view)
        print_table(list(shown.columns), shown.values.tolist(), reading.numbers(view))
    else:
        _data(_rendered(view, format))


def _rendered(view: pd.DataFrame, format: str) -> str:
    """In full; in CSV no text is a formula of a spreadsheet."""
    if format == "csv":
        view = view.map(lambda value: cell(value) if isinstance(value, str) else value).rename(columns=cell)
    return reading.render(view, format)


def _ranking(found: Reading) -> None:
    """Prints lines for reading; a narrow terminal gets fewer columns and shorter names rather than broken words."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        print_table(found.names, found.cells, found.numbers)
        return
    header, *rows = terminal.table(found.names, found.cells, console.width, DISPENSABLE, found.numbers)
    console.print(header, style="bold")
    print(*rows, sep="\n")


def _data(text: str) -> None:
    """JSON and CSV: exact for a program, printable on a terminal."""
    print("\n".join(map(printable, text.split("\n"))) if sys.stdout.isatty() else text)


def _caption(caption: str, format: str) -> None:
    print("\n".join(_sentence(line, format) for line in caption.split("\n")))


def _paragraph(sentences: Sequence[str], format: str) -> None:
    """A sentence a line, after an empty one; as a list in Markdown."""
    if sentences:
        bullet = "- " if format == "markdown" else ""
        print("", *(bullet + _sentence(sentence, format) for sentence in sentences), sep="\n")


def _sentence(text: str, format: str) -> str:
    return reading.markdown_text(text) if format == "markdown" else printable(text)
