"""`models`: what detectors there are; of one that is named, its networks' sizes and all its hyper-parameters too."""

import ast
import dataclasses
import importlib.util
from pathlib import Path

from model.anomalib_names import ADAPTED, INSTALL, REFUSED, is_installed, why_not
from model.catalog import KNOWN, MODELS
from orchestrator.display.tables import print_table
from orchestrator.errors import InputError, choice
from orchestrator.words import one_line
from search_spaces.catalog import PRESETS, SPACES

SIZE_PX = 128  # at which sizes are told, or at the least that a model takes
ANOMALIB = "anomalib"


def main(asked) -> int:
    """Lists them, or anomalib's, or describes one."""
    if asked.name == ANOMALIB:
        _list_anomalibs()
        return 0
    if asked.name:
        choice("model", asked.name, [*KNOWN, *REFUSED, ANOMALIB])
        if why := why_not(asked.name):
            raise InputError(f"model {asked.name}: {why}.")
        _describe(asked.name)
        return 0
    rows = [[name, origin(name), ", ".join(SPACES[name]) or "nothing", ", ".join(PRESETS[name])] for name in MODELS]
    print_table(["model", "what", "searched", "presets"], rows)
    print("\n'defectsweep models NAME' tells a model's sizes and hyper-parameters; 'defectsweep models anomalib' lists "
          "anomalib's")
    return 0


def _list_anomalibs() -> None:
    """Each of its image models: whether it runs here, with what is searched, or why not."""
    is_here = is_installed()
    rows = [[name, _runs(name) if is_here else "not installed", ", ".join(SPACES[name])] for name in ADAPTED]
    rows += [[name, f"refused: it {why}", "-"] for name, why in REFUSED.items()]
    print_table(["model", "runs", "searched"], rows)
    print("\n'run' fetches the weights of ResNets once; others are looked for where torch and anomalib keep them\n"
          "with --set MODEL.pre_trained=false a model runs without, as its own control")
    if not is_here:
        print(f"anomalib is not installed; {INSTALL}")


def _runs(name: str) -> str:
    needs = ADAPTED[name].needs
    return f"on the weights of {needs}" if needs else "yes"


def origin(name: str) -> str:
    """What a model is and where it comes from: the beginning of its file, which is not imported for it."""
    if name in ADAPTED:
        return f"{ADAPTED[name].kind} of anomalib"
    file = importlib.util.find_spec(MODELS.places[name].partition(":")[0]).origin
    return one_line(ast.get_docstring(ast.parse(Path(file).read_text())).split(":")[0])


def _describe(name: str) -> None:
    model, hparams, size_px = KNOWN[name], {}, SIZE_PX
    if name in ADAPTED:
        size_px = max(SIZE_PX, ADAPTED[name].least_px)
        hparams = {"pre_trained": False} if ADAPTED[name].backbones else {}  # weights change no size
    counts = model(model.HParams(**hparams), (3, size_px, size_px), "meta").parameters_by_network()  # shapes, no memory
    trained = {part: count for part, count in counts.items() if count and not part.endswith("_average")}
    sizes = ", ".join(f"{part} {count / 1e6:.2f} M" for part, count in trained.items())
    print(f"{name}: {origin(name)}\nparameters at {size_px} px: {sizes or 'none'}\n")
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
