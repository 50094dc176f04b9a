"""What is left of an experiment, and how long that takes by what earlier trials took. Pure: no files, no clock.

trial rows -> the pace of each model -> slot seconds of each job. All of it is an upper bound: pruned trials stop
earlier, and a refit trains up to its best epoch only.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.plan import Job
from orchestrator.rows import TrialRow


@dataclass(frozen=True)
class Left:
    """What is still to be done of one job."""

    job: Job
    trials: int
    refits: int  # 0 or 1

    def steps(self) -> int:
        return (self.trials + self.refits) * self.job.trial_steps()

    def images(self) -> int:
        """Passed through the model by training, repeats included."""
        return round((self.trials + self.refits) * self.job.trial_cost())


@dataclass(frozen=True)
class Pace:
    """How fast one model went: medians over its trials."""

    image_s: float  # training, a passed image
    validation_s: float  # validation, and all else that is no training, an epoch

    def step_s(self, job: Job) -> float:
        return self.image_s * job.trial_cost() / job.trial_steps()

    def slot_s(self, left: Left) -> float:
        """Seconds that one slot needs at most; a refit scores twice, the validation and the test part."""
        validations = left.trials * left.job.epochs + 2 * left.refits
        return left.images() * self.image_s + validations * self.validation_s


@dataclass(frozen=True)
class Measured:
    """The paces that rows of one size on one device tell, and what each of their trials held of that device."""

    paces: dict[str, Pace]  # by model
    rows: int
    device: str
    held: float  # GPUs, or CPU cores where there was none
    unit: str


def measure(rows: Iterable[TrialRow], models: Collection[str], size_px: int, batch: int) -> Measured | None:
    """The pace of every model of `models` that rows of this size were made of; of several devices, on the one with the
    most rows; from rows of this batch where a model has any. None where there is no such row."""
    useful = [
        row for row in rows if row.model in models and row.size_px == size_px and row.images_per_s and row.train_s
    ]
    if not useful:
        return None
    device = Counter(row.device for row in useful).most_common(1)[0][0]
    useful = [row for row in useful if row.device == device]
    used, paces = [], {}
    for model in {row.model: None for row in useful}:
        own = [row for row in useful if row.model == model]
        own = [row for row in own if row.batch == batch] or own
        paces[model] = _pace(own)
        used += own
    gpus = median(row.gpu_s / row.wall_s for row in used)
    held, unit = (gpus, "GPU") if gpus else (float(device.removeprefix("cpu x")), "CPU-core")
    return Measured(paces, len(used), device, held, unit)


def _pace(rows: Sequence[TrialRow]) -> Pace:
    return Pace(
        image_s=median(1 / row.images_per_s for row in rows),
        validation_s=median((row.wall_s - row.train_s) / row.epochs for row in rows),
    )
