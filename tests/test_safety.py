"""Names and files of anybody's making: they are shown, never obeyed, and nothing of theirs leaves the output."""

import ast
import csv
import dataclasses
import io
import json
import os
import pickle
import pty
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from orchestrator import CHECKOUT
from orchestrator.cli import main
from orchestrator.results.output import Output
from orchestrator.training import checkpoint

HOSTILE = "a\x1b[31mred\r\n|x"  # colours, overwrites its line, begins another, ends a table's cell
SHOWN = r"a\x1b[31mred\r\n|x"
MARKUP = "<script>alert(1)<`[x](javascript:y)$_^$"
DEFECT = "de\x1b]0;title\x07\u202etcef"
SMALL = ["--backend", "local", "--model", "mean_image", "--size-px", "32", "--trials", "1", "--epochs", "1"]


def make_category(root: Path, name: str, defect: str = "scratch") -> Path:
    """ROOT/NAME with twelve images each of train/good, test/good and a defect that is easy to see."""
    rng = np.random.default_rng(0)
    for folder in ("train/good", "test/good", f"test/{defect}"):
        (root / name / folder).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(100, 130, (32, 32, 3), dtype=np.uint8)
            pixels[8:16, 8:16] = 255 if folder.endswith(defect) else pixels[8:16, 8:16]
            Image.fromarray(pixels).save(root / name / folder / f"{i}.png")
    return root / name


def run(data: Path, output: Path, *more: str) -> list[str]:
    return ["run", *SMALL, "--dataset", "folder", "--data-root", str(data), "--output", str(output), *more]


def on_a_terminal(argv: list[str]) -> str:
    """Everything that `defectsweep argv` writes to its terminal, of 300 columns."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())", *argv]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "300", "CI": ""}
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    with subprocess.Popen(command, **streams, cwd=CHECKOUT, env=environment) as process:
        os.close(theirs)
        written = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""


def complaint(capsys, argv: list[str]) -> str:
    """The one line that a wrong command prints; exit status 2, and nothing else but how the data were read."""
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert all(": read as good: " in line for line in printed.out.splitlines())
    (line,) = printed.err.splitlines()
    return line


def raw(text: str) -> set[str]:
    """What in `text` is neither visible nor the end of a line."""
    return {sign for sign in text if not sign.isprintable()} - {"\n"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """The output of a run on two categories of such names, and what a terminal saw of it."""
    folder = tmp_path_factory.mktemp("safety")
    make_category(folder / "data", HOSTILE, DEFECT)
    make_category(folder / "data", MARKUP)
    yield folder / "out", on_a_terminal(run(folder / "data", folder / "out"))


@pytest.fixture
def output(swept) -> str:
    return str(swept[0])


# -- what reaches a terminal


def test_a_run_shows_names_and_its_terminal_obeys_none(swept):
    _, seen = swept
    assert f"done    {SHOWN} / mean_image" in seen and f"done    {MARKUP} / mean_image" in seen
    ours = re.sub(r"\x1b\[(\?25[lh]|\d*A|2K|[013]m)|\r", "", seen)  # rich: cursor, up, erase, bold
    assert raw(ours) == set()


@pytest.mark.parametrize("by", ["job", "category", "model"])
@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_a_leaderboard_holds_nothing_but_text(output, capsys, by, form):
    assert main(["leaderboard", "--output", output, "--by", by, "--format", form]) == 0
    assert raw(capsys.readouterr().out) == set()


def test_a_query_and_its_headers_are_shown_too(output, capsys):
    sql = "SELECT category, defect AS \"h\x1b[1m\" FROM scores WHERE defect LIKE 'de%' LIMIT 1"
    assert main(["leaderboard", "--output", output, "--sql", sql]) == 0
    printed = capsys.readouterr().out
    assert raw(printed) == set()
    assert all(text in printed for text in (SHOWN, r"\x1b]0;title\x07\u202e", r"h\x1b[1m"))


def test_json_and_csv_give_a_program_the_name_itself(output, capsys):
    main(["leaderboard", "--output", output, "--format", "json"])
    assert {line["category"] for line in json.loads(capsys.readouterr().out)} == {HOSTILE, MARKUP}
    main(["leaderboard", "--output", output, "--format", "csv"])
    lines = csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""))
    assert {line["category"] for line in lines} == {HOSTILE, MARKUP}


def test_csv_on_a_terminal_is_text_as_well(output):
    seen = on_a_terminal(["leaderboard", "--output", output, "--format", "csv"])
    assert raw(seen.replace("\r\n", "\n")) == set() and r"a\x1b[31mred\r" in seen


def test_markdown_shows_markup_as_text(output, capsys):
    main(["leaderboard", "--output", output, "--format", "markdown"])
    printed = capsys.readouterr().out
    assert r"| &lt;script&gt;alert(1)&lt;\`\[x\](javascript:y)$\_^$ |" in printed
    assert r"a\\x1b\[31mred\\r\\n\|x |" in printed and "| mean_image |" in printed


def test_an_error_is_one_line_whatever_the_name_of_its_file(tmp_path, capsys):
    broken = make_category(tmp_path / "data", "part") / "train/good/br\x1b[31m\noken.png"
    broken.write_bytes(b"no picture")
    line = complaint(capsys, run(tmp_path / "data", tmp_path / "out"))
    assert r"part/train/good/br\x1b[31m\noken.png: not a picture" in line and raw(line) == set()


def test_checking_a_folder_shows_the_names_in_it(tmp_path, capsys):
    make_category(tmp_path / "data", HOSTILE, DEFECT)
    assert main(["datasets", "check", "folder", "--data-root", str(tmp_path / "data")]) == 0
    printed = capsys.readouterr().out
    assert raw(printed) == set() and SHOWN in printed and r"de\x1b]0;title\x07\u202etcef 12" in printed


# -- figures


def test_figures_are_sound_svg_without_markup_of_others(output, tmp_path):
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["figures", "--output", output, "--to", str(tmp_path / "to")]) == 0
    assert raw(printed.getvalue()) == set()
    made = list((tmp_path / "to").iterdir())
    assert len(made) == 6 and set(tmp_path.iterdir()) == {tmp_path / "to"}
    drawings = [ElementTree.parse(path) for path in made if path.suffix == ".svg"]
    assert not any(element.tag.endswith(("script", "}a")) for drawing in drawings for element in drawing.iter())
    texts = {element.text for drawing in drawings for element in drawing.iter() if element.tag.endswith("text")}
    assert {f"folder / {SHOWN}", f"folder / {MARKUP}"} <= texts


# -- names that a file system, or the rows, cannot hold


@pytest.mark.parametrize("name", ["ä" * 100, "a" * 200], ids=["percent-encoded", "with what a job's name adds"])
def test_a_name_too_long_for_the_output_is_refused_before_anything_is_trained(tmp_path, capsys, name):
    make_category(tmp_path / "data", name)
    assert f"category {name!r} is too long" in complaint(capsys, run(tmp_path / "data", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["名" * 26, "a" * 130])
def test_the_longest_names_work(tmp_path, name):
    make_category(tmp_path / "data", name)
    assert main(run(tmp_path / "data", tmp_path / "out")) == 0


@pytest.mark.parametrize("name", [b"p\xff", b"part/train/good/\xff.png"], ids=["category", "image"])
def test_a_name_that_is_not_utf8_is_refused_before_anything_is_trained(tmp_path, capsys, name):
    make_category(tmp_path / "data", "part")
    old = "part/train/good/0.png" if b"/" in name else "part"
    os.rename(tmp_path / "data" / old, os.path.join(os.fsencode(tmp_path / "data"), name))
    line = complaint(capsys, run(tmp_path / "data", tmp_path / "out"))
    assert "is not UTF-8" in line and r"\udcff" in line
    assert not (tmp_path / "out").exists()


def test_a_folder_that_the_system_does_not_open_is_one_line(tmp_path, capsys):
    assert "File name too long" in complaint(capsys, run(Path("a" * 5000), tmp_path / "out"))


# -- links, bombs, rows of others


def test_links_in_a_circle_end(tmp_path, capsys):
    part = make_category(tmp_path / "data", "part")
    (tmp_path / "data" / "self").symlink_to("self")
    (part / "up").symlink_to("../part")
    assert main(run(tmp_path / "data", tmp_path / "out")) == 0
    (part / "test" / "loop").symlink_to("..")
    capsys.readouterr()
    assert "test/loop holds no image" in complaint(capsys, run(tmp_path / "data", tmp_path / "out2"))


def test_a_decompression_bomb_is_one_line_that_names_it(tmp_path, capsys):
    part = make_category(tmp_path / "data", "part")
    Image.new("1", (20_000, 10_000)).save(part / "train/good/bomb.png")
    line = complaint(capsys, run(tmp_path / "data", tmp_path / "out"))
    assert "part/train/good/bomb.png: 20000 x 10000 pixels in 0.024 MB, which is no photograph" in line


@pytest.mark.filterwarnings("error")
def test_a_picture_that_is_only_large_is_read_without_a_word(tmp_path, capsys):
    part = make_category(tmp_path / "data", "part")
    Image.new("1", (10_000, 9_000)).save(part / "train/good/large.png")
    assert main(["datasets", "check", "folder", "--data-root", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["..", "../../../../outside", "/outside", "a\0b", "%2e%2e%2f", "."])
def test_rows_of_any_name_stay_in_the_output(tmp_path, make_job, make_job_row, name):
    output = Output(str(tmp_path / "out"))
    output.write_job(dataclasses.replace(make_job_row(make_job(name)), dataset=name, model=name))
    assert set(tmp_path.iterdir()) == {tmp_path / "out"}
    (row,) = output.jobs()
    assert (row.dataset, row.category, row.model) == (name, name, name)


def test_the_checkpoint_that_a_row_names_is_not_followed(tmp_path, make_job_row):
    make_category(tmp_path / "data", "part")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "weights.pt").write_bytes(b"precious")
    assert main(run(tmp_path / "data", tmp_path / "out")) == 0
    output = Output(str(tmp_path / "out"))
    (row,) = output.jobs()
    output.write_job(dataclasses.replace(row, checkpoint="../outside"))
    for argv in (["leaderboard", "--output", output.root], ["figures", "--output", output.root]):
        assert main(argv) == 0
    assert main(run(tmp_path / "data", tmp_path / "out", "--fresh")) == 0
    assert (tmp_path / "outside" / "weights.pt").read_bytes() == b"precious"


# -- no pickle


class Touch:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(params=[True, False], ids=["torch's archive", "torch's older stream of pickles"])
def trap(request, tmp_path) -> tuple[bytes, Path]:
    """A checkpoint that would make the file `sprung`, were it unpickled: it does so here, once, to prove it."""
    sprung, buffer = tmp_path / "sprung", io.BytesIO()
    torch.save({"generator": Touch(sprung)}, buffer, _use_new_zipfile_serialization=request.param)
    torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
    sprung.unlink()
    return buffer.getvalue(), sprung


def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run(trap, tmp_path):
    content, sprung = trap
    output = Output(str(tmp_path / "out"))
    place = output.write_checkpoint("job", {checkpoint.WEIGHTS: content})
    with pytest.raises(pickle.UnpicklingError):
        torch.load(output.path(place, checkpoint.WEIGHTS), weights_only=True)
    assert not sprung.exists()


PACKAGES = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
SOURCES = [path for name in PACKAGES for path in (CHECKOUT / name.replace(".", "/")).glob("*.py")]
UNPICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def unsafe(source: str) -> list[str]:
    """Whatever in a module reads data as code, each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if {name.partition(".")[0] for name in names} & UNPICKLERS:
                found.append(f"{node.lineno}: import of {names}")
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if (
                called in ("eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load")
                or called.endswith("read_pickle")
                or (called == "torch.load" and options.get("weights_only") != "True")
                or options.get("allow_pickle", "False") != "False"
            ):
                found.append(f"{node.lineno}: {called}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f, allow_pickle=True)",
        "yaml.load(f)",
        "pd.read_pickle(f)",
        "eval(text)",
    ],
)
def test_what_reads_data_as_code_is_found(source):
    assert len(unsafe(source)) == 1


def test_no_package_reads_data_as_code():
    assert len(SOURCES) > 50
    assert {path.name: unsafe(path.read_text()) for path in SOURCES if unsafe(path.read_text())} == {}
