"""What a person sees while a sweep runs: one live display on a terminal, plain lines elsewhere."""

import os
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from orchestrator.errors import printable
from orchestrator.rows import COMPLETED, TrialRow
from orchestrator.sweep import Sweep

PLAIN_EVERY_S = 10.0


class Progress:
    """Shows a sweep while the context lasts: jobs, trials, best validation AUROC, time left."""

    def __init__(self, sweep: Sweep, screen: TextIO, slots: int):
        plain = not screen.isatty() or bool(os.environ.get("CI")) or os.environ.get("TERM") == "dumb"
        self.console = Console(file=screen, highlight=False, markup=False, emoji=False, soft_wrap=plain)
        self.live = None if plain else Live(console=self.console, refresh_per_second=4, transient=True)
        self.sweep, self.slots = sweep, slots
        self.said_at, self.last_line = time.monotonic(), ""
        self.said: set[str] = set()

    def __enter__(self) -> "Progress":
        self.sweep.on_change = self.changed
        self.say(self._beginning())
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        self.sweep.on_change = lambda: None
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        self.console.print(printable(text))

    def changed(self) -> None:
        self._say_troubled_trials()
        self._say_finished_jobs()
        if self.live:
            self.live.update(self._display())
        elif time.monotonic() - self.said_at > PLAIN_EVERY_S and self._line() != self.last_line:
            self.said_at, self.last_line = time.monotonic(), self._line()
            self.say(self.last_line)

    def _beginning(self) -> str:
        jobs, slots = len(self.sweep.todo), self.slots
        text = f"{jobs} job{'s' if jobs > 1 else ''} on {slots} slot{'s' if slots > 1 else ''}"
        if self.sweep.skipped:
            text += f"; {self.sweep.skipped} jobs were finished before"
        if self.sweep.resumed_trials:
            text += f"; {self.sweep.resumed_trials} trials were finished before"
        return text

    def _say_troubled_trials(self) -> None:
        for job in self.sweep.todo:
            for row in self.sweep.rows[job.id].values():
                if (row.error or row.note) and row.trial_id not in self.said:
                    self.said.add(row.trial_id)
                    trial = f"{row.category} / {row.model} / seed {row.seed}, trial {row.index}"
                    failed = f"failed  {trial}: {row.error}; the search goes on"
                    self.say(failed if row.error else f"note    {trial}: {row.note}")

    def _say_finished_jobs(self) -> None:
        for job in self.sweep.todo:
            if job.id in self.sweep.closed and job.id not in self.said:
                self.said.add(job.id)
                row = self.sweep.job_rows[job.id]
                name = f"{row.category} / {row.model} / seed {row.seed}"
                if row.status == COMPLETED:
                    who = " (by another sweep)" if job.id in self.sweep.closed_elsewhere else ""
                    self.say(
                        f"done    {name}: test AUROC {row.test_auc:.3f}, validation {row.val_auc:.3f}, "
                        f"{row.trials} trials, {row.epochs} epochs{who}"
                    )
                else:
                    self.say(f"FAILED  {name}: {row.error}")

    def _line(self) -> str:
        done, total = self._trials()
        jobs = f"{len(self.sweep.closed)}/{len(self.sweep.todo)} jobs"
        running = sum(map(len, self.sweep.running.values()))
        refits = len(self.sweep.refitting - self.sweep.closed)
        parts = [
            jobs,
            f"{done}/{total} trials",
            f"{running} trials and {refits} refits under way on {self.slots} slots",
            *self._elsewhere(),
        ]
        return " · ".join([*parts, *self._best(), self._left()])

    def _display(self) -> Table:
        table = Table(title=printable(self._line()), title_justify="left", title_style="", box=None, pad_edge=False)
        for name in ("category", "model", "seed", "trials", "best val AUROC", "state"):
            table.add_column(name)
        open_jobs = [job for job in self.sweep.todo if job.id not in self.sweep.closed]
        shown = sorted(open_jobs, key=lambda job: (job.id not in self.sweep.refitting, not self.sweep.running[job.id]))
        for job in shown[: max(3, self.console.height - 6)]:
            rows = self.sweep.searched_rows(job)
            state = "refit" if job.id in self.sweep.refitting else "search" if self.sweep.running[job.id] else "waiting"
            state = "elsewhere" if job.id in self.sweep.elsewhere else state
            values = (job.category.name, job.model, str(job.seed), f"{len(rows)}/{job.trials}", _best_of(rows), state)
            table.add_row(*map(printable, values))
        return table

    def _trials(self) -> tuple[int, int]:
        return sum(len(self.sweep.searched_rows(job)) for job in self.sweep.todo), sum(
            job.trials for job in self.sweep.todo
        )

    def _elsewhere(self) -> list[str]:
        holders = sorted(set(self.sweep.elsewhere.values()))
        return [f"{len(self.sweep.elsewhere)} jobs with {', '.join(holders)}"] if holders else []

    def _best(self) -> list[str]:
        rows = [row for job in self.sweep.todo for row in self.sweep.searched_rows(job) if row.val_auc is not None]
        if not rows:
            return []
        top = max(rows, key=lambda row: row.val_auc)
        return [f"best val AUROC {top.val_auc:.3f} ({top.category} / {top.model})"]

    def _left(self) -> str:
        """From the mean length of finished trials, over the slots."""
        walls = [row.wall_s for job in self.sweep.todo for row in self.sweep.searched_rows(job) if row.wall_s]
        done, total = self._trials()
        if not walls:
            return "time left unknown"
        work = (total - done + len(self.sweep.todo) - len(self.sweep.closed)) * sum(walls) / len(walls)
        return f"about {duration(work / self.slots)} left"


def _best_of(rows: list[TrialRow]) -> str:
    values = [row.val_auc for row in rows if row.val_auc is not None]
    return f"{max(values):.3f}" if values else "-"


def duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
