"""`report`: an output as one HTML file."""

from pathlib import Path

from orchestrator.cli.outputs import opened
from orchestrator.report import writing
from orchestrator.words import printable


def main(asked) -> int:
    """Writes it."""
    with opened(asked.output) as output:
        print(printable(writing.write(output, Path(asked.to or output.beside("report.html")).expanduser())))
    return 0
