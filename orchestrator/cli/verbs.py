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
from collections.abc import Callable, Sequence
from pathlib import Path

from datasets.synthetic import write_files
from orchestrator.cli import arguments, interrupts, screens
from orchestrator.display import watch
from orchestrator.display.progress import Progress
from orchestrator.display.terminal import reader_may_leave
from orchestrator.errors import InputError, RunError
from orchestrator.estimate import in_words, outlook, probe
from orchestrator.estimate.outlook import Outlook, Place
from orchestrator.experiment import config, plan, preflight, warm_start
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.plan import Category, Job
from orchestrator.experiment.warm_start import Winner
from orchestrator.ranking import sql
from orchestrator.results import compaction
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims, held_jobs
from orchestrator.sweep.sweep import Sweep
from orchestrator.words import printable


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
    output = _open(execution.output, asked)
    winners = warm_start.winners(experiment, output, lambda root: _open(root, asked))
    sweep = Sweep(_jobs(experiment, execution, categories, winners), output.create(), execution.fresh)
    status = 0
    command = screens.command(arguments.given(asked))
    with interrupts.handled(screens.go_on(command)) as handled:
        try:
            if sweep.todo:
                _search_and_refit(sweep, experiment, execution, winners, start, handled)
        except KeyboardInterrupt:
            status = interrupts.INTERRUPTED
        with reader_may_leave():
            screens.leaderboard(output, only={job.id for job in sweep.jobs})
            screens.summary(sweep, execution, time.monotonic() - start, command)
    return status or int(bool(sweep.failed_jobs()) or not sweep.is_over())


def _jobs(
    experiment: Experiment, execution: Execution, categories: Sequence[Category], winners: dict[str, list[Winner]]
) -> list[Job]:
    """The jobs of a run. With --warm-start, says what they begin with."""
    jobs = warm_start.begin(plan.jobs(experiment, categories, execution.workers_per_job), experiment, winners)
    if winners:
        print(printable(warm_start.sentence(jobs)))
    return jobs


def _search_and_refit(
    sweep: Sweep, experiment: Experiment, execution: Execution, winners: dict[str, list[Winner]], start: float,
    handled: interrupts.Interrupts,
) -> None:  # fmt: skip
    """Does what is not finished. Raises KeyboardInterrupt if the user ends it."""
    board = _tensorboard(execution.tensorboard, sweep) if execution.tensorboard else contextlib.nullcontext()
    todo = list(dict.fromkeys(job.category for job in sweep.todo))
    images = preflight.decode(todo, experiment, execution)
    log = Path(sweep.output.base if sweep.output.is_local else tempfile.mkdtemp(), "ray", "driver.log")
    with _session(execution, log) as backend, Claims(sweep.output) as claims, board:
        handled.install()
        with Progress(sweep, backend.screen, backend.slots) as progress:
            parallel_trials = _parallel_trials(experiment, sweep, backend.slots)
            deadline = start + execution.time_budget_s()
            if execution.time_budget:
                place = Place(backend.slots, parallel_trials, backend.refit_start_s)
                outlook, most_s = _outlook(sweep, experiment, place), probe.SHARE * execution.time_budget_s()
                outlook = probe.complete(outlook, experiment, backend, progress.say, most_s)
                left_s = deadline - time.monotonic()
                for line in in_words.budget(outlook, experiment, execution.output, left_s):
                    progress.say(line)
            sweep.begin(claims, parallel_trials, backend.slots, deadline, backend.refit_start_s)
            sweep.output.write_note(experiment.hash(), dataclasses.asdict(experiment))
            warm_start.keep(experiment, sweep.output, winners)
            backend.run(sweep, images)


def _tensorboard(folder: str, sweep: Sweep):
    """tensorboardX takes its time to import, and few ask for it."""
    from orchestrator.sweep.tensorboard import TensorBoard

    return TensorBoard(folder, sweep)


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
    """What a run with the same options would do and cost; with --probe, measured by a few steps."""
    experiment, execution = config.load(arguments.given(asked), asked.config)
    categories = preflight.survey(experiment, execution.data_root)
    output = _open(execution.output, asked)
    winners = warm_start.winners(experiment, output, lambda root: _open(root, asked))
    jobs = _jobs(experiment, execution, categories, winners)
    outlook = _outlook(Sweep(jobs, output), experiment, Place.of(experiment, len(jobs), execution.max_concurrent or 1))
    if asked.probe:
        with _session(execution, Path(tempfile.mkdtemp(), "driver.log")) as backend:
            place = Place.of(experiment, len(jobs), backend.slots, backend.refit_start_s)
            outlook = dataclasses.replace(outlook, place=place)
            outlook = probe.complete(outlook, experiment, backend, lambda text: print(text, file=backend.screen))
    screens.plan(outlook, experiment, execution)
    return 0


def _outlook(sweep: Sweep, experiment: Experiment, place: Place) -> Outlook:
    """By the rows of the output alone, which need not be of this sweep."""
    known = outlook.by_rows(sweep.output.trials(), experiment.model, experiment.size_px, experiment.batch)
    return Outlook(outlook.left(sweep), known, place)


def show_leaderboard(asked) -> int:
    """The ranking of an output: once or again and again, as tables, text for programs, or an answer to SQL."""
    output = _open(asked.output, asked)
    if asked.sort and (asked.paper or asked.sql):
        raise InputError("--sort goes with --by; --paper has its own order, and --sql its ORDER BY.")
    if asked.watch is not None:
        if asked.paper or asked.sql or asked.format != "table":
            raise InputError("--watch shows the ranking as a table; leave --paper, --sql and --format out.")
        return watch.leaderboard(output, asked.watch, asked.by, asked.sort)
    if asked.paper:
        screens.paper(output, asked.format)
        return 0
    if asked.sql:
        screens.lines(sql.query(asked.sql, output.sources), asked.format)
        return 0
    screens.leaderboard(output, asked.by, asked.sort, asked.format)
    return 0


def draw_figures(asked) -> int:
    """matplotlib takes a second to import, and no other verb needs it."""
    from orchestrator.report import paper_figures

    output = _open(asked.output, asked)
    folder = asked.to or (output.path("figures") if output.is_local else "figures")
    wanted = paper_figures.Wanted(tuple(asked.dataset), tuple(asked.category), tuple(asked.model))
    for line in paper_figures.write(output, Path(folder).expanduser(), wanted):
        print(line)
    return 0


def write_report(asked) -> int:
    """plotly takes a second to import, and no other verb needs it."""
    from orchestrator import report

    output = _open(asked.output, asked)
    file = asked.to or (output.path("report.html") if output.is_local else "report.html")
    print(printable(report.write(output, Path(file).expanduser())))
    return 0


def predict(asked) -> int:
    """matplotlib takes a second to import, and few verbs need it."""
    from orchestrator.deploy import choose, predict

    if asked.checkpoint and (asked.dataset or asked.category or asked.model):
        raise InputError("--checkpoint names one detector: leave --dataset, --category and --model out.")
    wanted = choose.Wanted(asked.dataset, asked.category, asked.model)
    found = choose.given(asked.checkpoint) if asked.checkpoint else choose.best(_open(asked.output, asked), wanted)
    return predict.run(found, asked.images, Path(asked.to).expanduser(), asked.heat_maps, asked.export)


def compact(asked) -> int:
    """Many small files of rows become a few, while sweeps may be running."""
    output = _open(asked.output, asked)
    if not any(output.files_of(kind) for kind in compaction.KINDS):
        raise InputError(f"--output {output.root} holds no rows. 'defectsweep run --output {output.root}' makes some.")
    for line in compaction.compact(output.create(), lambda: held_jobs(output)):
        print(line)
    return 0


def datasets(asked) -> int:
    """What datasets there are, what one's files hold, or the synthetic one as files."""
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
    """What detectors there are."""
    screens.models()
    return 0


def doctor(asked) -> int:
    """Whether machine, cluster and data are fit for a run."""
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
    "report": write_report,
    "figures": draw_figures,
    "predict": predict,
    "compact": compact,
    "datasets": datasets,
    "models": models,
    "doctor": doctor,
}
