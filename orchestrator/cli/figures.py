"""`figures`: the paper's figures, drawn from an output's rows."""

from pathlib import Path

from orchestrator.cli.outputs import opened
from orchestrator.report import paper_figures


def main(asked) -> int:
    """Draws them."""
    wanted = paper_figures.Wanted(tuple(asked.dataset), tuple(asked.category), tuple(asked.model))
    with opened(asked.output) as output:
        for line in paper_figures.write(output, Path(asked.to or output.beside("figures")).expanduser(), wanted):
            print(line)
    return 0
