"""`plan`: what a run with the same options would do and cost."""

import dataclasses
import tempfile
from pathlib import Path

from orchestrator.cli import arguments
from orchestrator.cli.prepare import Prepared, outlook, prepared, session
from orchestrator.display.tables import print_table
from orchestrator.estimate import in_words
from orchestrator.estimate.outlook import Outlook, complete
from orchestrator.estimate.schedule import Place
from orchestrator.experiment import plan, reading
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.sweep.ledger import closed
from orchestrator.words import printable


def main(asked) -> int:
    """Prints the plan; with --probe, measured by a few steps of each model that no row tells of."""
    with prepared(*reading.load(arguments.given(asked), asked.config)) as found:
        _check_sizes(found)
        experiment, execution = found.experiment, found.execution
        ids = {job.id for job in found.jobs}
        closing = {row.job_id: row for row in closed(found.jobs, found.output)[0]}
        lefts = plan.left(found.jobs, closing, found.output.trials(of=ids))
        place = Place.of(experiment, len(found.jobs), execution.max_concurrent or 1)
        expected = outlook(found, lefts, place)
        if asked.probe:
            with session(execution, Path(tempfile.mkdtemp(), "driver.log")) as backend:
                place = Place.of(experiment, len(found.jobs), backend.slots, backend.refit_start_s)
                expected = dataclasses.replace(expected, place=place)
                expected = complete(expected, experiment, backend, lambda text: print(text, file=backend.screen))
        _print(expected, experiment, execution)
    return 0


def _check_sizes(found: Prepared) -> None:
    """Raises InputError where a run would, of its models. As they come, at the default size, all of them can be built:
    torch, which takes seconds to import, is then left alone."""
    default = Experiment()
    if found.experiment.set or any(one.size_px not in default.size_px or one.shape_px for one in found.sized):
        from orchestrator.training import backbone_weights, detectors

        backbone_weights.adopt(found.execution.backbone_weights)
        detectors.check(found.experiment, found.sized)


def _print(outlook: Outlook, experiment: Experiment, execution: Execution) -> None:
    """Prints the jobs of a run, what is left of each, and what is known of its cost."""
    names, cells = in_words.table(outlook)
    print_table(names, cells, in_words.NUMBERS)
    print()
    for sentence in in_words.sentences(outlook, experiment, execution.output):
        print(printable(sentence))
    gpus = "a GPU where there are any" if execution.gpus_per_trial is None else f"{execution.gpus_per_trial:g} GPU"
    print(
        f"each trial holds {execution.cpus_per_trial} CPU core(s) and {gpus}; "
        f"each refit {execution.workers_per_job} worker(s)"
    )
    print(f"experiment {experiment.hash()} · rows go to {printable(execution.output)}")
