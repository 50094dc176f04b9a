"""Before anything runs: the categories there are, their images readable and enough to split, our packages our own."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from datasets.catalog import DATASETS
from datasets.images import Images, load
from datasets.sample import DataError, Sample
from datasets.split import split
from orchestrator import CHECKOUT, namesake
from orchestrator.errors import InputError, choice
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Category, Decoding, Job
from orchestrator.hashes import digest
from orchestrator.results.output import partition

LONGEST_NAME_BYTES = 255  # of a file or a folder, on every common file system
UNCOMPRESSED = frozenset({".bmp", ".tif", ".tiff"})
MAKING_BYTES = 38  # that the name of a file in the making has more (orchestrator/results/storage.py)


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


def decode(decodings: Sequence[Decoding], experiment: Experiment, execution: Execution) -> dict[Decoding, Images]:
    """Decodes each category once a frame and proves that it can be split. Raises InputError that names the file or the
    part that is short."""
    decoded = {}
    for decoding in decodings:
        category, frame = decoding
        images = _guard(
            load,
            category.dataset,
            category.root or None,
            category.name,
            frame,
            skip_unreadable=execution.skip_unreadable,
        )
        for seed in experiment.seed:
            _guard(split, images, experiment.protocol, seed)
        decoded[decoding] = images
    return decoded


def check_names(jobs: Sequence[Job]) -> None:
    """Raises InputError where the rows of a job would need a folder or a file of a longer name than there can be."""
    for job in jobs:
        folders = partition(job.category.dataset, job.category.name, job.model)
        longest = max(len(f"{job.trial_id(job.trials)}.parquet") + MAKING_BYTES, *map(len, folders))
        if longest > LONGEST_NAME_BYTES:
            raise InputError(
                f"category {job.category.name!r} is too long: a name made of it in the output would take {longest} "
                f"bytes, of {LONGEST_NAME_BYTES} that file systems allow. Shorten it; a letter beyond ASCII takes 6 "
                "bytes or more."
            )


def check_packages() -> str:
    """The one folder that our packages come from. Raises InputError where a namesake is in the way."""
    if (line := namesake()) is not None:
        raise InputError(line)
    return str(CHECKOUT)


def _category(dataset: str, name: str, data_root: str | None) -> Category:
    samples = _guard(DATASETS[dataset].scan, data_root, name)
    for text in (name, *(sample.path for sample in samples)):
        _check_unicode(dataset, text)
    normal_train = sum(sample.label == 0 and sample.part in (None, "train") for sample in samples)
    home = DATASETS[dataset].home(data_root)
    described = [(s.path, s.label, s.part, s.group, *(s.masks or (None,)), _content(home, s)) for s in samples]
    aspect = DATASETS[dataset].aspect(data_root, samples)
    return Category(dataset, name, data_root or "", len(samples), normal_train, digest(described), aspect)


def _content(home: Path, sample: Sample) -> int | str:
    """What tells a picture from another of the same name: its size, or its hash where all of one format take as many
    bytes."""
    if Path(sample.path).suffix.lower() in UNCOMPRESSED:
        with contextlib.suppress(OSError):  # which decoding it will tell
            return hashlib.sha256((home / sample.path).read_bytes()).hexdigest()
    return sample.size_bytes


def _check_unicode(dataset: str, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{dataset}: the name {name!r} is not UTF-8, which rows are written in. Rename it.") from None


def _guard(function, *args, **kwargs):
    """Calls into datasets/ and makes a user's mistake in the data one of this program's input errors."""
    try:
        return function(*args, **kwargs)
    except DataError as error:
        raise InputError(str(error)) from None
    except OSError as error:  # of a folder; a file that cannot be read is a DataError
        raise InputError(f"{error.filename}: {error.strerror}. A folder that can be read is expected.") from None
