"""The direction of the arrows: who may import whom, read from the source."""

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from orchestrator import CHECKOUT
from orchestrator.results.output import Output

PACKAGES = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
TOP_PACKAGES = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
FILES = sorted(path.relative_to(CHECKOUT) for package in TOP_PACKAGES for path in (CHECKOUT / package).rglob("*.py"))


def module_name(file: Path) -> str:
    """model/parts/layers.py -> model.parts.layers; model/__init__.py -> model."""
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(file): file for file in FILES}


def imported_names(source: str, package: tuple[str, ...]) -> set[str]:
    """Dotted names that a module of that package imports, within functions too: `from a import b` gives a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *filter(None, [node.module])])
            names.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return names


def imports(file: Path) -> set[str]:
    return imported_names((CHECKOUT / file).read_text(), file.parent.parts)


def top_levels(file: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(file)}


def test_pyproject_names_every_package_and_no_other():
    found = {module_name(file.parent / "__init__.py") for file in FILES}
    assert found == set(PACKAGES)
    for name in PACKAGES:
        assert (CHECKOUT / name.replace(".", "/") / "__init__.py").is_file(), f"{name} has no __init__.py"


@pytest.mark.parametrize("package", ["model", "datasets", "search_spaces"])
def test_the_lower_packages_import_neither_one_another_nor_ray_nor_the_orchestrator(package):
    forbidden = (TOP_PACKAGES | {"ray"}) - {package}
    for file in FILES:
        if file.parts[0] == package:
            assert not top_levels(file) & forbidden, file


def test_only_the_ray_backend_imports_ray():
    users = {file.as_posix() for file in FILES if "ray" in top_levels(file)}
    assert users and all(name.startswith("orchestrator/ray_backend/") for name in users), sorted(users)


GROUND = {"metrics", "errors", "words", "hashes", "__init__"}
ROOMS = {  # of orchestrator/: what each may import, beside the ground
    "metrics": set(), "errors": set(), "words": set(), "hashes": set(), "__init__": set(),
    "results": set(),
    "ranking": {"results"},
    "experiment": {"results"},
    "report": {"ranking", "experiment", "results"},
    "training": {"experiment", "results"},
    "deploy": {"training", "results"},
    "estimate": {"training", "experiment", "results"},
    "sweep": {"estimate", "training", "experiment", "results"},
    "local_backend": {"sweep", "estimate", "training", "experiment", "results"},
    "tracking": {"sweep", "deploy", "training", "results"},
    "ray_backend": {"sweep", "estimate", "deploy", "training", "experiment", "results"},
    "display": {"sweep", "estimate", "ranking", "experiment", "results"},
    "cli": {
        "display", "local_backend", "ray_backend", "tracking", "sweep", "estimate", "deploy", "report", "ranking",
        "training", "experiment", "results",
    },
    "run_all": {"cli"},
    "run": {"cli", "ranking", "experiment"},
}  # fmt: skip


def room(file: Path) -> str:
    return file.with_suffix("").parts[1]


def test_a_room_imports_only_rooms_that_the_table_allows():
    for file in (file for file in FILES if file.parts[0] == "orchestrator"):
        names = [name.split(".") for name in imports(file)]
        used = {name[1] for name in names if name[0] == "orchestrator" and len(name) > 1 and name[1] in ROOMS}
        assert used <= ROOMS[room(file)] | GROUND | {room(file)}, file


def test_the_table_names_every_room_and_has_no_circle():
    assert {room(file) for file in FILES if file.parts[0] == "orchestrator"} == ROOMS.keys()
    TopologicalSorter(ROOMS).prepare()


READING = (  # what prints or draws rows
    "orchestrator.ranking.leaderboard", "orchestrator.ranking.paper", "orchestrator.ranking.sql",
    "orchestrator.report.page", "orchestrator.report.paper_figures", "orchestrator.display.ranking",
)  # fmt: skip
HEAVY = {"torch", "anomalib", "ray", "sklearn", "matplotlib", "plotly", "pandas", "pyarrow", "duckdb", "optuna"}
LIGHT_VERBS = {  # a command line -> the heavy modules that it may load; pyarrow loads pandas where it is
    "--help": set(),
    "run --no-such-flag": set(),
    "leaderboard --help": set(),
    "datasets": {"optuna", "pyarrow", "pandas"},
    "models": {"optuna"},
    "models anomalib": {"optuna"},
    "leaderboard --output {output}": {"pandas", "pyarrow"},
    "leaderboard --output {output} --format json": {"pandas", "pyarrow"},
    "leaderboard --output {output} --sql SELECT+1": {"pandas", "pyarrow", "duckdb"},
    "plan": {"optuna", "pyarrow", "pandas"},
    "plan --model anomalib:padim": {"optuna", "pyarrow", "pandas"},
    "compact --output {output}": {"pyarrow", "pandas"},
}


def loaded_by(program: str, *arguments: str) -> set[str]:
    """The heavy modules that a program has loaded at its end, in a process of its own."""
    ending = f"import atexit, sys; atexit.register(lambda: print('LOADED', *({HEAVY!r} & set(sys.modules))))"
    run = subprocess.run([sys.executable, "-c", f"{ending}; {program}", *arguments], cwd=CHECKOUT, capture_output=True,
                         text=True)  # fmt: skip
    return set(run.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("command", LIGHT_VERBS)
def test_a_verb_that_trains_nothing_loads_only_what_it_needs(command, tmp_path, make_job, make_job_row):
    output = Output(str(tmp_path / "out")).create()
    output.write_job(make_job_row(make_job()))
    words = [word.format(output=output.root).replace("+", " ") for word in command.split()]
    program = "from orchestrator.cli import main; sys.exit(main())"
    assert loaded_by(program, *words) <= LIGHT_VERBS[command]


def test_reading_never_imports_torch():
    assert not loaded_by(f"import {', '.join(READING)}") & {"torch", "ray"}


def test_no_module_of_the_orchestrator_is_named_like_one_of_the_standard_library():
    for file in FILES:
        # As a script, orchestrator/run_all.py would find its neighbours before the standard library's modules.
        assert file.parts[0] != "orchestrator" or file.stem not in sys.stdlib_module_names, file


def test_no_import_cycle():
    arrows = {name: (imports(file) & MODULES.keys()) - {name} for name, file in MODULES.items()}
    TopologicalSorter(arrows).prepare()  # raises CycleError, naming the modules of a cycle


def test_the_reader_sees_imports_within_functions_and_relative_ones():
    source = "import a.b\ndef f():\n    from ray import tune\n    from .. import plan\n    from .x import y"
    seen = imported_names(source, ("orchestrator", "ray_backend"))
    expected = "a.b ray ray.tune orchestrator orchestrator.plan orchestrator.ray_backend.x orchestrator.ray_backend.x.y"
    assert seen == set(expected.split())
