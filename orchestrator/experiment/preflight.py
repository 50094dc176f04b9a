"""Before anything runs: the categories there are, their images readable and enough to split, our packages our own."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import contradictions, mirror
from datasets.catalog import DATASETS, find_dataset
from datasets.images import Images, load
from datasets.memory import memory_bytes
from datasets.sample import DataError, Sample
from datasets.split import labelled_groups, split
from orchestrator import CHECKOUT, namesake
from orchestrator.errors import InputError, choice
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Category, Decoding, Job
from orchestrator.hashes import digest
from orchestrator.results.output import partition

LONGEST_NAME_BYTES = 255  # of a file or a folder, on every common file system
UNCOMPRESSED = frozenset({".bmp", ".tif", ".tiff"})
CHANNELS, GB = 3, 1e9
MAKING_BYTES = 38  # that the name of a file in the making has more (orchestrator/results/storage.py)
LeaveOut = Callable[[str, InputError], None]  # a category's name, and why it cannot be used


def survey(experiment: Experiment, data_root: str | None, leave_out: LeaveOut | None = None) -> list[Category]:
    """The categories asked for, in the order of the datasets. Raises InputError where data is not as expected; but
    `leave_out`, if given, is told each category that cannot be used, as long as there are others."""
    found, unusable = [], {}
    for dataset, name in wanted(experiment, data_root):
        try:
            found.append(scanned(dataset, name, data_root, experiment.normal_folder))
        except InputError as error:
            unusable[name] = error
    _settle(unusable, len(found), leave_out)
    return found


def wanted(experiment: Experiment, data_root: str | None) -> list[tuple[str, str]]:
    """Dataset and category of each that is asked for. Raises InputError where there is none of that name."""
    sources = {name: find_dataset(name, experiment.normal_folder) for name in experiment.dataset}
    found = {name: _guard(source.find_categories, data_root) for name, source in sources.items()}
    known = [category for categories in found.values() for category in categories]
    for name in experiment.category:
        choice("category", name, known)
    for dataset, categories in found.items():
        if experiment.category and not set(experiment.category) & set(categories):
            raise InputError(
                f"none of --category {', '.join(experiment.category)} is in {dataset}; it has: {', '.join(categories)}."
            )
    return [
        (dataset, name)
        for dataset, categories in found.items()
        for name in categories
        if not experiment.category or name in experiment.category
    ]


def decode(
    decodings: Sequence[Decoding], experiment: Experiment, execution: Execution,
    leave_out: LeaveOut | None = None,
) -> dict[Decoding, Images]:  # fmt: skip
    """Decodes each category once a frame and proves that it can be split. Raises InputError that names the file or the
    part that is short; `leave_out` is as for `survey`."""
    _check_memory(decodings, experiment)
    decoded, unusable = {}, {}
    for decoding in decodings:
        try:
            decoded[decoding] = _decoded(decoding, experiment, execution)
        except InputError as error:
            unusable[decoding.category.name] = error
    _settle(unusable, len(decoded), leave_out)
    return decoded


def _check_memory(decodings: Sequence[Decoding], experiment: Experiment) -> None:
    """Raises InputError where the decoded images of all categories, which are held at a time, are more than there is
    memory; it names the size that would fit."""
    needed = sum(category.images * frame.height * frame.width * CHANNELS for category, frame in decodings)
    there = memory_bytes()
    if needed > there:
        images = sum(category.images for category, _ in decodings)
        fits_px = int(max(experiment.size_px) * math.sqrt(there / needed))
        raise InputError(
            f"{images:,} images at --size-px {', '.join(map(str, experiment.size_px))} take {needed / GB:.3g} GB once "
            f"decoded, and this machine has {there / GB:.3g} GB. --size-px {fits_px} would fit, or fewer categories."
        )


def _settle(unusable: dict[str, InputError], usable: int, leave_out: LeaveOut | None) -> None:
    """Raises InputError for the categories that cannot be used, unless they are to be left out and others remain."""
    if not unusable:
        return
    first = next(iter(unusable.values()))
    if not usable:
        raise first
    if leave_out is None:
        others = f" So it is with {', '.join(list(unusable)[1:])}." if len(unusable) > 1 else ""
        raise InputError(f"{str(first).rstrip('.')}.{others} --skip-categories leaves out what cannot be used.")
    for name, error in unusable.items():
        leave_out(name, error)


def _decoded(decoding: Decoding, experiment: Experiment, execution: Execution) -> Images:
    category, frame = decoding
    images = _guard(
        load,
        category.dataset,
        category.root or None,
        category.name,
        frame,
        normal_folder=category.normal_folder,
        skip_unreadable=execution.skip_unreadable,
    )
    if not DATASETS[category.dataset].categories:  # the user's own, who can tell
        _guard(contradictions.require_none, images)
    for seed in experiment.seed:
        _guard(split, images, experiment.protocol, seed, experiment.folds)
    return images


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


def scanned(dataset: str, name: str, data_root: str | None, normal_folder: str | None = None) -> Category:
    """One category, by its files' names and headers. Raises InputError where they are not as expected."""
    source = find_dataset(dataset, normal_folder)
    samples = _guard(source.scan, data_root, name)
    for text in (name, *(sample.path for sample in samples)):
        _check_unicode(dataset, text)
    normal_train = sum(sample.label == 0 and sample.part in (None, "train") for sample in samples)
    home = source.home(data_root)
    described = [(s.path, s.label, s.part, s.group, *(s.masks or (None,)), _content(home, s)) for s in samples]
    return Category(
        dataset=dataset,
        name=name,
        root=data_root or "",
        images=len(samples),
        train_images=normal_train,
        fingerprint=digest(described),
        labelled=(labelled_groups(samples, 0), labelled_groups(samples, 1)),
        aspect=source.aspect(data_root, samples),
        normal_folder=normal_folder,
        remarks=tuple(source.remarks(data_root, name, samples)),
    )


def _content(home: Path, sample: Sample) -> int | str:
    """What tells a picture from another of the same name: its size, or its hash where all of one format take as many
    bytes."""
    if Path(sample.path).suffix.lower() in UNCOMPRESSED:
        with contextlib.suppress(OSError):  # which decoding it will tell
            return hashlib.sha256(_guard(mirror.content, home / sample.path)).hexdigest()
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
