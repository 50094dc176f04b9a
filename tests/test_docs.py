"""What README.md and docs/ say is so: files and names that they mention are there, commands are understood, and
docs/extending.md, done word for word on a copy of the checkout, gives a model and a dataset that work."""

import ast
import dataclasses
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.catalog import MODELS
from orchestrator import CHECKOUT
from orchestrator.cli import arguments
from orchestrator.experiment import reading
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED, ROW_TYPES, Provenance, arrow_schema

PACKAGES = ("model", "datasets", "search_spaces", "orchestrator")
DOCS = sorted([CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")])
EXTENDING = CHECKOUT / "docs/extending.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
HEADING = re.compile(r"^\*\*`(.+?)`\*\*$", re.M)  # of a block: the file that it belongs to
LINK = re.compile(r"\[([^\[\]]*)\]\(([^()\s]+)\)")
MADE = {"onprem.yaml", "MODEL_CARD.md"}  # by a command that the page gives

every_page = pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(CHECKOUT).as_posix())


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text())


def links(page: Path) -> list[tuple[str, str]]:
    """(label, target) of each link to a place in the repository."""
    return [(label, target) for label, target in LINK.findall(prose(page)) if not re.match(r"[a-z]+:|#", target)]


def commands(page: Path) -> list[list[str]]:
    """The words of each shell command in a page's blocks, comments left out."""
    return [words for language, block in FENCE.findall(page.read_text()) if language in ("", "sh")
            for words in shell_commands(block)]  # fmt: skip


def shell_commands(block: str) -> Iterator[list[str]]:
    """A command ends with its line, unless a quote is open there or a backslash stands at its end."""
    so_far = ""
    for line in block.splitlines():
        so_far += line + "\n"
        try:
            if line.endswith("\\"):
                continue
            yield shlex.split(so_far.replace("\\\n", " "), comments=True)
        except ValueError:  # a quote is open
            continue
        so_far = ""


def own_arguments(words: list[str]) -> Iterator[list[str]]:
    """The arguments of each `defectsweep` in a command, also as `run_all.py` and within quotes for another machine."""
    for place, word in enumerate(words):
        if word.rpartition("/")[2] == "defectsweep":
            yield words[place + 1 :]
        elif word.endswith("run_all.py"):
            yield ["run", *(argument for argument in words[place + 1 :] if argument != "--")]
        elif word.startswith("defectsweep "):
            yield shlex.split(word)[1:]


def defined(file: Path) -> set[str]:
    """The names that a module defines: classes, their methods and fields, functions, constants."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


@every_page
def test_every_link_leads_to_a_file(page):
    for _, target in links(page):
        assert (page.parent / target.partition("#")[0]).exists(), target


@every_page
def test_every_name_that_is_linked_is_defined_in_its_file(page):
    for label, target in links(page):
        name = re.fullmatch(r"`(?:\w+\.)*(\w+)`", label)
        if name and target.endswith(".py") and name[1] != "py":  # else it is the file's own name
            assert name[1] in defined(page.parent / target), f"{label} is not in {target}"


@every_page
def test_every_file_that_is_named_is_there(page):
    """By its path from the root or the page, or by its name alone."""
    known = {file.name for package in (*PACKAGES, "tests") for file in (CHECKOUT / package).rglob("*.py")} | MADE
    text = HEADING.sub("", prose(page))  # of blocks, some of which are new files
    for name in re.findall(r"`([\w./-]+\.(?:py|md|toml|yaml))`", text):
        assert name in known or (CHECKOUT / name).is_file() or (page.parent / name).is_file(), name


@every_page
def test_every_command_of_ours_is_understood(page, monkeypatch):
    monkeypatch.chdir(CHECKOUT)
    for words in commands(page):
        for argv in own_arguments(words):
            asked = arguments.parse(argv)
            if asked.verb in ("run", "plan", "doctor") and page != EXTENDING:  # whose model only the copy has
                reading.load(arguments.given(asked), asked.config)


def test_the_index_has_every_page():
    docs = CHECKOUT / "docs"
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} - {"index.md"}
    listed = [target for _, target in links(docs / "index.md")]
    assert sorted(listed) == sorted(pages)


def columns_of(section: str) -> list[tuple[str, str]]:
    """(name, type) of each column in a section's table of docs/columns.md."""
    page = (CHECKOUT / "docs/columns.md").read_text()
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", page, re.M | re.S)[1]
    return re.findall(r"^\| `(\w+)` \| ([^|]+?) \| [^|]+ \|$", text, re.M)


@pytest.mark.parametrize("table", ROW_TYPES)
def test_docs_columns_has_every_column_of_every_table_with_its_type(table):
    """In the order of the rows; a table whose columns begin as others do says only what it adds to them."""
    row = ROW_TYPES[table]
    shared = {"pictures": "`scores`"}.get(table, "What made a row" if issubclass(row, Provenance) else None)
    told = [*(columns_of(shared) if shared else ()), *columns_of(f"`{table}`")]
    plain = {field.name: "list of double" if str(field.type).startswith("list") else str(field.type)
             for field in arrow_schema(row)}  # fmt: skip
    null = {field.name: " or null" if field.nullable else "" for field in arrow_schema(row)}
    assert told == [(field.name, plain[field.name] + null[field.name]) for field in dataclasses.fields(row)]


def test_the_picture_of_the_house_is_that_of_the_imports():
    spec = importlib.util.spec_from_file_location("draw_house", CHECKOUT / "docs/draw_house.py")
    house = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(house)
    assert house.PICTURE.read_text() == house.draw(house.rooms()), "draw it again: python docs/draw_house.py"


def test_readme_and_the_house_name_every_room():
    rooms = {path.name for path in (CHECKOUT / "orchestrator").iterdir() if (path / "__init__.py").exists()}
    house = (CHECKOUT / "docs/house.md").read_text()
    assert rooms <= set(re.findall(r"^  (\w+)/ ", (CHECKOUT / "README.md").read_text(), re.M))
    assert rooms <= set(re.findall(r"`(\w+)/`", house))


def test_the_reader_of_commands_sees_long_ones_and_those_for_other_machines():
    block = """ls  # defectsweep fly
defectsweep run --trials 3 \\
    --epochs 2
defectsweep leaderboard --sql "
    SELECT 1"
ray exec cluster.yaml 'defectsweep leaderboard --by model'
ray submit cluster.yaml orchestrator/run_all.py -- --trials 3"""
    seen = [argv for words in shell_commands(block) for argv in own_arguments(words)]
    assert seen == [
        ["run", "--trials", "3", "--epochs", "2"],
        ["leaderboard", "--sql", "\n    SELECT 1"],
        ["leaderboard", "--by", "model"],
        ["run", "--trials", "3"],
    ]


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the checkout, with all that docs/extending.md adds."""
    copy = tmp_path_factory.mktemp("extended")
    for package in (*PACKAGES, "tests"):
        shutil.copytree(CHECKOUT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", copy)
    file = None
    parts = re.compile(f"{HEADING.pattern}|{FENCE.pattern}", re.M | re.S)
    for heading, language, block in parts.findall(EXTENDING.read_text()):
        if heading:
            file = copy / heading
        if language == "python":
            assert not file.exists(), f"{file.name} is there already"
            file.write_text(block)
        elif language == "diff":
            change(file, block)
    return copy


def change(file: Path, block: str) -> None:
    """Makes a change of `+` and `-` lines. What it changes must be there, once."""
    lines = block.splitlines(keepends=True)
    before, after = ("".join(line[1:] for line in lines if line[0] != sign) for sign in "+-")
    text = file.read_text()
    assert text.count(before) == 1, f"{file.name} has {text.count(before)} times:\n{before}"
    file.write_text(text.replace(before, after))


def in_the_copy(words: list[str], copy: Path) -> subprocess.CompletedProcess:
    """Runs one of the page's commands there, with this Python and the copy's own packages."""
    script = {"python": [], "ruff": ["-m", "ruff"], "defectsweep": ["orchestrator/run_all.py"]}[words[0]]
    rest = words[2:] if words[0] == "defectsweep" else words[1:]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([sys.executable, *script, *rest], cwd=copy, env=inherited, capture_output=True, text=True)


@pytest.fixture(scope="module")
def tried(extended) -> list[tuple[list[str], subprocess.CompletedProcess]]:
    """The page's commands with what they did, all but those that want real images or minutes."""
    quick = [words for words in commands(EXTENDING) if words and (words[0] != "defectsweep" or "local" in words)]
    with ThreadPoolExecutor() as pool:
        return list(zip(quick, pool.map(lambda words: in_the_copy(words, extended), quick), strict=True))


@pytest.fixture
def first_output(extended, tried) -> Path:
    """Where the page's first sweep has left its rows."""
    (name,) = (words[words.index("--output") + 1] for words, _ in tried if "--output" in words)
    return extended / name


@pytest.mark.slow
def test_extended_as_the_page_says_every_test_passes(tried):
    assert {words[0] for words, _ in tried} == {"python", "ruff", "defectsweep"}
    for words, done in tried:
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_the_new_model_completes_its_sweep(first_output):
    (row,) = Output(str(first_output)).jobs()
    assert (row.status, row.trials, row.failed_trials) == (COMPLETED, 2, 0)
    assert row.model not in MODELS and 0 <= row.test_auc <= 1


@pytest.mark.slow
def test_a_sweep_leaves_what_docs_sweep_says_and_nothing_else(first_output):
    """Capitals in its tree stand for a name, `...` for the three folders of a category and model."""
    tree = re.search(r"^OUTPUT/\n(.*?)^```$", (CHECKOUT / "docs/sweep.md").read_text(), re.M | re.S)[1]
    layout = [as_pattern(path) for path in re.findall(r"^  (\S+)", tree, re.M)]
    found = [file.relative_to(first_output).as_posix() for file in first_output.rglob("*") if file.is_file()]
    assert len(found) >= 7
    for path in found:
        assert any(re.fullmatch(pattern, path) for pattern in layout), path


def as_pattern(path: str) -> str:
    """`trials/.../TRIAL.parquet` as a regular expression."""
    whole = re.escape(path.replace("...", "dataset=D/category=C/model=M"))
    return re.sub(r"\b[A-Z]+\b", "[^/]+", whole)
