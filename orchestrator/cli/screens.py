"""What the verbs print: tables on a terminal, and the same as JSON, CSV or Markdown."""

import importlib
import os
import platform
import shlex
import sys
from collections import Counter
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from datasets.catalog import DATASETS
from datasets.sample import DataError
from model.catalog import MODELS
from orchestrator.display import terminal
from orchestrator.errors import InputError, choice
from orchestrator.estimate import in_words
from orchestrator.estimate.outlook import Outlook
from orchestrator.experiment import preflight
from orchestrator.experiment.config import Execution, Experiment, flag
from orchestrator.ranking import leaderboard as ranking
from orchestrator.ranking import paper as published
from orchestrator.ranking import reading
from orchestrator.results.output import Output
from orchestrator.sweep.sweep import Sweep
from orchestrator.words import count, duration, printable
from search_spaces.catalog import PRESETS, SPACES

DISPENSABLE = ("trials", "au_pro", "val_auc", "f1")  # columns of a ranking, on a narrow terminal
PAPER_TEXT = {"category", "figure", "model", "protocol", "settings"}  # all other columns are numbers
VIEWS = {
    "job": ranking.jobs,
    "category": lambda rows, scores: ranking.by_category(rows),
    "model": ranking.by_model,
}


def leaderboard(
    output: Output, by: str = "job", sort: str | None = None, format: str = "table", only: set[str] | None = None
) -> None:
    """Prints the ranking of `output`, or of the jobs `only`. Raises InputError where there are no rows."""
    rows = output.table("leaderboard").to_pandas()
    if only is not None:
        rows = rows[rows.job_id.isin(only)]
    if rows.empty:
        if only is not None:
            return
        raise InputError(
            f"--output {output.root} holds no leaderboard. 'defectsweep run --output {output.root}' makes one."
        )
    view = VIEWS[by](rows, output.table("scores").to_pandas())
    if sort:
        view = ranking.sort(view, sort)
    if format == "table":
        _ranking(view)
    else:
        lines(view, format)
    if format in ("table", "markdown"):
        print()
        _caption(rows, format)
        _paragraph(reading.leads(view), format)


def paper(output: Output, format: str = "table") -> None:
    """Prints our figures beside the paper's. Raises InputError where nothing was finished that the paper reports on."""
    rows = published.reported_on(output.table("leaderboard").to_pandas())
    tables = published.tables(rows, output.table("scores").to_pandas())
    if not tables:
        raise InputError(
            f"--output {output.root} holds no finished job on mvtec_ad or kolektor_sdd, the paper's datasets. "
            f"'defectsweep run --dataset mvtec_ad --data-root DIR --output {output.root}' makes some."
        )
    if format in ("json", "csv"):
        _data(published.render(tables, format))
        return
    for name, table in tables.items():
        print(f"### {published.TITLES[name]}\n" if format == "markdown" else published.TITLES[name])
        shown = published.for_reading(table)
        if format == "markdown":
            print(reading.markdown(shown))
        else:
            _table(list(shown.columns), shown.values.tolist(), set(shown.columns) - PAPER_TEXT)
        print()
    _caption(rows, format)
    _paragraph(published.notes(rows), format)


def lines(view: pd.DataFrame, format: str) -> None:
    """Prints any table of rows in the format asked for, in full."""
    if format == "table":
        shown = reading.for_reading(view)
        _table(list(shown.columns), shown.values.tolist(), _numbers(view))
    else:
        _data(reading.render(view, format))


def _ranking(view: pd.DataFrame) -> None:
    """Prints lines for reading; a narrow terminal gets fewer columns and shorter names rather than broken words."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        lines(view, "table")
        return
    shown = reading.for_reading(view)
    cells = shown.values.tolist()
    header, *rows = terminal.table(list(shown.columns), cells, console.width, DISPENSABLE, _numbers(view))
    console.print(header, style="bold")
    print(*rows, sep="\n")


def _numbers(view: pd.DataFrame) -> set[str]:
    return {name for name in view.columns if pd.api.types.is_numeric_dtype(view[name])}


def _data(text: str) -> None:
    """JSON and CSV: exact for a program, printable on a terminal."""
    print("\n".join(map(printable, text.split("\n"))) if sys.stdout.isatty() else text)


def _caption(rows: pd.DataFrame, format: str) -> None:
    print("\n".join(_sentence(line, format) for line in reading.caption(rows).split("\n")))


def _paragraph(sentences: list[str], format: str) -> None:
    """A sentence a line, after an empty one; as a list in Markdown."""
    if sentences:
        bullet = "- " if format == "markdown" else ""
        print("", *(bullet + _sentence(sentence, format) for sentence in sentences), sep="\n")


def _sentence(text: str, format: str) -> str:
    return reading.markdown_text(text) if format == "markdown" else printable(text)


def summary(sweep: Sweep, execution: Execution, wall_s: float, command: str) -> None:
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
        print(f"{count(left, 'job is', 'jobs are')} not finished. {go_on(command)}")


def plan(outlook: Outlook, experiment: Experiment, execution: Execution) -> None:
    """Prints the jobs of a run, what is left of each, and what is known of its cost."""
    names, cells = in_words.table(outlook)
    _table(names, cells, in_words.NUMBERS)
    print()
    for sentence in in_words.sentences(outlook, experiment, execution.output):
        print(printable(sentence))
    gpus = "a GPU where there are any" if execution.gpus_per_trial is None else f"{execution.gpus_per_trial:g} GPU"
    print(
        f"each trial holds {execution.cpus_per_trial} CPU core(s) and {gpus}; "
        f"each refit {execution.workers_per_job} worker(s)"
    )
    print(f"experiment {experiment.hash()} · rows go to {printable(execution.output)}")


def datasets() -> None:
    """Prints what datasets there are."""
    rows = [
        [d.name, d.description, len(d.categories) or "yours", "none" if not d.needs_root else "--data-root", d.source]
        for d in DATASETS.values()
    ]
    _table(["dataset", "what", "categories", "files", "source"], rows)


def check_dataset(name: str | None, data_root: str | None) -> None:
    """Scans and decodes a tree, and prints what it holds. Raises InputError for what is wrong with it."""
    choice("dataset", name or "", list(DATASETS))
    experiment = Experiment(dataset=(name,), size_px=32)
    rows = []
    for category in preflight.survey(experiment, data_root):
        images = next(iter(preflight.decode([category], experiment, Execution()).values()))
        defects = Counter(sample.defect for sample in images.samples if sample.label)
        normal = sum(sample.label == 0 for sample in images.samples)
        copies = len(images.samples) - len(set(images.pixel_hash))
        listed = ", ".join(f"{defect} {count}" for defect, count in sorted(defects.items()))
        rows.append(
            [category.name, normal, sum(defects.values()), "yes" if images.masks is not None else "no", copies, listed]
        )
    _table(["category", "normal", "defective", "masks", "pixel-identical copies", "defects"], rows)
    print("\nevery image can be read, and every category can be split by protocol holdout")


def models() -> None:
    """Prints what detectors there are, with their sizes and search spaces."""
    rows = []
    for name, model in MODELS.items():
        counts = model(model.HParams(), (3, 128, 128), "meta").parameters_by_network()  # shapes, no memory
        trained = {part: count for part, count in counts.items() if count and not part.endswith("_average")}
        sizes = ", ".join(f"{part} {count / 1e6:.2f} M" for part, count in trained.items())
        origin = " ".join(importlib.import_module(model.__module__).__doc__.split(":")[0].split())
        rows.append([name, origin, sizes or "none", ", ".join(SPACES[name]) or "nothing", ", ".join(PRESETS[name])])
    _table(["model", "what", "parameters at 128 px", "searched", "presets"], rows)


def doctor(experiment: Experiment, execution: Execution) -> int:
    """Checks the machine, the cluster and the data, one line each. Returns 2 if anything is wrong."""
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    checks = {
        "machine": lambda: f"Python {platform.python_version()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB",
        "torch": lambda: f"{torch.__version__}, GPUs: {', '.join(gpus) or 'none'}",
        "packages": preflight.check_packages,
        "output": lambda: f"{Output(execution.output).create().root} can be written",
        "data": lambda: _data_line(experiment, execution),
        "cluster": lambda: _cluster_line(execution),
    }
    wrong = 0
    for name, check in checks.items():
        try:
            print(printable(f"ok     {name}: {check()}"))
        except (InputError, DataError) as error:
            wrong = 2
            print(printable(f"WRONG  {name}: {error}"))
    return wrong


def _data_line(experiment: Experiment, execution: Execution) -> str:
    categories = preflight.survey(experiment, execution.data_root)
    return f"{len(categories)} categories, {sum(category.images for category in categories)} images"


def _cluster_line(execution: Execution) -> str:
    if execution.backend == "local":
        return "not needed by --backend local"
    from orchestrator.ray_backend.backend import describe

    return describe(execution)


def go_on(command: str) -> str:
    """What to say when a run ends early."""
    return f"What is finished is kept; to go on:\n  {printable(command)}"


def command(given: dict[str, Any]) -> str:
    """The command line of a run with these options, to go on with it."""
    words = ["defectsweep", "run"]
    for name, value in given.items():
        if name == "fresh":
            continue
        for item in value if isinstance(value, list) else [value]:
            words += [flag(name)] if item is True else [flag(name), str(item)]
    return shlex.join(words)


def _table(names: list[str], rows: list[list[Any]], numbers: set[str] = frozenset()) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(printable(name), justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(str(value)) for value in row))
    as_written = {"highlight": False, "markup": False, "emoji": False}
    console = Console(**as_written)
    if not console.is_terminal:
        console = Console(**as_written, width=200)
    console.print(table)
