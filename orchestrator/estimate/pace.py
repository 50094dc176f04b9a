"""How fast each model goes at each size on one slot, by trial rows or by probes. Pure: no files, no clock.

All of it is an upper bound: pruned trials stop earlier, and a refit trains up to its best epoch only.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from orchestrator.experiment.job import Job, Sized
from orchestrator.experiment.plan import Left
from orchestrator.results.rows import TrialRow


def scored_images(job: Job) -> tuple[int, int]:
    """(by one validation, by the measurement on the test part): about as many as the protocol will put there.

    All but the normal training images are taken for labelled. Of a dataset without a split of its own that is too few,
    as half of its normal images will be labelled ones too.
    """
    train, labelled = job.category.train_images, job.category.images - job.category.train_images
    if job.experiment.protocol in ("paper", "crossfit"):
        return labelled, labelled
    if job.experiment.protocol == "synthetic":
        return 2 * -(-train // 5), labelled  # a fifth of the normals, and an anomaly forged from each
    return labelled // 2, labelled - labelled // 2


@dataclass(frozen=True)
class Pace:
    """How fast one model goes on one slot, at one size."""

    image_s: float  # training, a passed image
    score_s: float  # scoring, an image; by rows, with all else that is no training
    memory_bytes: int | None = None  # of a GPU, at most; None on CPU

    def step_s(self, job: Job) -> float:
        """Seconds of one optimisation step; 0 where there is none."""
        return self.image_s * job.trial_cost() / job.trial_steps() if job.takes_steps else 0.0

    def trial_s(self, job: Job) -> float:
        """Seconds of one trial, at most."""
        return self.image_s * job.trial_cost() + self.score_s * job.epochs * scored_images(job)[0]

    def refit_s(self, job: Job) -> float:
        """Seconds of the refit, at most."""
        return self.image_s * job.trial_cost() + self.score_s * sum(scored_images(job))

    def slot_s(self, left: Left) -> float:
        """Seconds that one slot needs at most."""
        return left.trials * self.trial_s(left.job) + left.refits * self.refit_s(left.job)


@dataclass(frozen=True)
class Probed:
    """What a few steps of one model came to."""

    pace: Pace | None = None
    error: str | None = None  # why there is no pace
    device: str = ""
    gpus: float = 0.0  # that it held
    wall_s: float = 0.0


@dataclass(frozen=True)
class Measured:
    """The paces that one source tells, all on one device, and what each trial holds of that device."""

    paces: dict[Sized, Pace]
    device: str
    held: float  # GPUs, or CPU cores where there was none
    unit: str
    rows: int = 0  # of trials that it stems from; 0: from probes
    probe_s: float = 0.0
    failed: dict[Sized, str] = field(default_factory=dict)  # why it could not be probed


def by_rows(rows: Iterable[TrialRow], asked: Collection[Sized], batch: int) -> list[Measured]:
    """The pace of each model and size `asked` for that rows were made of, medians over its rows: of several devices, on
    the one with the most rows; of rows of this batch, where it has any. Empty without such a row."""
    useful = [row for row in rows if Sized.of(row) in asked and row.images_per_s and row.train_s and row.val_images]
    if not useful:
        return []
    device = Counter(row.device for row in useful).most_common(1)[0][0]
    useful = [row for row in useful if row.device == device]
    used, paces = [], {}
    for sized in dict.fromkeys(map(Sized.of, useful)):
        own = [row for row in useful if Sized.of(row) == sized]
        own = [row for row in own if row.batch == batch] or own
        paces[sized] = _pace(own)
        used += own
    held, unit = _held(device, median(row.gpu_s / row.wall_s for row in used))
    return [Measured(paces, device, held, unit, rows=len(used))]


def _pace(rows: Sequence[TrialRow]) -> Pace:
    peaks = [row.peak_memory_bytes for row in rows if row.gpu_s and row.peak_memory_bytes]
    return Pace(
        image_s=median(1 / row.images_per_s for row in rows),
        score_s=median((row.wall_s - row.train_s) / (row.epochs * row.val_images) for row in rows),
        memory_bytes=max(peaks, default=None),
    )


def by_probes(probes: Mapping[Sized, Probed]) -> Measured:
    """What probes of several models, all on equal slots, tell."""
    paces = {sized: probe.pace for sized, probe in probes.items() if probe.pace}
    failed = {sized: probe.error for sized, probe in probes.items() if not probe.pace}
    one = next((probe for probe in probes.values() if probe.pace), None)
    held, unit = _held(one.device, one.gpus) if one else (0.0, "GPU")
    probe_s = sum(probe.wall_s for probe in probes.values())
    return Measured(paces, one.device if one else "", held, unit, probe_s=probe_s, failed=failed)


def _held(device: str, gpus: float) -> tuple[float, str]:
    return (gpus, "GPU") if gpus else (float(device.removeprefix("cpu x")), "CPU-core")
