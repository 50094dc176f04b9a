"""`--tensorboard DIR`: a sweep as TensorBoard shows it, a run for each trial and one for each job's test.

While a trial is under way, its run grows epoch by epoch; once there is a row, the run is written anew from that row
alone. So after a restart no point is there twice, whatever was killed when.
"""

import contextlib
import functools
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from orchestrator.errors import InputError
from orchestrator.experiment.job import TrialTask
from orchestrator.results.output import safe_name
from orchestrator.results.rows import COMPLETED, JobRow, TrialRow
from orchestrator.results.storage import reason
from orchestrator.sweep.sweep import Listener, Sweep

VAL, BEST_VAL = "val/auroc", "val/best_auroc"
MEASURES = "accuracy precision recall f1 average_precision pixel_auroc au_pro".split()
FROM_ROW = ".row"  # ends the name of a file that was written from a row
log = logging.getLogger("defectsweep")


class Run:
    """An event file. Of earlier files in its folder, what lies before step `begins` counts."""

    def __init__(self, folder: Path, begins: int, suffix: str = ""):
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.epoch = EventsWriter(str(folder / "events"), f".{time.time_ns()}{suffix}"), 0
        start = SessionLog(status=SessionLog.START)
        self.file.write_event(Event(wall_time=time.time(), step=begins, session_log=start))

    def add(self, what: summary.Summary, step: int = 0, at: float | None = None) -> None:
        """Writes one figure or text, at `at` (seconds since 1970; default: now)."""
        self.file.write_event(Event(wall_time=at or time.time(), step=step, summary=what))


def outlived(listen: Callable) -> Callable:
    """A fault of the disk ends the writing, not the sweep."""

    @functools.wraps(listen)
    def heard(self: "TensorBoard", *what) -> None:
        if not self.is_broken:
            try:
                listen(self, *what)
            except OSError as error:
                self.is_broken = True
                log.warning("--tensorboard %s: %s. Nothing more is written there.", self.root, reason(error))

    return heard


class TensorBoard(Listener):
    """Writes what a sweep tells into a folder. Raises InputError where there can be none."""

    def __init__(self, folder: str):
        if "://" in folder:
            raise InputError(f"--tensorboard {folder}: a folder is expected, which may be a mounted one.")
        self.root, self.is_broken, self.has_sizes = Path(folder).expanduser(), False, False
        self.under_way: dict[str, Run] = {}  # by trial id
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.root).close()
        except OSError as error:
            why = f"cannot be written ({reason(error)}). Name a folder that can."
            raise InputError(f"--tensorboard {folder} {why}") from None

    @contextlib.contextmanager
    def following(self, sweep: Sweep) -> Iterator[None]:
        """Hears the sweep while the context lasts; first catches up with the trials that had ended, of jobs that are
        not finished."""
        self.has_sizes = len(sweep.ledger.jobs[0].experiment.size_px) > 1
        sweep.listeners.append(self)
        try:
            for row in sweep.ledger.trial_rows():
                if not any(self._folder(row, row.trial_id).glob(f"*{FROM_ROW}")):
                    self.recorded(row)
            yield
        finally:
            sweep.listeners.remove(self)
            for run in self.under_way.values():
                with contextlib.suppress(OSError):
                    run.file.close()

    @outlived
    def progressed(self, task: TrialTask, epoch: int, val_auc: float | None) -> None:
        """Adds a point to the trial's curve."""
        job, trial_id = task.job, task.job.trial_id(task.index)
        run = self.under_way.get(trial_id)
        if run is None or epoch <= run.epoch:  # the first heard of here, or by another worker since the last one died
            folder = self._place(job.category.name, job.model, job.size_px, job.seed)
            run = self.under_way[trial_id] = Run(folder / trial_id, begins=epoch)
        run.epoch = epoch
        if val_auc is not None:
            run.add(summary.scalar(VAL, val_auc), epoch)
        run.file.flush()

    @outlived
    def recorded(self, row: TrialRow) -> None:
        """Writes the trial's run anew from its row."""
        if row.trial_id in self.under_way:
            self.under_way.pop(row.trial_id).file.close()
        with self._anew(row, row.trial_id) as run:
            for epoch, value in enumerate(row.curve, start=1):
                if value is not None:
                    run.add(summary.scalar(VAL, value), epoch, _ended(row, epoch))
            for name, value in json.loads(row.losses).items():
                run.add(summary.scalar(f"loss/{name}", value), row.epochs)
            if row.val_auc is not None:
                run.add(summary.scalar(BEST_VAL, row.val_auc), row.best_epoch)
            for part in summary.hparams({**json.loads(row.params), "status": row.status}, {BEST_VAL: row.val_auc}):
                run.add(part)

    @outlived
    def closed(self, row: JobRow) -> None:
        """Writes the job's figures on the test part."""
        if row.status == COMPLETED:
            figures = {"auroc": row.test_auc} | {name: getattr(row, name) for name in MEASURES}
            with self._anew(row, f"{row.job_id}-test") as run:
                for name, value in figures.items():
                    if value is not None:
                        run.add(summary.scalar(f"test/{name}", value), row.epochs)

    @contextlib.contextmanager
    def _anew(self, row: TrialRow | JobRow, name: str) -> Iterator[Run]:
        """A run that takes the place of what was written of it before, and says what its figures were made on."""
        folder = self._folder(row, name)
        before = list(folder.glob("events.*"))
        run = Run(folder, begins=0, suffix=FROM_ROW)
        data = f"{row.dataset} {row.category}, protocol {row.protocol}, chosen on {row.selection_split}"
        about = f"{data}, {row.size_px} px, seed {row.seed}, {row.device or 'no device'}: {row.error or row.status}"
        run.add(summary.text("about", about))
        yield run
        run.file.close()
        for file in before:
            file.unlink(missing_ok=True)

    def _folder(self, row: TrialRow | JobRow, name: str) -> Path:
        return self._place(row.category, row.model, row.size_px, row.seed) / name

    def _place(self, category: str, model: str, size_px: int, seed: int) -> Path:
        size = f"{size_px}-px-" if self.has_sizes else ""
        return self.root / safe_name(category) / model / f"{size}seed-{seed}"


def _ended(row: TrialRow, epoch: int) -> float | None:
    """About when an epoch of a trial was over, in seconds since 1970."""
    if row.finished_at is None or row.wall_s is None:
        return None
    return datetime.fromisoformat(row.finished_at).timestamp() - row.wall_s * (1 - epoch / row.epochs)
