"""`run`, the main job: jobs, less the finished ones -> trials and refits on the backend -> rows -> ranking."""

import contextlib
import dataclasses
import shlex
import time
from typing import Any

from orchestrator.cli import INTERRUPTED, arguments, interrupts
from orchestrator.cli.prepare import Prepared, outlook, prepared, session
from orchestrator.display import ranking
from orchestrator.display.progress import Progress
from orchestrator.display.terminal import reader_may_leave
from orchestrator.estimate import in_words
from orchestrator.estimate.outlook import PROBES_SHARE, Place, complete
from orchestrator.experiment import plan, preflight, warm_start
from orchestrator.experiment.config import Execution, Experiment, flag
from orchestrator.sweep.backend import Backend
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.sweep import Sweep
from orchestrator.words import count, duration, printable


def main(asked) -> int:
    """Does what is not finished, and prints the ranking of its jobs. Returns the exit status."""
    start, command, status = time.monotonic(), command_of(arguments.given(asked)), 0
    with prepared(asked) as found:
        sweep = Sweep(found.jobs, found.output.create(), found.execution.fresh)
        with interrupts.handled(_go_on(command)) as handled:
            try:
                if sweep.todo:
                    _search_and_refit(found, sweep, start, handled)
            except KeyboardInterrupt:
                status = INTERRUPTED
            with reader_may_leave():
                ranking.print_leaderboard(found.output, only={job.id for job in sweep.jobs})
                _summary(sweep, found.execution, time.monotonic() - start, command)
        return status or int(bool(sweep.failed_jobs()) or not sweep.is_over())


def _search_and_refit(found: Prepared, sweep: Sweep, start: float, handled: interrupts.Interrupts) -> None:
    """Does what is not finished. Raises KeyboardInterrupt if the user ends it."""
    experiment, execution = found.experiment, found.execution
    board = _tensorboard(execution.tensorboard, sweep) if execution.tensorboard else contextlib.nullcontext()
    todo = list(dict.fromkeys(job.category for job in sweep.todo))
    images = preflight.decode(todo, experiment, execution)
    with session(execution, sweep.output.driver_log()) as backend, Claims(sweep.output) as claims, board:
        handled.install()
        with Progress(sweep, backend.screen, backend.slots) as progress:
            parallel_trials = _parallel_trials(experiment, sweep, backend.slots)
            deadline = start + execution.time_budget_s()
            if execution.time_budget:
                place = Place(backend.slots, parallel_trials, backend.refit_start_s)
                _say_what_it_buys(found, sweep, place, backend, progress, deadline)
            sweep.begin(claims, parallel_trials, backend.slots, deadline, backend.refit_start_s)
            sweep.output.write_note(experiment.hash(), dataclasses.asdict(experiment))
            warm_start.keep(experiment, sweep.output, found.winners)
            backend.run(sweep, images)


def _say_what_it_buys(
    found: Prepared, sweep: Sweep, place: Place, backend: Backend, progress: Progress, deadline: float
) -> None:
    """Of a time budget; probes what no row tells of."""
    experiment, execution = found.experiment, found.execution
    expected = outlook(found, plan.left(sweep.jobs, sweep.job_rows, sweep.trial_rows()), place)
    most_s = PROBES_SHARE * execution.time_budget_s()
    expected = complete(expected, experiment, backend, progress.say, most_s)
    for line in in_words.budget(expected, experiment, execution.output, deadline - time.monotonic()):
        progress.say(line)


def _tensorboard(folder: str, sweep: Sweep):
    """tensorboardX takes its time to import, and few ask for it."""
    from orchestrator.sweep.tensorboard import TensorBoard

    return TensorBoard(folder, sweep)


def _parallel_trials(experiment: Experiment, sweep: Sweep, slots: int) -> int:
    """As the experiment says; else as few as keep the slots busy, decided by its first run and kept with the output."""
    if experiment.parallel_trials:
        return experiment.parallel_trials
    name = f"parallel-trials-{dataclasses.replace(experiment, trials=1).hash()}"  # more trials go on as they began
    kept = sweep.output.read_note(name)
    if kept is None:
        jobs = len(sweep.jobs)
        kept = {"parallel_trials": plan.parallel_trials(experiment, jobs, slots), "jobs": jobs, "slots": slots}
        sweep.output.write_note(name, kept)
    return kept["parallel_trials"]


def _summary(sweep: Sweep, execution: Execution, wall_s: float, command: str) -> None:
    """The last lines of a run: what was done, where the rows are, and how to go on if it is not over."""
    failed = sweep.failed_jobs()
    mine = sweep.closed - sweep.closed_elsewhere - {row.job_id for row in failed}
    done = f"{count(len(mine), 'job')} done in {duration(wall_s)}" if sweep.todo else "nothing to do"
    parts = [
        done,
        f"{len(sweep.closed_elsewhere)} by another sweep" if sweep.closed_elsewhere else "",
        f"{sweep.skipped} finished before" if sweep.skipped else "",
        f"{len(failed)} FAILED" if failed else "",
    ]
    print("\n" + ", ".join(part for part in parts if part) + f" · rows in {printable(execution.output)}")
    for row in failed:
        print(printable(f"FAILED  {row.category} / {row.model} / seed {row.seed}: {row.error}"))
    left = len(sweep.todo) - len(sweep.closed)
    if left:
        print(f"{count(left, 'job is', 'jobs are')} not finished. {_go_on(command)}")


def _go_on(command: str) -> str:
    """What to say when a run ends early."""
    return f"What is finished is kept; to go on:\n  {printable(command)}"


def command_of(given: dict[str, Any]) -> str:
    """The command line of a run with these options, to go on with it."""
    words = ["defectsweep", "run"]
    for name, value in given.items():
        if name == "fresh":
            continue
        for item in value if isinstance(value, list) else [value]:
            words += [flag(name)] if item is True else [flag(name), str(item)]
    return shlex.join(words)
