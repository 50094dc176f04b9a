"""`compact`: many small files of rows become a few, while sweeps may be running."""

from orchestrator.cli.outputs import opened
from orchestrator.errors import InputError
from orchestrator.results import compaction
from orchestrator.sweep.claims import held_jobs


def main(asked) -> int:
    """Merges them."""
    with opened(asked.output) as output:
        if not any(output.files_of(kind) for kind in compaction.KINDS):
            raise InputError(
                f"--output {output.root} holds no rows. 'defectsweep run --output {output.root}' makes some."
            )
        for line in compaction.compact(output.create(), lambda: held_jobs(output)):
            print(line)
    return 0
