"""`leaderboard --watch`: the ranking as rows come in, and below it the jobs under way, as far as rows and claims tell.

It asks the output alone, so it may run anywhere: a listing every few seconds, and of the files only those that are new.
"""

import contextlib
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
from rich.live import Live
from rich.text import Text

from model.catalog import ENSEMBLE, KNOWN
from orchestrator.display.ranking import DISPENSABLE
from orchestrator.display.terminal import Screen, is_plain, stacked, table, wrapped
from orchestrator.errors import InputError, RunError
from orchestrator.ranking import reading
from orchestrator.ranking.leaderboard import at_size
from orchestrator.ranking.reading import Reading
from orchestrator.results.output import CLAIMS, Output, safe_name
from orchestrator.results.row_files import MERGED, RowFile, each_once
from orchestrator.sweep.claims import held_jobs
from orchestrator.words import duration

NAMES = {safe_name(model): model for model in (*KNOWN, ENSEMBLE)}  # as jobs are called
JOB_ID = re.compile(rf"(.+)-({'|'.join(sorted(NAMES, key=len, reverse=True))})-s(\d+)-[0-9a-f]+")
UNDER_WAY = ["under way", "model", "seed", "trials done", "best val AUROC", "last row"]
WIDE = 200  # columns where there is no terminal


@dataclass(frozen=True)
class JobUnderWay:
    """A job that has begun and not ended."""

    category: str
    model: str
    seed: str
    trials: int = 0  # done
    val_auc: float | None = None
    last_row: datetime | None = None


@dataclass(frozen=True)
class View:
    """What an output held when it was looked at."""

    ranking: Reading | None
    under_way: tuple[JobUnderWay, ...]
    circumstances: tuple[str, ...]  # in which those under way are trained


class Watch:
    """An output that is looked at again and again. A file that was read is not read again while it is there."""

    def __init__(self, output: Output, by: str = "job", sort: str | None = None):
        self.output, self.by, self.sort = output, by, sort
        self.tables: dict[str, dict[RowFile, pa.Table | None]] = {"leaderboard": {}, "trials": {}, "scores": {}}
        self.listed: tuple[list[RowFile], list[RowFile], set[str]] | None = None
        self.view = View(None, (), ())

    def look(self) -> View:
        """What the output holds now. Raises RunError where the storage does not say, and InputError for a column that
        there is not."""
        while True:
            files = self.output.files_of("leaderboard")
            held, trials = self._held(), self.output.files_of("trials")
            if self.listed == (files, trials, held):
                return self.view
            try:
                rows = self._rows("leaderboard", files)
                is_new = self.listed is None or self.listed[0] != files
                ranked = self._rank(rows.to_pandas()) if is_new else self.view.ranking
                self.view = View(ranked, *self._under_way(set(rows["job_id"].to_pylist()), held, trials))
                self.listed = (files, trials, held)
            except FileNotFoundError:  # its rows are in another file by now
                continue

    def _rows(self, kind: str, files: Sequence[RowFile]) -> pa.Table:
        known = self.tables[kind]
        new = [file for file in files if file not in known]
        read = dict.fromkeys(new) | self.output.tables(kind, new)
        self.tables[kind] = {file: known[file] if file in known else read[file] for file in files}
        return each_once(kind, (rows for rows in self.tables[kind].values() if rows is not None))

    def _rank(self, rows: pd.DataFrame) -> Reading | None:
        if rows.empty:
            return None
        scores = self._rows("scores", self.output.files_of("scores")).to_pandas()
        return reading.read(rows, scores, self.by, self.sort)

    def _under_way(
        self, ended: set[str], held: set[str], trials: Sequence[RowFile]
    ) -> tuple[tuple[JobUnderWay, ...], tuple[str, ...]]:
        """The jobs that are held, or that have rows of trials and none of their own. Merged
        files hold trials of jobs that had ended."""
        files = [file for file in trials if file.level != MERGED and (file.job_id in held or file.job_id not in ended)]
        rows = self._rows("trials", files).to_pandas()
        has_sizes = rows.size_px.nunique() > 1
        begun = {job_id: _of_rows(own, has_sizes) for job_id, own in rows.groupby("job_id", sort=False)}
        unknown = {job_id: _of_claim(job_id) for job_id in sorted(held - begun.keys())}
        sizes = [f"{size} px" for size in sorted(set(rows.size_px))]
        about = ("validation AUROC", f"chosen on {', '.join(sorted(set(rows.selection_split.dropna())))}", *sizes)
        return (*begun.values(), *unknown.values()), (*about, *sorted(set(rows.device.dropna()))) if begun else ()

    def _held(self) -> set[str]:
        """The jobs that a living sweep has claimed, where that can be asked: it takes a claim file of one's own."""
        if not self.output.files(*CLAIMS):
            return set()
        with contextlib.suppress(RunError):
            return held_jobs(self.output)
        return set()


def follow(output: Output, every_s: float, by: str = "job", sort: str | None = None) -> int:
    """Shows the ranking of an output and what is under way, looking every `every_s` seconds, until Ctrl-C: that is its
    good end. Returns the exit status."""
    if not 0 < every_s < float("inf"):
        raise InputError(f"--watch {every_s:g}: seconds above 0 are expected.")
    watch = Watch(output, by, sort)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminal is left as it was found
    try:
        (_in_lines if is_plain(sys.stdout) else _in_place)(watch, every_s)
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_place(watch: Watch, every_s: float) -> None:
    """Draws on the terminal's other screen, four times a second: ages grow, and its size may change."""
    view, screen = watch.look(), Screen(sys.stdout)

    def drawn() -> Text:
        lines = shown(view, watch.output.root, datetime.now(UTC), screen.width, screen.height)
        text = Text("\n".join(lines), no_wrap=True, overflow="crop")
        text.highlight_regex(rf"(?m)^(rank|category|{UNDER_WAY[0]}) .*$", "bold")
        return text

    with Live(console=screen, get_renderable=drawn, screen=True):
        while True:
            time.sleep(every_s)
            view = watch.look()


def _in_lines(watch: Watch, every_s: float) -> None:
    """Prints again what has changed."""
    before = None
    while True:
        view = watch.look()
        if view != before:
            print(*shown(view, watch.output.root, datetime.now(UTC), WIDE), "", sep="\n", flush=True)
            before = view
        time.sleep(every_s)


def shown(view: View, root: str, now: datetime, width: int, height: float = float("inf")) -> list[str]:
    """At most `height` lines of at most `width` cells: the time, what the figures were made on, ranking, jobs under
    way. What does not fit is counted."""
    captions = view.ranking.caption.split("\n") if view.ranking else ["no job has ended"]
    if not view.ranking and not view.under_way:
        captions = ["waiting for rows"]
    head = wrapped([f"{now.astimezone():%Y-%m-%d %H:%M:%S}", root], width)
    head += [line for caption in captions for line in wrapped(caption.split(" · "), width)]
    ranked = view.ranking or Reading((), (), frozenset(), "")
    blocks = [table(ranked.names, ranked.cells, width, DISPENSABLE, ranked.numbers)] if view.ranking else []
    cells = [
        (job.category, job.model, job.seed, str(job.trials), reading.short(job.val_auc), _age(job.last_row, now))
        for job in view.under_way
    ]
    blocks.append(table(UNDER_WAY, cells, width, ("seed", "last row"), set(UNDER_WAY[3:])))
    if view.circumstances and view.under_way:
        head += wrapped(["under way: " + view.circumstances[0], *view.circumstances[1:]], width)
    return stacked(head, blocks, height)


def _of_rows(trials: pd.DataFrame, has_sizes: bool) -> JobUnderWay:
    """One job's trials."""
    first = trials.iloc[0]
    model = at_size(first.model, first.size_px) if has_sizes else first.model
    times = [datetime.fromisoformat(text) for text in trials.finished_at.dropna()]
    best = trials.val_auc.max()
    val_auc = None if pd.isna(best) else float(best)
    return JobUnderWay(first.category, model, str(first.seed), len(trials), val_auc, max(times, default=None))


def _of_claim(job_id: str) -> JobUnderWay:
    """A job without a row: its id names it."""
    found = JOB_ID.fullmatch(job_id)
    return JobUnderWay(found[1], NAMES[found[2]], found[3]) if found else JobUnderWay(job_id, "-", "-")


def _age(last_row: datetime | None, now: datetime) -> str:
    return "-" if last_row is None else f"{duration(max(0.0, (now - last_row).total_seconds()))} ago"
