"""Before anything runs: the categories there are, their images readable and enough to split, our packages our own."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from datasets.catalog import DATASETS
from datasets.images import Images, load
from datasets.sample import DataError
from datasets.split import split
from orchestrator.config import Execution, Experiment, digest
from orchestrator.errors import InputError, choice
from orchestrator.plan import Category

PACKAGES = ("model", "datasets", "search_spaces", "orchestrator")


def survey(experiment: Experiment, data_root: str | None) -> list[Category]:
    """The categories asked for, in the order of the datasets. Raises InputError where data is not as expected."""
    found = {name: _guard(DATASETS[name].find_categories, data_root) for name in experiment.dataset}
    known = [category for categories in found.values() for category in categories]
    for name in experiment.category:
        choice("category", name, known)
    chosen = []
    for dataset, categories in found.items():
        wanted = [name for name in categories if not experiment.category or name in experiment.category]
        if not wanted:
            raise InputError(
                f"none of --category {', '.join(experiment.category)} is in {dataset}; it has: {', '.join(categories)}."
            )
        chosen += [_category(dataset, name, data_root) for name in wanted]
    return chosen


def decode(categories: Sequence[Category], experiment: Experiment, execution: Execution) -> dict[Category, Images]:
    """Decodes each category once and proves that it can be split. Raises InputError that names the file or the part
    that is short."""
    decoded = {}
    for category in categories:
        images = _guard(
            load,
            category.dataset,
            category.root or None,
            category.name,
            experiment.size_px,
            fit=experiment.fit,
            skip_unreadable=execution.skip_unreadable,
        )
        for seed in experiment.seed:
            _guard(split, images, experiment.protocol, seed)
        decoded[category] = images
    return decoded


def check_packages() -> str:
    """The one folder that our packages come from. Raises InputError where a namesake is in the way."""
    roots = {name: Path(importlib.util.find_spec(name).origin).resolve().parent.parent for name in PACKAGES}
    root = roots["orchestrator"]
    for name, other in roots.items():
        if other != root:
            raise InputError(
                f"package {name!r} is taken from {other / name}, expected {root / name}: "
                "rename that folder, or set PYTHONSAFEPATH=1."
            )
    return str(root)


def _category(dataset: str, name: str, data_root: str | None) -> Category:
    samples = _guard(DATASETS[dataset].scan, data_root, name)
    normal_train = sum(sample.label == 0 and sample.part != "test" for sample in samples)
    fingerprint = digest([(sample.path, sample.label, sample.part, sample.size_bytes) for sample in samples])
    return Category(dataset, name, data_root or "", len(samples), normal_train, fingerprint)


def _guard(function, *args, **kwargs):
    """Calls into datasets/ and makes a user's mistake in the data one of this program's input errors."""
    try:
        return function(*args, **kwargs)
    except DataError as error:
        raise InputError(str(error)) from None
