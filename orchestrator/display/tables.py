"""A plain table, as wide as it needs to be where there is no terminal."""

from collections.abc import Collection, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.words import printable


def print_table(names: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Collection[str] = ()) -> None:
    """Prints it; `numbers` are the columns that stand to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(printable(name), justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(str(value)) for value in row))
    as_written = {"highlight": False, "markup": False, "emoji": False}
    console = Console(**as_written)
    if not console.is_terminal:
        console = Console(**as_written, width=200)
    console.print(table)
