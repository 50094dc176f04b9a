"""What `run` and `plan` begin with: an experiment -> its jobs, and where they will run."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.outputs import opened
from orchestrator.estimate import pace
from orchestrator.estimate.outlook import Outlook
from orchestrator.estimate.schedule import Place
from orchestrator.experiment import auto_protocol, preflight, warm_start
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Category, Job, Sized, jobs
from orchestrator.experiment.plan import Left
from orchestrator.experiment.warm_start import Winner
from orchestrator.results.output import Output
from orchestrator.words import printable


@dataclass(frozen=True)
class Prepared:
    """What is asked for, and what the data and the output say to it."""

    experiment: Experiment
    execution: Execution
    output: Output
    winners: dict[str, list[Winner]]  # of the warm start, by model
    jobs: list[Job]

    @property
    def sized(self) -> list[Sized]:
        """Each model at each size and shape that a job of it has, once."""
        return list(dict.fromkeys(job.sized for job in self.jobs))


@contextlib.contextmanager
def prepared(experiment: Experiment, execution: Execution) -> Iterator[Prepared]:
    """Surveys the data and names the jobs; says what a warm start begins with. Nothing is written. Raises InputError
    for what cannot be."""
    categories = preflight.survey(experiment, execution.data_root, leaving_out(execution))
    experiment, why = auto_protocol.resolved(experiment, categories)
    asked_for = jobs(experiment, categories, execution.workers_per_job)
    preflight.check_names(asked_for)
    for category in categories:
        say_remarks(category)
    if why:
        print(printable(why))
    with contextlib.ExitStack() as outputs:
        output = outputs.enter_context(opened(execution.output))
        winners = warm_start.winners(experiment, output, lambda root: outputs.enter_context(opened(root)))
        begun = warm_start.begin(asked_for, experiment, winners)
        if winners:
            print(printable(warm_start.sentence(begun)))
        yield Prepared(experiment, execution, output, winners, begun)


def leaving_out(execution: Execution) -> preflight.LeaveOut | None:
    """What is told of categories that cannot be used; None where they end the run."""
    if not execution.skip_categories:
        return None
    return lambda name, error: print(printable(f"left out {name}: {error}"))


def say_remarks(category: Category) -> None:
    """What to know of its data, a line each."""
    for remark in category.remarks:
        print(printable(f"{category.name}: {remark}"))


def session(execution: Execution, log: Path):
    """The backend is imported when it is needed: Ray takes a second, and the local backend does without it."""
    if execution.backend == "local":
        from orchestrator.local_backend import session
    else:
        from orchestrator.ray_backend.backend import session
    return session(execution, log)


def outlook(found: Prepared, lefts: Sequence[Left], place: Place) -> Outlook:
    """By the rows of the output alone, which need not be of this sweep."""
    known = pace.by_rows(found.output.trials(), set(found.sized), found.experiment.batch)
    return Outlook(lefts, known, place)
