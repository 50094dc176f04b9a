"""`predict`: new pictures judged by a trained detector."""

from pathlib import Path

from orchestrator.cli.outputs import opened
from orchestrator.deploy import choose, predict
from orchestrator.errors import InputError


def main(asked) -> int:
    """Judges them."""
    if asked.checkpoint and (asked.dataset or asked.category or asked.model):
        raise InputError("--checkpoint names one detector: leave --dataset, --category and --model out.")
    if asked.checkpoint:
        found = choose.given(asked.checkpoint)
    else:
        with opened(asked.output) as output:
            found = choose.best(output, choose.Wanted(asked.dataset, asked.category, asked.model))
    return predict.run(found, asked.images, Path(asked.to).expanduser(), asked.heat_maps, asked.export)
