"""What a person sees while a sweep runs: plain lines in a file or under CI, one live display on a terminal."""

import dataclasses
import io
import os
import re
import threading
from pathlib import Path

import pytest

from orchestrator.display import progress
from orchestrator.display.progress import Progress
from orchestrator.display.snapshot import BestLine, JobLine, Snapshot
from orchestrator.estimate.schedule import Place
from orchestrator.experiment.job import Job
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.ledger import Ledger
from orchestrator.sweep.sweep import Sweep
from orchestrator.training.refit import Refitted


class Terminal(io.StringIO):
    """A screen that says it is a terminal, and keeps what is drawn."""

    def isatty(self) -> bool:
        return True


class Ear(io.StringIO):
    """Hears when so many lines have been said since it was last asked."""

    def __init__(self, lines: int):
        super().__init__()
        self.lines, self.heard = lines, threading.Event()

    def write(self, text: str) -> int:
        self.lines -= 1
        if self.lines <= 0:
            self.heard.set()
        return super().write(text)


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CI", raising=False)
    return Terminal()


def begin(root: Path, *jobs: Job, slots: int = 1) -> Sweep:
    output = Output(str(root))
    return Sweep(Ledger.read(jobs, output), output, Claims(output), Place(slots))


@pytest.fixture
def jobs(make_job) -> list[Job]:
    """Two jobs of two trials, [bottle] and cable; a name in brackets would be taken for markup by rich."""
    return [make_job("[bottle]", trials=2), make_job("cable", trials=2)]


@pytest.fixture
def sweep(tmp_path, jobs) -> Sweep:
    return begin(tmp_path, *jobs)


@pytest.fixture
def run(make_trial, make_job_row):
    """Runs the sweep to its end; the second job fails."""

    def to_the_end(sweep: Sweep) -> None:
        while task := sweep.next_trial():
            row = make_trial(task.job, task.index, [0.6, 0.75], wall_s=60.0, params=dict(task.params))
            sweep.record(task, row)
        while found := sweep.next_refit():
            job, _ = found
            if job.category.name == "cable":
                sweep.fail(job, "RuntimeError: out of memory")
            else:
                sweep.close(Refitted(make_job_row(job, 0.91, val_auc=0.75, epochs=2), [], []))

    return to_the_end


def test_plain_lines_say_the_beginning_and_the_end_of_every_job(tmp_path, jobs, run):
    sweep = begin(tmp_path, *jobs, slots=2)
    screen = io.StringIO()
    with Progress(sweep, screen):
        run(sweep)
    assert screen.getvalue().splitlines() == [
        "2 jobs on 2 slots",
        "done    [bottle] / sa_skip_ganomaly / seed 0: test AUROC 0.910, validation 0.750, 2 trials, 2 epochs",
        "FAILED  cable / sa_skip_ganomaly / seed 0: RuntimeError: out of memory",
    ]


def test_now_and_then_a_line_says_how_far_it_is(sweep, run, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", -1.0)
    screen = io.StringIO()
    with Progress(sweep, screen):
        run(sweep)
    lines = screen.getvalue().splitlines()
    (after_one,) = (line for line in lines if "· 1/4 trials · 0 of 1 slot busy" in line)
    assert after_one.startswith("0/2 jobs ·") and "· best val AUROC [bottle] 0.750 (sa_skip_ganomaly) ·" in after_one
    assert after_one.endswith("about 5 min left"), "three trials and two refits of a minute"
    assert lines[-1].startswith("2/2 jobs · 4/4 trials · 0 of 1 slot busy") and lines[-1].endswith("· 0 s left")


def test_a_line_is_said_every_minute_while_nothing_ends_with_the_epochs_under_way(tmp_path, jobs, monkeypatch):
    sweep = begin(tmp_path, *jobs, slots=2)
    monkeypatch.setattr(progress, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(progress, "LOOK_S", 0.0)
    screen = Ear(lines=3)
    with Progress(sweep, screen):
        task = sweep.next_trial()
        sweep.progressed(task, 1, 0.6)
        sweep.progressed(task, 2, 0.7)
        screen.heard.clear()
        assert screen.heard.wait(30.0), "more lines come, and nobody calls"
    line = screen.getvalue().splitlines()[-1]
    assert line.startswith("0/2 jobs · 0/4 trials · 1 of 2 slots busy (epoch 2/20) · best val AUROC [bottle] 0.700")
    assert line.endswith((" left", "nearly done")) and "unknown" not in line, "an epoch is enough to begin"


def test_many_epochs_in_a_moment_are_looked_at_once(tmp_path, jobs, monkeypatch):
    sweep = begin(tmp_path, *jobs, slots=2)
    monkeypatch.setattr(progress, "LOOK_S", 1e9)
    with Progress(sweep, io.StringIO()) as shown:
        task = sweep.next_trial()
        seen = shown.seen
        sweep.progressed(task, 1, 0.6)
        assert shown.seen is seen and seen.slots == (1, 2)
        sweep.abandon(task)
        sweep.next_trial()
        assert shown.seen is not seen, "but a trial that begins or ends is seen at once"


def test_a_line_that_would_say_the_same_again_is_not_said(sweep, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", -1.0)
    screen = io.StringIO()
    with Progress(sweep, screen) as shown:
        sweep.next_trial()
        said = screen.getvalue()
        shown.changed()
    assert screen.getvalue() == said != ""


def test_what_was_finished_before_is_said(sweep, run, tmp_path, jobs):
    run(sweep)
    again = begin(tmp_path, *jobs)
    screen = io.StringIO()
    with Progress(again, screen):
        pass
    assert screen.getvalue() == "1 job on 1 slot; 1 job finished before; 2 trials finished before\n"


def test_lines_are_not_broken_where_there_is_no_terminal(sweep):
    screen = io.StringIO()
    with Progress(sweep, screen) as shown:
        shown.say("x" * 300)
    assert "x" * 300 in screen.getvalue()


def test_a_terminal_shows_a_table_that_follows_the_sweep_and_goes(sweep, terminal, monkeypatch):
    monkeypatch.setattr(progress, "LOOK_S", 0.0)
    with Progress(sweep, terminal) as shown:
        task = sweep.next_trial()
        sweep.progressed(task, 3, 0.625)
        shown.live.refresh()
        text = terminal.getvalue()
        assert "1 of 1 slot busy (epoch 3/20)" in text and "elapsed" in text
        assert re.search(r"\[bottle\] +sa_skip_ganomaly +0/2 +3/20 +0\.625", text), "under way"
        assert re.search(r"\[bottle\] +0\.625 +sa_skip_ganomaly", text), "the best"
    assert "\x1b[2K" in terminal.getvalue(), "the table is wiped in the end"


def test_what_libraries_print_stays_off_a_screen_that_is_not_stdout(sweep, terminal, capsys):
    """As under Ray, whose own talk goes to a log."""
    with Progress(sweep, terminal):
        print("the folder of Tune's results")
    assert "Tune" not in terminal.getvalue() and "Tune" in capsys.readouterr().out


def test_finished_jobs_stay_above_the_display(sweep, run, terminal):
    with Progress(sweep, terminal):
        run(sweep)
    assert "done    [bottle] / sa_skip_ganomaly / seed 0: test AUROC 0.910" in terminal.getvalue()


@pytest.fixture
def seen() -> Snapshot:
    """Twelve jobs under way in twelve categories."""
    return Snapshot(
        at=0.0,
        jobs=(3, 135),
        trials=(41, 1080),
        slots=(12, 12),
        epoch="3-17/20",
        refits=1,
        lines=tuple(JobLine(f"category_{i}", "sa_skip_ganomaly", "0", "3/8", "12/20", "0.931") for i in range(12)),
        best=tuple(BestLine(f"category_{i}", "0.931", "skip_ganomaly") for i in range(12)),
        elsewhere=("another sweep, process 7 on far", "another sweep, process 7 on far"),
        left_s=7230.0,
        is_racing=False,
    )


@pytest.mark.parametrize("height", [1, 3, 9, 24, 60])
@pytest.mark.parametrize("width", [1, 7, 20, 40, 80, 200])
def test_the_display_fits_any_terminal(seen, width, height):
    lines = progress.display(seen, "12 min 30 s elapsed", 0.0, width, height)
    assert 0 < len(lines) <= height and all(len(line) <= width for line in lines)


def test_a_narrow_display_has_fewer_columns_and_whole_words(seen):
    lines = progress.display(seen, "12 min 30 s elapsed", 0.0, width=40, height=11)
    assert lines == [
        "3/135 jobs · 41/1080 trials",
        "12 of 12 slots busy (epoch 3-17/20, 1",
        "refit)",
        "2 jobs with another sweep, process 7 on",
        "far · 12 min 30 s elapsed",
        "about 2 h 00 min left",
        "category     model             epoch",
        "category_0   sa_skip_ganomaly  12/20",
        "… 11 more",
        "best so far  val AUROC  model",
        "… 12 more",
    ]


def test_a_high_display_shows_all(seen):
    lines = progress.display(seen, "12 min 30 s elapsed", 0.0, width=80, height=40)
    assert lines.count("") == 2 and sum(line.startswith("category_") for line in lines) == 24
    assert "category     model             trials  epoch  val AUROC" in lines


def test_the_time_left_goes_on_between_two_snapshots(seen):
    assert "about 2 h 00 min left" in progress.display(seen, "", 0.0, 200, 40)[0]
    assert "about 1 h 00 min left" in progress.display(seen, "", 3600.0, 200, 40)[0]
    assert "nearly done" in progress.display(seen, "", 8000.0, 200, 40)[0], "it took longer than thought"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "10 s"), (41, "50 s"), (100, "2 min"), (3500, "58 min"), (3700, "1 h 00 min"), (7600, "2 h 10 min")],
)
def test_an_estimate_is_no_finer_than_it_can_be(seen, seconds, text):
    assert f"about {text} left" in progress.display(dataclasses.replace(seen, left_s=seconds), "", 0.0, 200, 40)[0]


def test_while_the_race_may_end_jobs_sooner_it_is_the_most(seen):
    line = progress.display(dataclasses.replace(seen, is_racing=True), "", 0.0, 200, 40)[0]
    assert line.endswith(" · at most about 2 h 00 min left")


def test_a_reader_that_leaves_does_not_end_the_sweep(sweep, run):
    out, into = os.pipe()
    with os.fdopen(into, "w") as screen:
        with Progress(sweep, screen):
            os.close(out)
            run(sweep)
    assert sweep.ledger.is_over()


@pytest.mark.parametrize(("name", "value"), [("CI", "1"), ("TERM", "dumb")])
def test_under_ci_and_on_a_dumb_terminal_lines_are_plain(name, value, sweep, run, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    screen = Terminal()
    with Progress(sweep, screen):
        run(sweep)
    assert "\x1b[2K" not in screen.getvalue() and "done    [bottle]" in screen.getvalue()


@pytest.mark.parametrize("screen", [io.StringIO(), Terminal()])
def test_names_and_errors_are_lines_that_only_show(tmp_path, make_job, run, screen, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", -1.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    sweep = begin(tmp_path, make_job("a\x1b]0;t\r\nb :bomb:", trials=2))
    with Progress(sweep, screen) as shown:
        shown.changed()
        run(sweep)
        if not shown.is_plain:
            shown.live.refresh()
        shown.say("ValueError: \x1b]0;")
    text = screen.getvalue()
    assert r"done    a\x1b]0;t\r\nb :bomb: / " in text and r"ValueError: \x1b]0;" in text
    assert "\x1b]" not in text and "t\r" not in text
