"""The whole sweep in this process, one trial after the other: for debugging, for tests, and for machines without Ray.

It calls the same plan, search, trial and refit as the Ray backend, so its rows are the same, times aside.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from datasets.images import Images
from orchestrator.errors import InputError, RunError, describe
from orchestrator.estimate import probe
from orchestrator.estimate.pace import Probed
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Decoding, Sized, TrialTask
from orchestrator.results.output import Output
from orchestrator.sweep.sweep import Sweep
from orchestrator.training import refit, trial
from orchestrator.training.refit import RefitTask, Refitted
from orchestrator.training.selection import Selections

WAIT_S = 1.0  # between two looks at what other sweeps do


class LocalBackend:
    """One slot: this process."""

    slots, refit_start_s = 1, 0.0

    def __init__(self, execution: Execution):
        if execution.workers_per_job > 1:
            raise InputError(
                f"--workers-per-job {execution.workers_per_job}: the local backend has one process; use ray."
            )
        if (execution.gpus_per_trial or 0) > torch.cuda.device_count():
            raise InputError(
                f"--gpus-per-trial {execution.gpus_per_trial:g}: this machine has "
                f"{torch.cuda.device_count()} GPUs. Ask for 0."
            )
        self.screen = sys.stdout
        self.cpus, self.checkpoint_s = execution.cpus_per_trial, execution.checkpoint_minutes * 60
        self.device = torch.device("cuda" if torch.cuda.is_available() and execution.gpus_per_trial != 0 else "cpu")
        self.selections = Selections(self.device)
        self.gpu_share = float(self.device.type == "cuda")

    def run(self, sweep: Sweep, images: Mapping[Decoding, Images]) -> None:
        """Runs every trial and refit of `sweep`."""
        torch.set_num_threads(self.cpus)
        while True:
            self._refit_ready(sweep, images)
            task = sweep.next_trial()
            if task is not None:
                self._train(sweep, task, images[task.job.decoding])
            elif sweep.waits_for_others():
                time.sleep(WAIT_S)
                sweep.on_change()
            else:
                break
        self._refit_ready(sweep, images)

    def probe(self, experiment: Experiment, sized: Sized) -> Probed:
        """Measures a model by a few steps, on what a trial holds."""
        torch.set_num_threads(self.cpus)
        return probe.probe(experiment, sized, self.device, self.gpu_share)

    def _train(self, sweep: Sweep, task: TrialTask, images: Images) -> None:
        saved = trial.saved_state(sweep.output, task, self.checkpoint_s)
        epochs = trial.train(task, images, self.selections, self.gpu_share, saved)
        while True:
            try:
                progress = next(epochs)
            except StopIteration as end:
                sweep.record(task, end.value)
                return
            sweep.progressed(task, progress.epoch, progress.val_auc)
            if sweep.is_to_end(task):
                epochs.close()
                sweep.abandon(task)
                return

    def _refit_ready(self, sweep: Sweep, images: Mapping[Decoding, Images]) -> None:
        while found := sweep.next_refit():
            job, task = found
            if task is None:
                sweep.fail(job)
                continue
            try:
                refitted = self._refit(sweep.output, task, images[job.decoding])
            except RunError:
                raise
            except Exception as error:  # a failing refit is a row; the sweep goes on
                sweep.fail(job, describe(error))
            else:
                sweep.close(refitted)

    def _refit(self, output: Output, task: RefitTask, images: Images) -> Refitted:
        saved = refit.saved_state(output, task, self.checkpoint_s)
        return refit.with_checkpoint(*refit.refit(task, images, self.selections, self.gpu_share, saved))


@contextlib.contextmanager
def session(execution: Execution, log: Path) -> Iterator[LocalBackend]:
    """The backend for one run. Nothing goes to `log`: this process has no other voice."""
    yield LocalBackend(execution)
