"""What is left of an experiment, and how long that takes by what was measured. Pure: no files, no clock.

trial rows, or probes -> the pace of each model -> slot seconds of each job -> wall time on so many slots. All of it is
an upper bound: pruned trials stop earlier, and a refit trains up to its best epoch only.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from orchestrator.experiment import plan
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.plan import Job
from orchestrator.results.rows import TrialRow
from orchestrator.sweep.sweep import Sweep


@dataclass(frozen=True)
class Left:
    """What is still to be done of one job."""

    job: Job
    trials: int
    refits: int  # 0 or 1

    def steps(self) -> int:
        """Optimisation steps, at most."""
        return (self.trials + self.refits) * self.job.trial_steps()

    def images(self) -> int:
        """Passed through the model by training, repeats included."""
        return round((self.trials + self.refits) * self.job.trial_cost())


def left(sweep: Sweep) -> list[Left]:
    """Of every job of a sweep, finished ones too."""
    todo = {job.id for job in sweep.todo}
    return [
        Left(job, job.trials - len(sweep.searched_rows(job)), 1) if job.id in todo else Left(job, 0, 0)
        for job in sweep.jobs
    ]


def scored_images(job: Job) -> tuple[int, int]:
    """(by one validation, by the measurement on the test part): about as many as the protocol will put there.

    All but the normal training images are taken for labelled. Of a dataset without a split of its own that is too few,
    as half of its normal images will be labelled ones too.
    """
    train, labelled = job.category.train_images, job.category.images - job.category.train_images
    if job.protocol == "paper":
        return labelled, labelled
    if job.protocol == "synthetic":
        return 2 * -(-train // 5), labelled  # a fifth of the normals, and an anomaly forged from each
    return labelled // 2, labelled - labelled // 2


@dataclass(frozen=True)
class Pace:
    """How fast one model goes on one slot."""

    image_s: float  # training, a passed image
    score_s: float  # scoring, an image; by rows, with all else that is no training
    memory_bytes: int | None = None  # of a GPU, at most; None on CPU

    def step_s(self, job: Job) -> float:
        """Seconds of one optimisation step."""
        return self.image_s * job.trial_cost() / job.trial_steps()

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

    paces: dict[str, Pace]  # by model
    device: str
    held: float  # GPUs, or CPU cores where there was none
    unit: str
    rows: int = 0  # of trials that it stems from; 0: from probes
    probe_s: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)  # model -> why it could not be probed


def by_rows(rows: Iterable[TrialRow], models: Collection[str], size_px: int, batch: int) -> list[Measured]:
    """The pace of every model of `models` that rows of this size were made of, medians over its rows: of several
    devices, on the one with the most rows; of rows of this batch, where a model has any. Empty without such a row."""
    useful = [
        row
        for row in rows
        if row.model in models and row.size_px == size_px and row.images_per_s and row.train_s and row.val_images
    ]
    if not useful:
        return []
    device = Counter(row.device for row in useful).most_common(1)[0][0]
    useful = [row for row in useful if row.device == device]
    used, paces = [], {}
    for model in {row.model: None for row in useful}:
        own = [row for row in useful if row.model == model]
        own = [row for row in own if row.batch == batch] or own
        paces[model] = _pace(own)
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


def by_probes(probes: Mapping[str, Probed]) -> Measured:
    """What probes of several models, all on equal slots, tell."""
    paces = {model: probe.pace for model, probe in probes.items() if probe.pace}
    failed = {model: probe.error for model, probe in probes.items() if not probe.pace}
    one = next((probe for probe in probes.values() if probe.pace), None)
    held, unit = _held(one.device, one.gpus) if one else (0.0, "GPU")
    probe_s = sum(probe.wall_s for probe in probes.values())
    return Measured(paces, one.device if one else "", held, unit, probe_s=probe_s, failed=failed)


def _held(device: str, gpus: float) -> tuple[float, str]:
    return (gpus, "GPU") if gpus else (float(device.removeprefix("cpu x")), "CPU-core")


@dataclass(frozen=True)
class Place:
    """Where the work is done."""

    slots: int
    parallel_trials: int = 1  # of one job
    refit_start_s: float = 0.0  # what a refit takes before it trains

    @classmethod
    def of(cls, experiment: Experiment, jobs: int, slots: int, refit_start_s: float = 0.0) -> "Place":
        """Where a first run of the experiment is done."""
        return cls(slots, plan.parallel_trials(experiment, jobs, slots), refit_start_s)


@dataclass(frozen=True)
class Outlook:
    """What is left, what is known of the models' paces, and where it will be done."""

    lefts: Sequence[Left]
    known: Sequence[Measured]
    place: Place

    def paces(self) -> dict[str, Pace]:
        """By model, of every source."""
        return {model: pace for measured in self.known for model, pace in measured.paces.items()}

    def failed(self) -> dict[str, str]:
        """Model -> why it could not be measured."""
        return {model: error for measured in self.known for model, error in measured.failed.items()}

    def unmeasured(self) -> list[str]:
        """The models with work left that no source tells of."""
        paces = self.paces()
        return list(dict.fromkeys(left.job.model for left in self.lefts if left.refits and left.job.model not in paces))

    def measured(self) -> list[tuple[Left, Pace]]:
        """The unfinished jobs whose models' paces are known."""
        paces = self.paces()
        return [(left, paces[left.job.model]) for left in self.lefts if left.refits and left.job.model in paces]

    def held_s(self, measured: Measured) -> float:
        """Seconds of the source's unit that the work takes whose pace it tells."""
        return measured.held * sum(
            measured.paces[left.job.model].slot_s(left) for left in self.lefts if left.job.model in measured.paces
        )

    def chain_s(self, left: Left, pace: Pace) -> float:
        """Time that a job takes on any number of slots: its trials wait for one another, and its refit for them."""
        rounds = -(-left.trials // self.place.parallel_trials)
        return rounds * pace.trial_s(left.job) + left.refits * self._refit_s(left, pace)

    def _refit_s(self, left: Left, pace: Pace) -> float:
        return self.place.refit_start_s + pace.refit_s(left.job)

    def share(self, left_s: float) -> float:
        """Of the trials that are left, how much `left_s` seconds buy if the refits must be done by then, as Sweep sees
        to it; of those that are stopped early there will be more."""
        work, slots = self.measured(), self.place.slots
        refits = [self._refit_s(left, pace) for left, pace in work]
        trials_s = sum(left.trials * pace.trial_s(left.job) for left, pace in work)
        chains = [self.chain_s(*one) - refit_s for one, refit_s in zip(work, refits, strict=True)]
        search_s = max(trials_s / slots, *chains)
        return min(1.0, max(0.0, left_s - plan.at_most_s(refits, slots)) / search_s) if search_s else 1.0

    def wall_s(self) -> float:
        """Time until all that is measured is done, found by playing it through: a free slot takes a trial of the job
        with the longest remaining work, as plan.next_trial does; a refit follows its job's last trial."""
        work, place = self.measured(), self.place
        trials, refits, running = [left.trials for left, _ in work], [left.refits for left, _ in work], [0] * len(work)
        waiting: list[tuple[float, int]] = []  # (less remaining work, job), each job once
        ends: list[tuple[float, int]] = []  # (when, job) of what is under way
        now_s = 0.0

        def offer(i: int) -> None:
            can_start = running[i] < place.parallel_trials if trials[i] else refits[i] and not running[i]
            entry = (-trials[i] * work[i][0].job.trial_cost(), i)
            if can_start and entry not in waiting:
                heapq.heappush(waiting, entry)

        def start(i: int) -> float:
            left, pace = work[i]
            running[i] += 1
            if trials[i]:
                trials[i] -= 1
                return pace.trial_s(left.job)
            refits[i] -= 1
            return self._refit_s(left, pace)

        for i in range(len(work)):
            offer(i)
        while waiting or ends:
            while waiting and len(ends) < place.slots:
                _, i = heapq.heappop(waiting)
                heapq.heappush(ends, (now_s + start(i), i))
                offer(i)
            now_s, i = heapq.heappop(ends)
            running[i] -= 1
            offer(i)
        return now_s
