"""The ranking as rows come in, and what is under way, from rows and claims alone."""

import io
import re
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from orchestrator.cli import main
from orchestrator.display import watch
from orchestrator.display.watch import JobUnderWay, View, Watch, shown
from orchestrator.errors import InputError
from orchestrator.ranking.reading import Reading
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(str(tmp_path / "out"))


@pytest.fixture
def finish(output, make_measured, make_trial):
    """A job ends: its trials, its scores, its row."""

    def end(job) -> None:
        labels = np.arange(40) % 2
        row, scores = make_measured(job, labels, labels + np.random.default_rng(0).normal(size=40))
        output.write_trial(make_trial(job, 0, [0.75], finished_at=NOW.isoformat()))
        output.write_scores(row, scores)
        output.write_job(row)

    return end


def test_a_job_is_under_way_from_its_claim_to_its_row(output, finish, make_job, make_trial):
    job, looker = make_job(trials=3), Watch(output)
    assert looker.look() == View(None, (), ()), "nothing yet"
    with Claims(output) as claims:
        claims.take(job.id)
        assert looker.look().under_way == (JobUnderWay("bottle", "sa_skip_ganomaly", "0"),)
        for index, value in enumerate((0.75, 0.5)):
            output.write_trial(make_trial(job, index, [value], finished_at=NOW.isoformat(), device="cpu x1"))
        view = looker.look()
        assert view.under_way == (JobUnderWay("bottle", "sa_skip_ganomaly", "0", 2, 0.75, NOW),)
        assert view.circumstances == ("validation AUROC", "chosen on val", "64 px", "cpu x1") and view.ranking is None
        finish(job)
        claims.drop(job.id)
    view = looker.look()
    assert view.under_way == () and view.ranking.cells[0][:3] == ("1", "bottle", "sa_skip_ganomaly")


def test_sizes_are_told_where_there_are_several(output, make_job, make_trial):
    for size_px in (32, 64):
        output.write_trial(make_trial(make_job(size_px=size_px), 0, [0.75]))
    under_way = sorted(job.model for job in Watch(output).look().under_way)
    assert under_way == ["sa_skip_ganomaly at 32 px", "sa_skip_ganomaly at 64 px"]


def test_a_job_whose_sweep_has_died_is_still_seen_by_its_rows(output, make_job, make_trial):
    output.write_trial(make_trial(make_job(), 0, [0.75]))
    assert [job.trials for job in Watch(output).look().under_way] == [1]


def test_a_finished_job_that_is_taken_up_again_is_under_way(output, finish, make_job):
    finish(make_job())
    with Claims(output) as claims:
        claims.take(make_job().id)
        view = Watch(output).look()
    assert view.ranking and [job.trials for job in view.under_way] == [1]


def test_what_was_read_is_not_read_again(output, finish, make_job, make_trial, monkeypatch):
    finish(make_job())
    output.write_trial(make_trial(make_job("cable"), 0, [0.5]))
    looker, read = Watch(output), []
    tables = output.tables
    monkeypatch.setattr(output, "tables", lambda kind, files, *folders: (read.extend(files), tables(kind, files))[1])
    first = looker.look()
    assert len(read) == 3, "a job's row, its scores, and the trial under way"
    assert looker.look() is first and len(read) == 3
    output.write_trial(make_trial(make_job("cable"), 1, [0.5]))
    assert [job.trials for job in looker.look().under_way] == [2] and len(read) == 4


def test_looking_leaves_nothing_behind(output, make_job, make_trial):
    Watch(output).look()
    assert output.listing() == []


# -- what is shown


@pytest.fixture
def view() -> View:
    names = ("rank", "category", "model", "test_auc", "val_auc", "f1", "au_pro", "trials")
    cells = tuple((str(1 + i % 2), f"category_{i}", "sa_skip_ganomaly", *["0.931"] * 4, "8") for i in range(20))
    caption = "test AUROC on mvtec_ad, protocol paper · chosen on test · 64 px\nprotocol paper chooses on the test part"
    job = JobUnderWay("bottle", "ganomaly", "0", 3, 0.75, NOW - timedelta(seconds=75))
    about = ("validation AUROC", "chosen on val", "64 px", "cpu x1")
    return View(Reading(names, cells, frozenset({"rank"}), caption), (job, JobUnderWay("cable", "sagan", "1")), about)


def test_where_it_is_wide_and_high_all_is_shown(view):
    lines = shown(view, "results", NOW, 200)
    assert lines[0].endswith("· results") and re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", lines[0])
    assert sum("category_" in line for line in lines) == 20 and "protocol paper chooses on the test part" in lines
    assert "under way: validation AUROC · chosen on val · 64 px · cpu x1" in lines
    assert "bottle     ganomaly  0               3           0.750  1 min 15 s ago" in lines
    assert "cable      sagan     1               0               -               -" in lines


@pytest.mark.parametrize("height", [1, 4, 10, 24])
@pytest.mark.parametrize("width", [1, 20, 40, 80])
def test_it_fits_any_terminal(view, width, height):
    lines = shown(view, "results", NOW, width, height)
    assert 0 < len(lines) <= height and all(len(line) <= width for line in lines)


def test_where_it_is_low_both_are_cut_and_what_is_missing_is_counted(view):
    lines = shown(view, "results", NOW, 80, 13)
    assert lines[-2] == "bottle     ganomaly  0               3           0.750  1 min 15 s ago"
    assert lines[-1].startswith("cable") and any(re.fullmatch("… 1[0-9] more", line) for line in lines)


# -- until Ctrl-C


class Script(io.StringIO):
    """A screen whose watcher does one thing after another, each when what it waits for has been written."""

    def __init__(self, *steps, terminal: bool = False):
        super().__init__()
        self.steps, self.terminal, self.since = list(steps), terminal, 0

    def isatty(self) -> bool:
        return self.terminal

    def flush(self) -> None:
        expected, deed = self.steps[0] if self.steps else ("", lambda: None)
        if expected and expected in self.getvalue()[self.since :]:
            self.since = len(self.getvalue())
            self.steps.pop(0)
            deed()


def interrupt() -> None:
    raise KeyboardInterrupt


def watched(monkeypatch, output: Output, script: Script, *argv: str) -> str:
    monkeypatch.setattr(sys, "stdout", script)
    assert main(["leaderboard", "--output", output.root, "--watch", "0.01", *argv]) == 0
    return script.getvalue()


def test_lines_come_when_something_has_changed_until_ctrl_c(output, finish, make_job, make_trial, monkeypatch):
    job = make_job()
    text = watched(
        monkeypatch,
        output,
        Script(
            ("waiting for rows", lambda: output.write_trial(make_trial(job, 0, [0.75]))),
            ("no job has ended", lambda: finish(job)),
            ("test AUROC on mvtec_ad", interrupt),
        ),
    )
    assert re.findall("waiting|under way: |protocol holdout", text) == ["waiting", "under way: ", "protocol holdout"]
    assert "\x1b" not in text


def test_what_has_not_changed_is_not_printed_again(output, monkeypatch):
    looks = iter([None, None, KeyboardInterrupt])

    def sleep(seconds: float) -> None:
        if ended := next(looks):
            raise ended

    monkeypatch.setattr(watch.time, "sleep", sleep)
    assert watched(monkeypatch, output, Script()).count("waiting for rows") == 1


def test_the_output_need_not_be_there_yet_and_is_not_made(output, monkeypatch):
    watched(monkeypatch, output, Script(("waiting for rows", interrupt)))
    assert output.info().type.name == "NotFound"


def test_sorted_and_by_model(output, finish, make_job, monkeypatch):
    finish(make_job())
    text = watched(monkeypatch, output, Script(("worst_auc", interrupt)), "--by", "model", "--sort", "f1")
    assert "sa_skip_ganomaly" in text


def test_a_terminal_is_drawn_on_its_other_screen_and_left_as_it_was(output, finish, make_job, monkeypatch):
    for name, value in {"TERM": "xterm", "COLUMNS": "80", "LINES": "20"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CI", raising=False)
    finish(make_job())
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: interrupt())
    text = watched(monkeypatch, output, Script(terminal=True))
    assert text.startswith("\x1b[?1049h") and "\x1b[?1049l" in text and text.endswith("\x1b[?25h\x1b[?1049l")


def test_a_reader_that_leaves_ends_it(output, monkeypatch):
    def gone() -> None:
        raise BrokenPipeError

    watched(monkeypatch, output, Script(("waiting", gone)))


# -- mistakes


@pytest.mark.parametrize("every_s", [0.0, -1.0, float("nan"), float("inf")])
def test_it_looks_every_few_seconds(output, every_s):
    with pytest.raises(InputError, match="--watch .*: seconds above 0 are expected"):
        watch.follow(output, every_s)


@pytest.mark.parametrize("other", [["--paper"], ["--sql", "SELECT 1"], ["--format", "csv"]])
def test_only_the_table_is_watched(output, other, capsys):
    assert main(["leaderboard", "--output", output.root, "--watch", "1", *other]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--watch shows the ranking as a table" in line


def test_a_column_that_there_is_not(output, finish, make_job, capsys):
    finish(make_job())
    assert main(["leaderboard", "--output", output.root, "--watch", "1", "--sort", "model_"]) == 2
    assert "Did you mean 'model'?" in capsys.readouterr().err


def test_a_fault_of_the_storage_is_one_line(output, capsys):
    output.write(b"", "leaderboard")  # a file where a folder should be
    assert main(["leaderboard", "--output", output.root, "--watch", "1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "listing leaderboard" in line
