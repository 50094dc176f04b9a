"""The direction of the arrows: who may import whom, read from the source."""

import ast
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from orchestrator import CHECKOUT

PACKAGES = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
TOP_PACKAGES = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
FILES = sorted(path.relative_to(CHECKOUT) for package in TOP_PACKAGES for path in (CHECKOUT / package).rglob("*.py"))


def module_name(file: Path) -> str:
    """model/layers.py -> model.layers; model/__init__.py -> model."""
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
