"""The command line: arguments, then the flow.

run: Experiment -> categories -> jobs, less the finished ones -> trials and refits on the backend -> rows -> ranking.
Exit status: 0 all jobs done, 1 some job failed (its row says why), 2 the input is wrong, 130 interrupted.
"""

import contextlib
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from datasets.synthetic import write_files
from orchestrator import arguments, compaction, config, interrupts, leaderboard, plan, preflight, screens
from orchestrator.claims import Claims, held_jobs
from orchestrator.config import Execution, Experiment
from orchestrator.errors import InputError, RunError, printable
from orchestrator.progress import Progress
from orchestrator.results import Output
from orchestrator.sweep import Sweep


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; returns the exit status."""
    try:
        asked = arguments.parse(sys.argv[1:] if argv is None else argv)
        with contextlib.ExitStack() as asked.at_end:
            return VERBS[asked.verb](asked)
    except InputError as error:
        print(f"defectsweep: {printable(str(error))}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"defectsweep: {printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        sys.stdout = open(os.devnull, "w")
        return 0


def run(asked) -> int:
    """The main job."""
    start = time.monotonic()
    experiment, execution = config.load(arguments.given(asked), asked.config)
    preflight.check_packages()
    categories = preflight.survey(experiment, execution.data_root)
    jobs = plan.jobs(experiment, categories, execution.workers_per_job)
    output = _open(execution.output, asked).create()
    sweep = Sweep(jobs, output, execution.fresh)
    status = 0
    command = screens.command(arguments.given(asked))
    with interrupts.handled(screens.go_on(command)) as handled:
        try:
            if sweep.todo:
                _search_and_refit(sweep, experiment, execution, start, handled)
        except KeyboardInterrupt:
            status = interrupts.INTERRUPTED
        screens.leaderboard(output, only={job.id for job in jobs})
        screens.summary(sweep, execution, time.monotonic() - start, command)
    return status or int(bool(sweep.failed_jobs()) or not sweep.is_over())


def _search_and_refit(
    sweep: Sweep, experiment: Experiment, execution: Execution, start: float, handled: interrupts.Interrupts
) -> None:
    """Does what is not finished. Raises KeyboardInterrupt if the user ends it."""
    todo = list(dict.fromkeys(job.category for job in sweep.todo))
    images = preflight.decode(todo, experiment, execution)
    log = Path(sweep.output.base if sweep.output.is_local else tempfile.mkdtemp(), "ray", "driver.log")
    with _session(execution, log) as backend, Claims(sweep.output) as claims:
        handled.install()
        with Progress(sweep, backend.screen, backend.slots):
            parallel_trials = _parallel_trials(experiment, sweep, backend.slots)
            deadline = start + execution.time_budget_s()
            sweep.begin(claims, parallel_trials, backend.slots, deadline, backend.refit_start_s)
            sweep.output.write_note(experiment.hash(), dataclasses.asdict(experiment))
            backend.run(sweep, images)


def _session(execution: Execution, log: Path):
    """The backend is imported when it is needed: Ray takes a second, and the local backend does without it."""
    if execution.backend == "local":
        from orchestrator.local_backend import session
    else:
        from orchestrator.ray_backend.backend import session
    return session(execution, log)


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


def show_plan(asked) -> int:
    experiment, execution = config.load(arguments.given(asked), asked.config)
    categories = preflight.survey(experiment, execution.data_root)
    jobs = plan.jobs(experiment, categories, execution.workers_per_job)
    screens.plan(Sweep(jobs, _open(execution.output, asked)), experiment, execution)
    return 0


def show_leaderboard(asked) -> int:
    output = _open(asked.output, asked)
    if asked.sort and (asked.paper or asked.sql):
        raise InputError("--sort goes with --by; --paper has its own order, and --sql its ORDER BY.")
    if asked.paper:
        screens.paper(output, asked.format)
        return 0
    if asked.sql:
        screens.lines(leaderboard.query(asked.sql, output.sources), asked.format)
        return 0
    screens.leaderboard(output, asked.by, asked.sort, asked.format)
    return 0


def draw_figures(asked) -> int:
    """matplotlib takes a second to import, and no other verb needs it."""
    from orchestrator import figures

    output = _open(asked.output, asked)
    folder = asked.to or (output.path("figures") if output.is_local else "figures")
    wanted = figures.Wanted(tuple(asked.dataset), tuple(asked.category), tuple(asked.model))
    for line in figures.write(output, Path(folder).expanduser(), wanted):
        print(line)
    return 0


def compact(asked) -> int:
    output = _open(asked.output, asked)
    if not any(output.files_of(kind) for kind in compaction.KINDS):
        raise InputError(f"--output {output.root} holds no rows. 'defectsweep run --output {output.root}' makes some.")
    for line in compaction.compact(output.create(), lambda: held_jobs(output)):
        print(line)
    return 0


def datasets(asked) -> int:
    if asked.action is None:
        screens.datasets()
        return 0
    if asked.action == "check":
        screens.check_dataset(asked.name, asked.data_root)
        return 0
    if asked.name != "synthetic" or asked.data_root is None:
        raise InputError("datasets make: 'datasets make synthetic --data-root DIR' is expected.")
    write_files(Path(asked.data_root).expanduser(), asked.size_px)
    print(f"wrote the synthetic dataset to {asked.data_root}; use it with --dataset mvtec_ad or --dataset folder")
    return 0


def models(asked) -> int:
    screens.models()
    return 0


def doctor(asked) -> int:
    experiment, execution = config.load(arguments.given(asked), asked.config)
    return screens.doctor(experiment, execution)


def _open(root: str, asked) -> Output:
    """An output, whose files that could not be read are named when the verb is over."""
    output = Output(root)
    asked.at_end.callback(_name_skipped, output)
    return output


def _name_skipped(output: Output) -> None:
    for path, reason in sorted(output.skipped.items()):
        print(printable(f"defectsweep: skipped {path}: {reason}"), file=sys.stderr)


VERBS: dict[str, Callable] = {
    "run": run,
    "plan": show_plan,
    "leaderboard": show_leaderboard,
    "figures": draw_figures,
    "compact": compact,
    "datasets": datasets,
    "models": models,
    "doctor": doctor,
}
