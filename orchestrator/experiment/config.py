"""What is asked for: an Experiment (what is computed) and an Execution (where and how).

Only the Experiment decides results; it has a hash. Flags and YAML keys are the dataclasses' own field names, so that
there is one list of options. Order of precedence: flags, then the YAML file, then the defaults below.
"""

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any

from datasets.catalog import DATASETS, FOLDER
from datasets.frame import FITS, LARGEST_PX
from datasets.split import FOLDS, PROTOCOLS
from model.anomalib_names import REFUSED
from model.catalog import KNOWN
from orchestrator.errors import InputError
from orchestrator.hashes import digest

SAMPLERS = ("gp", "tpe", "random")
THRESHOLDS = ("false-alarms", "f1")
SCHEDULERS = ("asha", "none")
BACKENDS = ("ray", "local")
ALL = "all"
AUTO = "auto"
YOUNGER = ("normal_folder", "steps_per_epoch", "tiles_across", "race", "compile", "warm_start", "folds")


def option(default: Any, help: str, metavar: str | None = None, choices: tuple[str, ...] | None = None) -> Any:
    """A field that is a flag and a YAML key: its default, and what `--help` says of it."""
    return field(default=default, metadata={"help": help, "metavar": metavar, "choices": choices})


@dataclass(frozen=True)
class Experiment:
    """What is computed. Two runs with equal experiments and equal data give equal rows, times aside."""

    dataset: tuple[str, ...] = option(("synthetic",), "dataset to sweep", "NAME", tuple(DATASETS))
    category: tuple[str, ...] = option((), "category to sweep (default: all found)", "NAME")
    normal_folder: str | None = option(
        None, "folder of good images of dataset folder, in any case (default: good, ok, normal and the like)", "NAME"
    )
    model: tuple[str, ...] = option(
        ("patch_forged", "patch_gaussian", "padim", "patchcore", "sa_skip_ganomaly", "mean_image"),
        f"detector to tune, {ALL} of this package's, or one of anomalib's (anomalib:NAME)",
        "NAME",
        (*KNOWN, *REFUSED, ALL),
    )
    protocol: str = option(
        "holdout",
        "which images train, choose and report; auto: holdout where there are labelled pictures enough, else synthetic",
        "NAME",
        (*PROTOCOLS, AUTO),
    )
    folds: int = option(FOLDS, "folds of --protocol crossfit; at the default, fewer where there are fewer groups", "N")
    seed: tuple[int, ...] = option((0,), "seed of splits, searches and weights", "N")
    size_px: tuple[int, ...] = option((64,), "side of a square image, shorter side of another, or side of a tile", "N")
    fit: str = option(
        "aspect",
        "how an image that is not square is seen: aspect (whole, in tiles by models that see squares alone), tile, or "
        "made a square",
        "NAME",
        FITS,
    )
    tiles_across: int | None = option(None, "tiles of --fit tile along an image's shorter side (default: 1)", "N")
    trials: int = option(8, "trials of each job", "N")
    epochs: int = option(20, "epochs of each trial", "N")
    steps_per_epoch: int | None = option(
        None, "optimisation steps on full batches in an epoch (default: every training image once)", "N"
    )
    batch: int = option(16, "images in an optimisation step", "N")
    sampler: str = option("gp", "Optuna sampler after the presets", "NAME", SAMPLERS)
    scheduler: str = option("asha", "asha stops hopeless trials early", "NAME", SCHEDULERS)
    parallel_trials: int | None = option(
        None,
        "trials of one job at a time: suggestion i sees rows 0..i-N (default: slots / jobs, kept with the output)",
        "N",
    )
    race: bool = option(
        True, "give a model no more trials where the leader is clearly better or they are expected to add nothing"
    )
    compile: bool = option(
        False, "torch.compile the training steps: try it on a GPU; on CPUs they became slower. Needs a C++ compiler"
    )
    warm_start: str | None = option(
        None, "begin each search with the best parameters that earlier jobs of this output found", "OUTPUT"
    )
    threshold: str = option(
        "false-alarms", "what chooses the score from which an image is defective: --false-alarms, or the best F1",
        "NAME", THRESHOLDS,
    )  # fmt: skip
    false_alarms: float = option(0.05, "share of good images that may be called defective", "X")
    set: tuple[str, ...] = option(
        (), "fix a hyper-parameter for every model that has it, or for one", "[MODEL.]NAME=VALUE"
    )

    def __post_init__(self):
        for name in ("trials", "epochs", "batch"):
            _at_least(name, getattr(self, name), 1)
        for name in ("steps_per_epoch", "parallel_trials", "tiles_across"):
            if getattr(self, name) is not None:
                _at_least(name, getattr(self, name), 1)
        _at_least("folds", self.folds, 2)
        if self.folds != FOLDS and self.protocol != "crossfit":
            raise InputError(f"--folds {self.folds} is of --protocol crossfit, and --protocol is {self.protocol}.")
        if self.tiles_across is not None and self.fit != "tile":
            raise InputError(f"--tiles-across {self.tiles_across} is of --fit tile, and --fit is {self.fit}.")
        if self.normal_folder is not None:
            _check_normal_folder(self.normal_folder, self.dataset)
        for size_px in self.size_px:
            _at_least("size_px", size_px, 1)
            if self.shorter_side_px(size_px) > LARGEST_PX:
                times = f" x --tiles-across {self.tiles_across}" if self.tiles_across else ""
                raise InputError(f"--size-px {size_px}{times}: {LARGEST_PX} or less is expected.")
        if not 0 < self.false_alarms < 1:
            raise InputError(f"--false-alarms {self.false_alarms:g}: a share above 0 and below 1 is expected, as 0.05.")
        for name in ("dataset", "model", "seed", "size_px"):
            if not getattr(self, name):
                raise InputError(f"{flag(name)} is empty; name at least one.")

    @property
    def false_alarm_share(self) -> float | None:
        """The share that thresholds are chosen for; None where the best F1 chooses."""
        return None if self.threshold == "f1" else self.false_alarms

    def shorter_side_px(self, size_px: int) -> int:
        """Of the frame that images are brought to at a size."""
        return size_px * (self.tiles_across or 1)

    def described(self) -> dict[str, Any]:
        """Its options by name; a single size is a number."""
        described = dataclasses.asdict(self)
        if len(self.size_px) == 1:
            (described["size_px"],) = self.size_px
        return described

    def hash(self) -> str:
        """Its name in rows and notes. Of what is YOUNGER than it and left at its default there is no word in it."""
        described, defaults = self.described(), {f.name: f.default for f in dataclasses.fields(self)}
        for name in YOUNGER:
            if described[name] == defaults[name]:
                del described[name]
        return digest(described)[:12]

    def fixed(self, model: str) -> dict[str, Any]:
        """The hyper-parameters that `set` fixes for `model`, validated by the model itself."""
        if not self.set:
            return {}  # without importing the model
        known = {f.name for f in dataclasses.fields(KNOWN[model].HParams)}
        values = {}
        for text in self.set:
            owner, name, value = assignment(text)
            if owner in (None, model) and name in known:
                values[name] = value
        try:
            KNOWN[model].HParams(**values)
        except (ValueError, TypeError) as error:
            raise InputError(f"--set for {model}: {error}") from None
        return values


@dataclass(frozen=True)
class Execution:
    """Where and how it is computed: nothing here changes a row, times aside."""

    output: str = option("results", "folder or URI (s3://, gs://) of the rows", "DIR/URI")
    shared_output: bool = option(False, "the output folder is a mount that all nodes share")
    data_root: str | None = option(
        None, "folder or URI (s3://, gs://, http://) of the images; DIR/DATASET is used where it exists", "DIR/URI"
    )
    backbone_weights: tuple[str, ...] = option(
        (), "file of a backbone's published weights, kept in torch's cache (default: found there, or fetched)", "FILE"
    )  # fmt: skip
    backend: str = option("ray", "local: one process, without Ray, for debugging", "NAME", BACKENDS)
    address: str | None = option(
        None, "Ray cluster to join (default: the one this machine belongs to, else a new one here)", "ADDRESS"
    )
    gpus_per_trial: float | None = option(
        None, "share of a GPU for a trial, 0.25 for instance (default: 1 where there are GPUs)", "X"
    )
    cpus_per_trial: int = option(1, "CPU cores, and torch threads, of a trial", "N")
    workers_per_job: int = option(1, "data-parallel workers of a refit", "N")
    max_concurrent: int | None = option(None, "slots to use (default: all)", "N")
    max_failures: int = option(3, "how often a trial or refit whose worker died is started again", "N")
    checkpoint_minutes: float = option(
        5.0, "save a trial or refit under way so often that a crash costs at most this much of it", "N"
    )
    time_budget: str | None = option(
        None, "end after this long, with what was found refitted: 90s, 30m, 2h; a later run goes on", "T"
    )
    tensorboard: str | None = option(None, "log each trial's epochs and parameters here, for TensorBoard", "DIR")
    track: str | None = option(
        None, "send each job, its trials and its files to this MLflow server, as mlflow:http://HOST:PORT", "mlflow:URI"
    )
    skip_unreadable: bool = option(False, "leave unreadable images out, and count them in the rows")
    skip_categories: bool = option(False, "leave categories out that cannot be used, and say so")
    fresh: bool = option(False, "forget this experiment's finished work and start over")
    resume: bool = option(True, "skip what is finished (the default)")

    def __post_init__(self):
        for name in ("cpus_per_trial", "workers_per_job"):
            _at_least(name, getattr(self, name), 1)
        if self.max_concurrent is not None:
            _at_least("max_concurrent", self.max_concurrent, 1)
        _at_least("max_failures", self.max_failures, 0)
        _at_least("checkpoint_minutes", self.checkpoint_minutes, 0)
        if self.gpus_per_trial is not None and not (
            0 <= self.gpus_per_trial < 1 or (self.gpus_per_trial > 0 and float(self.gpus_per_trial).is_integer())
        ):
            raise InputError(f"--gpus-per-trial {self.gpus_per_trial}: a share below 1 or a whole number is expected.")
        self.time_budget_s()

    def time_budget_s(self) -> float:
        """Seconds of --time-budget; infinite without one. Raises InputError where it is no length of time."""
        if self.time_budget is None:
            return float("inf")
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", str(self.time_budget).strip())
        if not found:
            raise InputError(f"--time-budget {self.time_budget!r}: a number and s, m, h or d is expected, such as 30m.")
        return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def options() -> dict[str, dataclasses.Field]:
    """Every option by name, the Experiment's first."""
    return {f.name: f for kind in (Experiment, Execution) for f in dataclasses.fields(kind)}


def flag(name: str) -> str:
    """steps_per_epoch -> --steps-per-epoch."""
    return "--" + name.replace("_", "-")


def assignment(text: str) -> tuple[str | None, str, Any]:
    """'sagan.pool=max' -> ("sagan", "pool", "max"); 'lr=1e-3' -> (None, "lr", 0.001)."""
    name, sign, value = str(text).partition("=")
    if not sign or not name.strip() or not value.strip():
        raise InputError(f"--set {text!r}: [MODEL.]NAME=VALUE is expected, such as lr=0.0002.")
    owner, _, name = name.strip().rpartition(".")
    value = value.strip()
    constants = {"true": True, "false": False, "none": None, "null": None}
    if value.lower() in constants:
        return owner or None, name, constants[value.lower()]
    for kind in (int, float):
        try:
            return owner or None, name, kind(value)
        except ValueError:
            continue
    return owner or None, name, value


def _check_normal_folder(name: str, datasets: tuple[str, ...]) -> None:
    if FOLDER not in datasets:
        raise InputError(f"--normal-folder {name} is of --dataset {FOLDER}, and --dataset is {', '.join(datasets)}.")
    if "/" in name:
        raise InputError(f"--normal-folder {name}: the name of a folder is expected, such as good, and no path.")


def _at_least(name: str, value: float, least: int) -> None:
    if value < least:
        raise InputError(f"{flag(name)} {value}: {least} or more is expected.")
