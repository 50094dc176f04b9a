"""What a person sees while a sweep runs: one live display on a terminal, plain lines elsewhere.

The sweep tells of each event, upon which a snapshot of it is taken; that may be drawn and said from any thread.
"""

import math
import sys
import threading
import time
from typing import TextIO

from rich.live import Live
from rich.text import Text

from orchestrator.display import snapshot
from orchestrator.display.snapshot import BestLine, JobLine, Snapshot
from orchestrator.display.terminal import Outlived, Screen, is_plain, stacked, table, wrapped
from orchestrator.experiment.job import TrialTask, title
from orchestrator.results.rows import COMPLETED, JobRow, TrialRow
from orchestrator.sweep.sweep import Listener, Sweep
from orchestrator.words import count, duration, printable

LOOK_S = 1.0  # between two snapshots upon epochs
PLAIN_EVERY_S = 10.0  # between two lines that trials or jobs have ended
HEARTBEAT_S = 60.0  # between two lines in any case
BEST_IN_A_LINE = 4
JOB_NAMES = dict(zip(JobLine._fields, ("category", "model", "seed", "trials", "epoch", "val AUROC"), strict=True))
BEST_NAMES = dict(zip(BestLine._fields, ("best so far", "val AUROC", "model"), strict=True))


class Progress(Listener):
    """Shows a sweep while the context lasts: jobs, trials, epochs, best validation AUROC, busy slots, time left. A
    screen that goes away does not end the sweep."""

    def __init__(self, sweep: Sweep, screen: TextIO):
        self.file = Outlived(screen)
        self.sweep = sweep
        self.is_plain, self.console = is_plain(screen), Screen(self.file)
        self.is_stdout = screen is sys.stdout  # what libraries print goes above the display then, else past the screen
        self.over, self.voice = threading.Event(), threading.Lock()
        self.heart = threading.Thread(target=self._beat, name="progress", daemon=True)

    def __enter__(self) -> "Progress":
        self.began = self.said_at = time.monotonic()
        self.seen = snapshot.take(self.sweep)
        self.said = (self.seen.jobs, self.seen.trials)
        self.sweep.listeners.append(self)
        self.say(self._beginning())
        if self.is_plain:
            self.heart.start()
        else:
            prints = dict.fromkeys(("redirect_stdout", "redirect_stderr"), self.is_stdout)
            self.live = Live(console=self.console, get_renderable=self._display, transient=True, **prints)
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        self.sweep.listeners.remove(self)
        if self.is_plain:
            self.over.set()
            self.heart.join()
        else:
            self.live.stop()

    # -- events

    def recorded(self, row: TrialRow) -> None:
        """Says what went wrong in a trial."""
        trial = f"{title(row, self.sweep.ledger.jobs[0].experiment)}, trial {row.index}"
        if row.error:
            self.say(f"failed  {trial}: {row.error}; the search goes on")
        elif row.note:
            self.say(f"note    {trial}: {row.note}")

    def closed(self, row: JobRow) -> None:
        """Says what a job came to."""
        name = title(row, self.sweep.ledger.jobs[0].experiment)
        who = " (by another sweep)" if row.job_id in self.sweep.ledger.closed_elsewhere else ""
        if row.status == COMPLETED:
            self.say(
                f"done    {name}: test AUROC {row.test_auc:.3f}, validation {row.val_auc:.3f}, "
                f"{count(row.trials, 'trial')}, {count(row.epochs, 'epoch')}{who}"
            )
        else:
            self.say(f"FAILED  {name}: {row.error}")

    def progressed(self, task: TrialTask, epoch: int, val_auc: float | None) -> None:
        """Takes note of an epoch, once in a while."""
        if time.monotonic() - self.seen.at >= LOOK_S:  # many trials may end many epochs in a second
            self.seen = snapshot.take(self.sweep)

    def changed(self) -> None:
        """Takes note; on a plain screen says so, unless it has just spoken."""
        seen = self.seen = snapshot.take(self.sweep)
        if self.is_plain and (seen.jobs, seen.trials) != self.said and seen.at - self.said_at >= PLAIN_EVERY_S:
            self._say_line()

    # -- plain lines

    def say(self, text: str) -> None:
        """Puts a line above the display, or below the lines before."""
        if not self.is_plain:
            self.console.print(printable(text))
            return
        with self.voice:
            self.file.write(printable(text) + "\n")
            self.file.flush()

    def _beat(self) -> None:
        while not self.over.wait(max(0.0, self.said_at + HEARTBEAT_S - time.monotonic())):
            if time.monotonic() - self.said_at >= HEARTBEAT_S:
                self._say_line()

    def _say_line(self) -> None:
        seen, now = self.seen, time.monotonic()
        self.said, self.said_at = (seen.jobs, seen.trials), now
        self.say(" · ".join([*_counts(seen), *_best(seen), _left(seen, now)]))

    def _beginning(self) -> str:
        ledger = self.sweep.ledger
        text = f"{count(len(ledger.todo), 'job')} on {count(self.sweep.place.slots, 'slot')}"
        if ledger.skipped:
            text += f"; {count(ledger.skipped, 'job')} finished before"
        if ledger.resumed_trials:
            text += f"; {count(ledger.resumed_trials, 'trial')} finished before"
        return text

    # -- the display

    def _display(self) -> Text:
        size, now = self.console.size, time.monotonic()
        elapsed = f"{duration(now - self.began)} elapsed"
        lines = display(self.seen, elapsed, now, size.width, size.height - 1)
        shown = Text("\n".join(lines), no_wrap=True, overflow="crop")
        shown.highlight_regex(f"(?m)^({JOB_NAMES['category']}|{BEST_NAMES['category']}) .*$", "bold")
        return shown


def display(seen: Snapshot, elapsed: str, now: float, width: int, height: int) -> list[str]:
    """At most `height` lines of at most `width` cells: counts, then the jobs under way, then the best of each category.
    What does not fit is counted."""
    head = wrapped([*_counts(seen), elapsed, _left(seen, now)], width)
    has_seeds = len({line.seed for line in seen.lines}) > 1
    names = {field: name for field, name in JOB_NAMES.items() if field != "seed" or has_seeds}
    cells = [[getattr(line, field) for field in names] for line in seen.lines]
    jobs = table(list(names.values()), cells, width, ("trials", "seed", "val AUROC"), {"trials", "val AUROC"})
    best = table(list(BEST_NAMES.values()), seen.best, width, (), {"val AUROC"})
    return stacked(head, [jobs, best], height)


def _counts(seen: Snapshot) -> list[str]:
    (jobs, all_jobs), (trials, all_trials), (busy, slots) = seen.jobs, seen.trials, seen.slots
    doing = [f"epoch {seen.epoch}"] * bool(seen.epoch) + [count(seen.refits, "refit")] * bool(seen.refits)
    return [
        f"{jobs}/{all_jobs} jobs",
        f"{trials}/{all_trials} trials",
        f"{busy} of {count(slots, 'slot')} busy" + (f" ({', '.join(doing)})" if doing else ""),
        *(f"{count(seen.elsewhere.count(who), 'job')} with {who}" for who in dict.fromkeys(seen.elsewhere)),
    ]


def _best(seen: Snapshot) -> list[str]:
    """Of some categories, those under way first."""
    busy = {line.category for line in seen.lines}
    best = sorted(seen.best, key=lambda line: line.category not in busy)[:BEST_IN_A_LINE]
    shown = [f"{line.category} {line.val_auc} ({line.model})" for line in best]
    if len(seen.best) > BEST_IN_A_LINE:
        shown.append(f"{len(seen.best) - BEST_IN_A_LINE} more")
    return [f"best val AUROC {', '.join(shown)}"] if shown else []


def _left(seen: Snapshot, now: float) -> str:
    left_s = seen.left_at(now)
    if left_s is None:
        return "time left unknown"
    most = "at most " if seen.is_racing else ""
    return f"{most}about {_roughly(left_s)} left" if left_s > 0 else "nearly done" if seen.slots[0] else "0 s left"


def _roughly(seconds: float) -> str:
    """An estimate, no finer than it can be."""
    if seconds < 60:
        return f"{10 * math.ceil(seconds / 10)} s" if seconds <= 50 else "1 min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(10 * round(minutes / 10), 60)
    return f"{hours} h {minutes:02d} min" if hours < 24 else f"{hours / 24:.1f} days"
