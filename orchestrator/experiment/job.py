"""A Job: one tuning study, made of an Experiment and of what the datasets hold. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, distribution_to_json

from datasets.frame import Frame, frame_of
from datasets.split import FOLDS
from model.catalog import ANY_SHAPE, ENSEMBLE, takes_steps
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.distributions import points
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
    fingerprint: str  # over its files' paths, labels, masks and sizes; none is read for it but uncompressed ones
    labelled: tuple[int, int] = (0, 0)  # groups of good and of defective ones, to choose by and to test on
    aspect: float = 1.0  # width / height of its pictures, in general
    normal_folder: str | None = None  # what its folder of good images is called, where the user says so
    remarks: tuple[str, ...] = field(default=(), compare=False)  # for people: what was read as what, what is odd


class Decoding(NamedTuple):
    """A category in one frame: its images are decoded once, for all jobs on them."""

    category: Category
    frame: Frame


class Sized(NamedTuple):
    """A model at one size and shape, which has a pace."""

    model: str
    size_px: int
    shape_px: tuple[int, int] | None = None  # height and width of the image, where it is no square of `size_px`
    tile_px: int | None = None  # side of the tiles that the model sees of it; None where it sees it whole

    @classmethod
    def of(cls, row: Provenance) -> "Sized":
        """What left a row."""
        frame = Frame(row.height_px or row.size_px, row.width_px or row.size_px)
        return cls.in_frame(row.model, row.size_px, frame, row.tile_px)

    @classmethod
    def in_frame(cls, model: str, size_px: int, frame: Frame, tile_px: int | None) -> "Sized":
        """Of pictures in such a frame."""
        return cls(model, size_px, None if frame.is_square_of(size_px) else (frame.height, frame.width), tile_px)

    def in_words(self) -> str:
        """Size and shape, for people."""
        shape = f"{self.size_px} px" if self.shape_px is None else "{} x {} px".format(*self.shape_px)
        return f"{shape} in tiles" if self.tile_px else shape


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
    trials: int  # fewer than the experiment asks for, where its search space has no more points
    fixed: tuple[tuple[str, Any], ...]
    workers: int
    choices: str  # JSON of all choices but dataset, category, model and seed
    settings: str  # its hash: what differs in it is not averaged
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
        return Decoding(self.category, self.frame)

    @property
    def frame(self) -> Frame:
        """What its pictures are brought to."""
        asked = self.experiment
        return frame_of(asked.fit, asked.shorter_side_px(self.size_px), self.category.aspect)

    @property
    def tile_px(self) -> int | None:
        """Side of the tiles that its model sees of the frame; None where it sees the frame whole."""
        is_cut = self.experiment.fit == "tile" or self.model not in (*ANY_SHAPE, ENSEMBLE)
        return self.size_px if is_cut and not self.frame.is_square_of(self.size_px) else None

    @property
    def sized(self) -> Sized:
        """The model that it tunes, at its size and shape."""
        return Sized.in_frame(self.model, self.size_px, self.frame, self.tile_px)

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
        return takes_steps(self.model)

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
        return self.trial_cost() * self.frame.height * self.frame.width


@dataclass(frozen=True)
class TrialTask:
    """All that a worker needs to train one trial, beside the images."""

    job: Job
    index: int
    preset: str | None
    params: tuple[tuple[str, Any], ...]  # chosen and fixed
    bars: tuple[tuple[int, float], ...]  # (epoch, least running-best validation AUROC to go on)
    seed: int
    batch: int  # to begin with: less than asked for, where memory did not do for earlier trials


def label(sized: Sized, experiment: Experiment) -> str:
    """For people: the size is said where the experiment has several, and the shape where it is no square."""
    is_plain = len(experiment.size_px) == 1 and sized.shape_px is None
    return sized.model if is_plain else f"{sized.model} at {sized.in_words()}"


def title(row: Provenance, experiment: Experiment) -> str:
    """Of the job that left a row, for people."""
    return f"{row.category} / {label(Sized.of(row), experiment)} / seed {row.seed}"


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
        trials=int(min(experiment.trials, points(free))),
        fixed=fixed,
        workers=workers,
        choices=json.dumps(chosen := {**settings, "set": experiment.set}),
        settings=digest(chosen)[:8],
        config_hash=digest(description),
    )


def _settings(experiment: Experiment, size_px: int, workers: int) -> dict[str, Any]:
    """What all jobs of one size of a run share of that which decides their results."""
    names = ["parallel_trials", "protocol", "fit", "epochs", "batch", "sampler", "scheduler"]
    optional = ("normal_folder", "steps_per_epoch", "tiles_across")
    names += [name for name in optional if getattr(experiment, name) is not None]
    names += ["compile"] if experiment.compile else []
    names += ["folds"] if experiment.folds != FOLDS else []
    chosen = {name: getattr(experiment, name) for name in names}
    described = {"format": FORMAT, "workers": workers, "size_px": size_px, **chosen}
    return {**described, "false_alarms": experiment.false_alarm_share}


def _without(mapping: Mapping[str, Any], fixed: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = {name for name, _ in fixed}
    return {key: value for key, value in mapping.items() if key not in names}


def epoch_steps(train_images: int, batch: int, steps_per_epoch: int | None) -> int:
    """Optimisation steps of an epoch: as asked, else as many as show every training image once."""
    return steps_per_epoch or -(-train_images // batch)
