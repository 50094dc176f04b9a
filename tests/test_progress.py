"""What a person sees while a sweep runs: plain lines in a file or under CI, one live display on a terminal."""

import io

import pytest

from orchestrator import progress
from orchestrator.claims import Claims
from orchestrator.progress import Progress, duration
from orchestrator.refit import Refitted
from orchestrator.results import Output
from orchestrator.sweep import Sweep


class Terminal(io.StringIO):
    """A screen that says it is a terminal, and keeps what is drawn."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def sweep(tmp_path, make_job) -> Sweep:
    """Two jobs of two trials, [bottle] and cable; a name in brackets would be taken for markup by rich."""
    sweep = Sweep([make_job("[bottle]", trials=2), make_job("cable", trials=2)], Output(str(tmp_path)))
    sweep.begin(Claims(sweep.output))
    return sweep


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


def test_plain_lines_say_the_beginning_and_the_end_of_every_job(sweep, run):
    screen = io.StringIO()
    with Progress(sweep, screen, slots=2):
        run(sweep)
    assert screen.getvalue().splitlines() == [
        "2 jobs on 2 slots",
        "done    [bottle] / sa_skip_ganomaly / seed 0: test AUROC 0.910, validation 0.750, 2 trials, 2 epochs",
        "FAILED  cable / sa_skip_ganomaly / seed 0: RuntimeError: out of memory",
    ]


def test_now_and_then_a_line_says_how_far_it_is(sweep, run, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", -1.0)
    screen = io.StringIO()
    with Progress(sweep, screen, slots=1):
        run(sweep)
    lines = screen.getvalue().splitlines()
    assert "0/2 jobs · 0/4 trials · 1 trials and 0 refits under way on 1 slots · time left unknown" in lines
    (after_one,) = (line for line in lines if "· 1/4 trials · 0 trials" in line)
    assert "best val AUROC 0.750 ([bottle] / sa_skip_ganomaly)" in after_one
    assert after_one.endswith("about 5 min 00 s left"), "three trials and two refits of a minute"
    assert lines[-1].startswith("2/2 jobs · 4/4 trials · 0 trials and 0 refits")
    assert lines[-1].endswith("about 0 s left")


def test_a_line_that_would_say_the_same_again_is_not_said(sweep, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", -1.0)
    screen = io.StringIO()
    with Progress(sweep, screen, slots=1) as shown:
        sweep.next_trial()
        said = screen.getvalue()
        shown.changed()
    assert screen.getvalue() == said != ""


def test_what_was_finished_before_is_said(sweep, run, tmp_path, make_job):
    run(sweep)
    again = Sweep(sweep.jobs, Output(str(tmp_path)))
    screen = io.StringIO()
    with Progress(again, screen, slots=1):
        pass
    assert screen.getvalue() == "1 job on 1 slot; 1 jobs were finished before; 2 trials were finished before\n"


def test_lines_are_not_broken_where_there_is_no_terminal(sweep):
    screen = io.StringIO()
    with Progress(sweep, screen, slots=1) as shown:
        shown.say("x" * 300)
    assert "x" * 300 in screen.getvalue()


def test_a_terminal_shows_a_table_that_follows_the_sweep_and_goes(sweep, run, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    with Progress(sweep, screen, slots=1) as shown:
        task = sweep.next_trial()
        shown.live.refresh()
        assert task.job.category.name in screen.getvalue() and "best val AUROC" in screen.getvalue()
        assert "0/2" in screen.getvalue() and "search" in screen.getvalue() and "waiting" in screen.getvalue()
    assert "\x1b[2K" in screen.getvalue(), "the table is wiped in the end"


@pytest.mark.parametrize(("name", "value"), [("CI", "1"), ("TERM", "dumb")])
def test_under_ci_and_on_a_dumb_terminal_lines_are_plain(name, value, sweep, run, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    screen = Terminal()
    with Progress(sweep, screen, slots=1):
        run(sweep)
    assert "\x1b[2K" not in screen.getvalue() and "done    [bottle]" in screen.getvalue()


@pytest.mark.parametrize("screen", [io.StringIO(), Terminal()])
def test_names_and_errors_are_lines_that_only_show(tmp_path, make_job, run, screen, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", -1.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    sweep = Sweep([make_job("a\x1b]0;t\r\nb :bomb:", trials=2)], Output(str(tmp_path)))
    sweep.begin(Claims(sweep.output))
    with Progress(sweep, screen, slots=1) as shown:
        shown.changed()
        if shown.live:
            shown.live.refresh()
        run(sweep)
        shown.say("ValueError: \x1b]0;")
    text = screen.getvalue()
    assert r"done    a\x1b]0;t\r\nb :bomb: / " in text and r"ValueError: \x1b]0;" in text
    assert "\x1b]" not in text and "t\r" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.7, "1 h 00 min"), (7380, "2 h 03 min")],
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert duration(seconds) == text
