"""The weights of the backbones that a run stands on: they are here before anything starts.

Given by --backbone-weights, found, or downloaded, by the driver alone; a cluster's workers take them from its object
store (orchestrator/ray_backend/shipping.py).
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from model.catalog import KNOWN
from model.parts.backbones import BACKBONES, named
from orchestrator.errors import InputError
from orchestrator.experiment.config import Experiment
from orchestrator.words import one_line, printable
from search_spaces.catalog import PRESETS


def provide(experiment: Experiment, models: Iterable[str], files: Iterable[str], say: Callable[[str], None]) -> None:
    """Brings the weights of all backbones that `models` may be built on to this machine; `say` hears of a download.
    Raises InputError for a file that is none of them, and for one that cannot be had."""
    adopt(files)
    for name in to_fetch(experiment, models):
        weights = BACKBONES[name].weights
        say(f"fetching the weights of {name} from {weights.url}")
        try:
            weights.download()
        except (OSError, ValueError) as error:
            raise InputError(
                f"the weights of {name} cannot be fetched ({printable(one_line(error))}): expected "
                f"{weights.cached()}, or --backbone-weights FILE, the file {weights.file} from {weights.url}."
            ) from None


def to_fetch(experiment: Experiment, models: Iterable[str]) -> list[str]:
    """Those of `needed` that are not here, and that a run downloads."""
    weights = {name: BACKBONES[name].weights for name in needed(experiment, models)}
    return [name for name, published in weights.items() if published.find() is None and published.url]


def needed(experiment: Experiment, models: Iterable[str]) -> list[str]:
    """The pretrained backbones that any preset of the models, with what is fixed, is built on."""
    found = []
    for model in dict.fromkeys(models):
        fixed = experiment.fixed(model)
        for preset in PRESETS[model].values():
            found += named(dataclasses.asdict(KNOWN[model].HParams(**{**preset, **fixed})))
    return list(dict.fromkeys(found))


def adopt(files: Iterable[str]) -> None:
    """Keeps the files that a user names, which their hashes tell from one another. Raises InputError for one that is
    none of them."""
    for file in files:
        _adopt(Path(file))


def _adopt(file: Path) -> None:
    try:
        content = file.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        published = {name: kind.weights for name, kind in BACKBONES.items() if kind.weights}
        for weights in published.values():
            if weights.is_published(sha256):
                if weights.find() is None:
                    weights.keep(content)
                return
    except OSError as error:
        raise InputError(f"--backbone-weights {file}: {error.filename}: {error.strerror}. A file of weights is "
                         "expected.") from None
    known = ", ".join(f"{name} ({weights.sha256[:8]}...)" for name, weights in published.items())
    raise InputError(f"--backbone-weights {file}: its sha256 is {sha256[:8]}..., and expected is one of {known}.")
