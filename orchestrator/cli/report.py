"""`report`: an output as one HTML file."""

from pathlib import Path

from orchestrator import report
from orchestrator.cli.outputs import opened
from orchestrator.words import printable


def main(asked) -> int:
    """Writes it."""
    with opened(asked.output) as output:
        print(printable(report.write(output, Path(asked.to or output.beside("report.html")).expanduser())))
    return 0
