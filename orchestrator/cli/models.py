"""`models`: what detectors there are; of one that is named, its networks' sizes and all its hyper-parameters too."""

import ast
import dataclasses
import importlib.util
from pathlib import Path

from model.catalog import MODELS
from orchestrator.display.tables import print_table
from orchestrator.errors import choice
from orchestrator.words import one_line
from search_spaces.catalog import PRESETS, SPACES

SIZE_PX = 128  # at which sizes are told


def main(asked) -> int:
    """Lists them, or describes one."""
    if asked.name:
        _describe(choice("model", asked.name, list(MODELS)))
        return 0
    rows = [[name, origin(name), ", ".join(SPACES[name]) or "nothing", ", ".join(PRESETS[name])] for name in MODELS]
    print_table(["model", "what", "searched", "presets"], rows)
    print("\n'defectsweep models NAME' tells a model's sizes and hyper-parameters")
    return 0


def origin(name: str) -> str:
    """What a model is and where it comes from: the beginning of its file, which is not imported for it."""
    file = importlib.util.find_spec(MODELS.places[name].partition(":")[0]).origin
    return one_line(ast.get_docstring(ast.parse(Path(file).read_text())).split(":")[0])


def _describe(name: str) -> None:
    model = MODELS[name]
    counts = model(model.HParams(), (3, SIZE_PX, SIZE_PX), "meta").parameters_by_network()  # shapes, no memory
    trained = {part: count for part, count in counts.items() if count and not part.endswith("_average")}
    sizes = ", ".join(f"{part} {count / 1e6:.2f} M" for part, count in trained.items())
    print(f"{name}: {origin(name)}\nparameters at {SIZE_PX} px: {sizes or 'none'}\n")
    rows = [
        [field, value, _searched(SPACES[name].get(field)), *(its.get(field, "") for its in PRESETS[name].values())]
        for field, value in dataclasses.asdict(model.HParams()).items()
    ]
    print_table(["hyper-parameter", "default", "searched", *PRESETS[name]], rows)


def _searched(distribution) -> str:
    if distribution is None:
        return ""
    if hasattr(distribution, "choices"):
        return ", ".join(map(str, distribution.choices))
    return f"{distribution.low:g} to {distribution.high:g}" + (" (log)" if distribution.log else "")
