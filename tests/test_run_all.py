"""orchestrator/run_all.py, run as `ray submit`, `ray job submit` and people run it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# A command line that shows what the script handed on, and with which path.
TOY_CLI = """
import json, sys
def main(argv):
    print(json.dumps({"argv": argv, "path": sys.path, "cli": __file__}))
    return 3
"""


def python(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    command = [sys.executable, *map(str, arguments)]
    how = {"capture_output": True, "text": True, "errors": "replace"}
    return subprocess.run(command, cwd=cwd, env=inherited | environment, **how)


def toy_package(root: Path) -> Path:
    package = root / "orchestrator"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli.py").write_text(TOY_CLI)
    return package


@pytest.fixture
def toy_checkout(tmp_path, checkout) -> Path:
    """A checkout with the real script, around a toy command line."""
    root = tmp_path / "checkout"
    shutil.copy(checkout / "orchestrator/run_all.py", toy_package(root))
    (root / "pyproject.toml").touch()
    return root


@pytest.mark.parametrize("environment", [{}, {"PYTHONSAFEPATH": "1"}], ids=["default", "safe path"])
def test_in_a_checkout_it_imports_from_its_root_wherever_it_is_called(toy_checkout, tmp_path, environment):
    done = python(toy_checkout / "orchestrator/run_all.py", "--trials", "a b", cwd=tmp_path, **environment)
    assert done.returncode == 3, done.stderr  # the command line's own status
    seen = json.loads(done.stdout)
    assert seen["argv"] == ["run", "--trials", "a b"]
    assert seen["path"][0] == str(toy_checkout)
    assert str(toy_checkout / "orchestrator") not in seen["path"]
    untouched = python("-c", "import json, sys; print(json.dumps(sys.path))", cwd=tmp_path, PYTHONSAFEPATH="1")
    assert seen["path"][1:] == json.loads(untouched.stdout)  # nothing else was lost


def test_its_copy_in_a_home_folder_uses_what_is_installed(toy_checkout, tmp_path, checkout):
    """As on a node that cluster.yaml has set up: a data folder ~/datasets is no package."""
    home, installed = tmp_path / "home", tmp_path / "installed"
    (home / "datasets").mkdir(parents=True)
    toy_package(installed)
    shutil.copy(checkout / "orchestrator/run_all.py", home)
    done = python(home / "run_all.py", "--epochs", "1", cwd=home, PYTHONSAFEPATH="1", PYTHONPATH=str(installed))
    seen = json.loads(done.stdout)
    assert seen["argv"] == ["run", "--epochs", "1"]
    assert seen["cli"] == str(installed / "orchestrator/cli.py")
    assert not {str(home), str(home.parent)} & set(seen["path"])  # no pyproject.toml beside it: sys.path is left alone


def test_importing_it_does_nothing(checkout, tmp_path):
    """Processes that Python or Ray spawn import their parent's script again."""
    code = "import sys; before = list(sys.path); import orchestrator.run_all; assert sys.path == before"
    done = python("-c", code, "--help", cwd=tmp_path, PYTHONPATH=str(checkout))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_from_a_checkout_it_does_the_main_job(checkout, tmp_path):
    """Uninstalled, from another folder, one that holds the like of our packages."""
    (tmp_path / "model.py").write_text("raise RuntimeError('imported from the current folder')")
    job = "--dataset synthetic --category washer --model mean_image --size-px 32 --trials 1 --epochs 1 --backend local"
    done = python(checkout / "orchestrator/run_all.py", *job.split(), "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 job done" in done.stdout
    (row,) = (tmp_path / "out/leaderboard").rglob("*.parquet")
    assert row.parent.name == "model=mean_image"


@pytest.mark.parametrize("name", ["model.py", "datasets/__init__.py"])
@pytest.mark.parametrize("verb", ["run", "leaderboard"])
def test_anothers_package_of_our_packages_name_is_one_line_before_it_is_imported(checkout, tmp_path, name, verb):
    foreign = tmp_path / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("raise RuntimeError('imported')")
    start = "import sys; from orchestrator.cli import main; sys.exit(main())"
    path = os.pathsep.join([str(tmp_path), str(checkout)])
    done = python("-c", start, verb, cwd=tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert f"is taken from {foreign}, expected {checkout}" in done.stderr and "rename or move that file" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_every_verb_prints_in_letters_that_its_screen_has(checkout, tmp_path, encoding):
    run = checkout / "orchestrator/run_all.py"
    job = "--category washer --model mean_image --size-px 32 --trials 1 --epochs 1 --backend local --output".split()
    start = "import sys; from orchestrator.cli import main; sys.exit(main())"
    script = ("-c", start)
    letters = {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(checkout)}
    for words in (
        (run, *job, "ü名"), (*script, "plan", *job, "ü名"), (*script, "leaderboard", "--output", "ü名"),
        (*script, "report", "--output", "ü名"), (*script, "compact", "--output", "ü名"), (*script, "models"),
    ):  # fmt: skip
        done = python(*words, cwd=tmp_path, **letters)
        assert done.returncode == 0 and done.stderr == "", done.stderr


def test_a_wrong_flag_ends_with_status_2_and_one_line(checkout, tmp_path):
    done = python(checkout / "orchestrator/run_all.py", "--trails", "3", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "--trials" in done.stderr
    assert not list(tmp_path.iterdir())
