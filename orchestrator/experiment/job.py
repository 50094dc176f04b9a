"""A Job: one tuning study, made of an Experiment and of what the datasets hold. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, distribution_to_json

from model.catalog import TRAINING_FREE
from orchestrator.experiment.config import Experiment
from orchestrator.hashes import digest
from orchestrator.results.output import safe_name
from orchestrator.results.rows import Provenance
from search_spaces.catalog import PRESETS, SPACES

Params = dict[str, float | int | str]
FORMAT = 3  # raise when rows of old and new code must not be mixed


@dataclass(frozen=True)
class Category:
    """What a scan found: one product category of one dataset."""

    dataset: str
    name: str
    root: str  # folder of the dataset; "" where it needs none
    images: int
    train_images: int
    fingerprint: str  # over the paths, labels and sizes of its files: no image is read for it


class Decoding(NamedTuple):
    """A category at one size: its images are decoded once, for all jobs on them."""

    category: Category
    size_px: int


class Sized(NamedTuple):
    """A model at one size, which has a pace."""

    model: str
    size_px: int


@dataclass(frozen=True)
class Job:
    """One tuning study: model x dataset x category x size x seed. Its id and its seed are hashes of its description.

    The number of trials is no part of that description: asked for more, a study goes on where it stood.
    """

    experiment: Experiment
    category: Category
    model: str
    size_px: int
    seed: int
    trials: int  # fewer than the experiment asks for, where there is nothing to search
    fixed: tuple[tuple[str, Any], ...]
    workers: int
    settings: str  # hash of all choices but dataset, category, model and seed: what differs in it is not averaged
    config_hash: str
    starts: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()  # of a warm start: names and parameters

    @property
    def id(self) -> str:
        """Its name in rows and files: readable at the front, and unique by its hash."""
        name = safe_name(f"{self.category.name}-{self.model}")
        return f"{name}-s{self.seed}-{self.config_hash[:10]}"

    @property
    def decoding(self) -> Decoding:
        """The images that it works on."""
        return Decoding(self.category, self.size_px)

    @property
    def sized(self) -> Sized:
        """The model that it tunes, at its size."""
        return Sized(self.model, self.size_px)

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """What the search may vary: the model's space less what is fixed."""
        return _without(SPACES[self.model], self.fixed)

    @property
    def presets(self) -> dict[str, Params]:
        """What is tried first: the warm start's points, then the model's own less what is fixed, each once."""
        unique = {name: dict(params) for name, params in self.starts}
        for name, params in PRESETS[self.model].items():
            free = _without(params, self.fixed)
            if free not in unique.values():
                unique[name] = free
        return unique

    def trial_id(self, index: int) -> str:
        """The name of trial `index`, counted from 0."""
        return f"{self.id}-t{index:04d}"

    @property
    def takes_steps(self) -> bool:
        """Whether its model is trained: others are made by one look at the normal images."""
        return self.model not in TRAINING_FREE

    @property
    def epochs(self) -> int:
        """Of a full trial: one for a model that takes no step."""
        return self.experiment.epochs if self.takes_steps else 1

    def steps(self, epochs: int, train_images: int) -> int:
        """Optimisation steps of that many epochs."""
        return epochs * epoch_steps(train_images, self.experiment.batch, self.experiment.steps_per_epoch)

    def trial_steps(self) -> int:
        """Optimisation steps of a full trial, before the split is known: at most, where it holds images out."""
        return self.steps(self.epochs, self.category.train_images) if self.takes_steps else 0

    def trial_cost(self) -> float:
        """Images that a full trial passes through its model: only an order of magnitude, for ordering jobs."""
        if self.experiment.steps_per_epoch is None or not self.takes_steps:
            return self.epochs * self.category.train_images
        return self.trial_steps() * min(self.experiment.batch, self.category.train_images)

    def trial_pixels(self) -> float:
        """The same in pixels, so that jobs of several sizes may be compared."""
        return self.trial_cost() * self.size_px**2


@dataclass(frozen=True)
class TrialTask:
    """All that a worker needs to train one trial, beside the images."""

    job: Job
    index: int
    preset: str | None
    params: tuple[tuple[str, Any], ...]  # chosen and fixed
    bars: tuple[tuple[int, float], ...]  # (epoch, least running-best validation AUROC to go on)
    seed: int


def label(sized: Sized, experiment: Experiment) -> str:
    """For people: the size is said where the experiment has several."""
    return sized.model if len(experiment.size_px) == 1 else f"{sized.model} at {sized.size_px} px"


def title(row: Provenance, experiment: Experiment) -> str:
    """Of the job that left a row, for people."""
    return f"{row.category} / {label(Sized(row.model, row.size_px), experiment)} / seed {row.seed}"


def jobs(experiment: Experiment, categories: Sequence[Category], workers: int) -> list[Job]:
    """Every model x category x size x seed of an experiment, in a stable order."""
    return [
        _job(experiment, category, model, size_px, seed, workers)
        for seed in experiment.seed
        for size_px in experiment.size_px
        for category in categories
        for model in experiment.model
    ]


def _job(experiment: Experiment, category: Category, model: str, size_px: int, seed: int, workers: int) -> Job:
    fixed = tuple(sorted(experiment.fixed(model).items()))
    free = _without(SPACES[model], fixed)
    presets = len({tuple(_without(params, fixed).items()) for params in PRESETS[model].values()})
    settings = _settings(experiment, size_px, workers)
    description = {
        "dataset": category.dataset,
        "category": category.name,
        "data": category.fingerprint,
        "model": model,
        "seed": seed,
        "space": {name: distribution_to_json(space) for name, space in free.items()},
        "presets": PRESETS[model],
        "fixed": fixed,
        **settings,
    }
    return Job(
        experiment=experiment,
        category=category,
        model=model,
        size_px=size_px,
        seed=seed,
        trials=experiment.trials if free else min(experiment.trials, presets),
        fixed=fixed,
        workers=workers,
        settings=digest({**settings, "set": experiment.set})[:8],
        config_hash=digest(description),
    )


def _settings(experiment: Experiment, size_px: int, workers: int) -> dict[str, Any]:
    """What all jobs of one size of a run share of that which decides their results."""
    names = ["parallel_trials", "protocol", "fit", "epochs", "batch", "sampler", "scheduler"]
    if experiment.steps_per_epoch is not None:
        names.append("steps_per_epoch")
    chosen = {name: getattr(experiment, name) for name in names}
    return {"format": FORMAT, "workers": workers, "size_px": size_px, **chosen}


def _without(mapping: Mapping[str, Any], fixed: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = {name for name, _ in fixed}
    return {key: value for key, value in mapping.items() if key not in names}


def epoch_steps(train_images: int, batch: int, steps_per_epoch: int | None) -> int:
    """Optimisation steps of an epoch: as asked, else as many as show every training image once."""
    return steps_per_epoch or -(-train_images // batch)
