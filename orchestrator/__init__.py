"""Plans, runs and ranks tuning jobs for anomaly detectors, in this process or on a Ray cluster."""

import importlib.util
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]  # where our packages lie; with its .git, where it is a checkout
SIBLINGS = ("model", "datasets", "search_spaces")


def namesake() -> str | None:
    """What is wrong where Python would take a package of another's for one of ours: a line that names both. It imports
    none of them."""
    for name in SIBLINGS:
        spec, ours = importlib.util.find_spec(name), CHECKOUT / name / "__init__.py"
        found = spec and spec.origin and Path(spec.origin).resolve()
        if found != ours:
            cure = "rename or move that file, or set PYTHONSAFEPATH=1; or use an environment without it"
            return f"package {name!r} is taken from {found or 'nowhere'}, expected {ours}: {cure}."
    return None
