"""Text on a screen of any size, and a screen that may go away."""

import io
import os
import sys

import pytest

from orchestrator.display import terminal
from orchestrator.display.terminal import Outlived, cut, is_plain, reader_may_leave, stacked, table, wrapped

NAMES = ["category", "model", "f1"]
ROWS = [["bottle", "sa_skip_ganomaly", "0.9"], ["kolektor_sdd", "ganomaly", "0.75"]]


def test_a_table_has_a_line_of_names_and_one_a_row():
    assert table(NAMES, ROWS, 80, numbers={"f1"}) == [
        "category      model               f1",
        "bottle        sa_skip_ganomaly   0.9",
        "kolektor_sdd  ganomaly          0.75",
    ]


def test_a_narrow_table_drops_what_is_dispensable_then_shortens_the_widest_words():
    whole = ["bottle        sa_skip_ganomaly", "kolektor_sdd  ganomaly"]
    assert table(NAMES, ROWS, 30, dispensable=["f1"])[1:] == whole
    assert table(NAMES, ROWS, 20, dispensable=["f1"])[1:] == ["bottle     sa_skip_…", "kolektor…  ganomaly"]


@pytest.mark.parametrize("width", range(1, 45))
def test_no_line_is_wider_than_the_screen(width):
    assert all(len(line) <= width for line in table(NAMES, ROWS, width))
    assert all(len(line) <= width for line in wrapped(["3/9 jobs", "41/144 trials", "a" * 50], width))


def test_wide_letters_take_two_cells():
    assert table(["a", "b"], [["表面", "1"], ["x", "2"]], 80) == ["a     b", "表面  1", "x     2"]


def test_names_only_show():
    assert table(["a"], [["x\x1b]0;\n"]], 80)[1] == r"x\x1b]0;\n"


def test_parts_share_lines_and_a_long_one_is_broken_between_words():
    assert wrapped(["3/9 jobs", "41/144 trials", "2 slots"], 24) == ["3/9 jobs · 41/144 trials", "2 slots"]
    assert wrapped(["chosen on the test part"], 12) == ["chosen on", "the test", "part"]


def test_what_does_not_fit_is_counted():
    assert cut(["a", "b", "c"], 3) == ["a", "b", "c"]
    assert cut(["a", "b", "c"], 2) == ["a", "… 2 more"]
    assert cut(["a", "b", "c"], 0) == []


def test_blocks_stand_apart_where_there_is_room_and_share_what_there_is_where_not():
    head, first, second = ["head"], ["A", "1", "2", "3"], ["B", "4", "5"]
    assert stacked(head, [first, ["empty"], second], 10) == ["head", "", "A", "1", "2", "3", "", "B", "4", "5"]
    assert stacked(head, [first, second], 6) == ["head", "A", "1", "… 2 more", "B", "… 2 more"]
    assert stacked(head, [first], 3) == ["head", "A", "… 3 more"]
    assert stacked(head, [first, second], 1) == ["head"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variable", "value", "plain"),
    [("TERM", "xterm-256color", False), ("TERM", "dumb", True), ("TERM", "unknown", True), ("CI", "true", True)],
)
def test_only_a_terminal_that_can_draw_is_drawn_on(monkeypatch, variable, value, plain):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    assert is_plain(Terminal()) == plain and is_plain(io.StringIO())


def test_a_terminal_without_a_size_is_watched_by_nobody(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as screen:
        assert is_plain(screen)
    os.close(ours)


def test_a_screen_that_has_gone_takes_all_that_is_still_written():
    out, into = os.pipe()
    os.close(out)
    with os.fdopen(into, "w") as file:
        screen = Outlived(file)
        for _ in range(3):
            screen.write("line\n" * 3000)
            screen.flush()


def test_a_letter_that_a_screen_does_not_have_is_spelt():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    screen = Outlived(file)
    screen.write("é · x")
    screen.flush()
    assert file.buffer.getvalue() == rb"\xe9 \xb7 x"


@pytest.mark.parametrize("fault", [BrokenPipeError, SystemExit])
def test_what_is_printed_for_a_reader_that_has_left_is_lost(fault, monkeypatch):
    gone = []
    monkeypatch.setattr(terminal, "_to_nowhere", gone.append)
    with reader_may_leave():
        raise fault
    assert gone == ([sys.stdout] if fault is BrokenPipeError else [])
