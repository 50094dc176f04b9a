"""`run`, the main job: jobs, less the finished ones -> trials and refits on the backend -> rows -> ranking."""

import contextlib
import dataclasses
import shlex
import time
from collections.abc import Callable
from typing import Any

from orchestrator.cli import INTERRUPTED, arguments, interrupts
from orchestrator.cli.prepare import Prepared, leaving_out, outlook, prepared, session
from orchestrator.display import ranking
from orchestrator.display.progress import Progress
from orchestrator.display.terminal import reader_may_leave
from orchestrator.estimate import in_words
from orchestrator.estimate.outlook import PROBES_SHARE, complete
from orchestrator.estimate.schedule import Place
from orchestrator.experiment import cues, evidence, plan, preflight, reading, warm_start
from orchestrator.experiment.config import Execution, Experiment, flag
from orchestrator.experiment.job import title
from orchestrator.results.output import Output
from orchestrator.sweep.backend import Backend
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.fresh import forget
from orchestrator.sweep.ledger import Ledger
from orchestrator.sweep.sweep import Sweep
from orchestrator.training import backbone_weights, detectors
from orchestrator.words import count, duration, printable


def main(asked) -> int:
    """Does what is not finished, and prints the ranking of its jobs. Returns the exit status."""
    start, command, status = time.monotonic(), command_of(arguments.given(asked), asked.config), 0
    with prepared(*reading.load(arguments.given(asked), asked.config)) as found:
        ledger = begin(found)
        with interrupts.handled(_go_on(command)) as handled:
            try:
                search_and_refit(found, ledger, start, on_session=handled.install)
            except KeyboardInterrupt:
                status = INTERRUPTED
            with reader_may_leave():
                ranking.print_leaderboard(found.output, only={job.id for job in ledger.jobs})
                _say_cues(ledger, found.output)
                _summary(ledger, found, time.monotonic() - start, command)
        return status or int(bool(ledger.failed_jobs()) or not ledger.is_over())


def begin(found: Prepared) -> Ledger:
    """What is finished and what is left, once every model can be built and the output be written. Raises InputError
    where one cannot."""
    models = [job.model for job in found.jobs]
    backbone_weights.provide(found.experiment, models, found.execution.backbone_weights, print)
    detectors.check(found.experiment, found.sized)
    output = found.output.create()
    ledger = Ledger(found.jobs) if found.execution.fresh else Ledger.read(found.jobs, output)
    for job_id, lost in ledger.damaged.items():
        print(printable(f"{job_id}: its {lost} cannot be read whole; what is lost is made again"))
    return ledger


def search_and_refit(found: Prepared, ledger: Ledger, start: float, on_session: Callable[[], object]) -> None:
    """Does what is not finished. Until the data is sound and the backend there, the output stays as it is. A time
    budget counts from `start`, as time.monotonic has it. Raises KeyboardInterrupt if the user ends it."""
    if not ledger.todo:
        return
    experiment, execution, output = found.experiment, found.execution, found.output
    following = _tensorboard(execution.tensorboard) if execution.tensorboard else contextlib.nullcontext
    tracking = _tracking(execution)
    todo = list(dict.fromkeys(job.decoding for job in ledger.todo))
    images = preflight.decode(todo, experiment, execution, leaving_out(execution))
    ledger.leave_out(set(todo) - images.keys())
    findings = cues.find(images.values())
    for line in (*evidence.find(images.values(), experiment), *map(str, findings)):
        print(printable(line))
    with session(execution, output.driver_log()) as backend, Claims(output) as claims:
        on_session()
        parallel_trials = _parallel_trials(experiment, output, len(ledger.jobs), backend.slots)
        place = Place(backend.slots, parallel_trials, backend.refit_start_s)
        sweep = Sweep(ledger, output, claims, place, start + execution.time_budget_s())
        with following(sweep), Progress(sweep, backend.screen) as progress:
            if execution.time_budget:
                _say_what_it_buys(found, sweep, backend, progress)
            if execution.fresh:
                forget(ledger.jobs, output, claims)
            output.write_note(experiment.hash(), experiment.described())
            warm_start.keep(experiment, output, found.winners)
            cues.keep(output, findings)
            with tracking(sweep, progress.say):
                backend.run(sweep, images)


def _say_what_it_buys(found: Prepared, sweep: Sweep, backend: Backend, progress: Progress) -> None:
    """Of a time budget; probes what no row tells of."""
    experiment, execution, ledger = found.experiment, found.execution, sweep.ledger
    expected = outlook(found, plan.left(ledger.jobs, ledger.job_rows, ledger.trial_rows()), sweep.place)
    most_s = PROBES_SHARE * execution.time_budget_s()
    expected = complete(expected, experiment, backend, progress.say, most_s)
    for line in in_words.budget(expected, experiment, execution.output, sweep.deadline - time.monotonic()):
        progress.say(line)


def _tensorboard(folder: str) -> Callable[[Sweep], contextlib.AbstractContextManager]:
    """tensorboardX takes its time to import, and few ask for it."""
    from orchestrator.sweep.tensorboard import TensorBoard

    return TensorBoard(folder).following


def _tracking(execution: Execution) -> Callable[..., contextlib.AbstractContextManager]:
    """Of a sweep, and of who says what goes wrong."""
    if not execution.track:
        return lambda sweep, say: contextlib.nullcontext()
    from orchestrator.tracking.background import Tracking

    return Tracking(execution.track, execution.output).following


def _parallel_trials(experiment: Experiment, output: Output, jobs: int, slots: int) -> int:
    """As the experiment says; else as few as keep the slots busy, decided by its first run and kept with the output."""
    if experiment.parallel_trials:
        return experiment.parallel_trials
    name = f"parallel-trials-{dataclasses.replace(experiment, trials=1).hash()}"  # more trials go on as they began
    kept = output.read_note(name)
    if kept is None:
        kept = {"parallel_trials": plan.parallel_trials(experiment, jobs, slots), "jobs": jobs, "slots": slots}
        output.write_note(name, kept)
    return kept["parallel_trials"]


def _say_cues(ledger: Ledger, output: Output) -> None:
    """Below the figures, of which they are a part: of jobs that were finished before, too."""
    findings = cues.kept(output, [row.data_hash for row in ledger.job_rows.values()])
    if findings:
        print("", *(printable(str(finding)) for finding in findings), sep="\n")


def _summary(ledger: Ledger, found: Prepared, wall_s: float, command: str) -> None:
    """The last lines of a run: what was done, where the rows are, and how to go on if it is not over."""
    failed = ledger.failed_jobs()
    mine = ledger.closed - ledger.closed_elsewhere - {row.job_id for row in failed}
    done = f"{count(len(mine), 'job')} done in {duration(wall_s)}" if ledger.todo else "nothing to do"
    parts = [
        done,
        f"{len(ledger.closed_elsewhere)} by another sweep" if ledger.closed_elsewhere else "",
        f"{ledger.skipped} finished before" if ledger.skipped else "",
        f"{len(failed)} FAILED" if failed else "",
    ]
    print("\n" + ", ".join(part for part in parts if part) + f" · rows in {printable(found.execution.output)}")
    for row in failed:
        print(printable(f"FAILED  {title(row, found.experiment)}: {row.error}"))
    left = len(ledger.todo) - len(ledger.closed)
    if left:
        print(f"{count(left, 'job is', 'jobs are')} not finished. {_go_on(command)}")


def _go_on(command: str) -> str:
    """What to say when a run ends early."""
    return f"What is finished is kept; to go on:\n  {command}"


def command_of(given: dict[str, Any], config: str | None) -> str:
    """The command line of a run with these options, and those of a file, to go on with it."""
    words = ["defectsweep", "run", *(["--config", config] if config else [])]
    for name, value in given.items():
        if name == "fresh":
            continue
        for item in value if isinstance(value, list) else [value]:
            joined = str(item).startswith("-") and item is not True
            words += [flag(name)] if item is True else [f"{flag(name)}={item}"] if joined else [flag(name), str(item)]
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """A word as a shell reads it; with what does not show, as bash and zsh do."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = word.replace("\\", r"\\").replace("'", r"\'")
    return f"$'{printable(escaped)}'"
