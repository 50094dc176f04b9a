"""The search under Ray Tune: one Tuner for all jobs on warm workers.

Tune runs trials and nothing more. What to try next comes from the sweep (a pure function of rows), when to stop from
the bars that each trial carries. A worker keeps torch, the CUDA context and its category's images from trial to trial;
one `step` is one epoch.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from orchestrator.experiment.config import Execution
from orchestrator.experiment.job import TrialTask
from orchestrator.ray_backend import shipping
from orchestrator.ray_backend.cluster import Resources
from orchestrator.ray_backend.refits import Refits
from orchestrator.ray_backend.shipping import Shipped
from orchestrator.results.storage import Storage
from orchestrator.sweep.sweep import Sweep
from orchestrator.training import trial
from orchestrator.training.selection import Selections
from orchestrator.words import one_line

REASON_LETTERS = 200


class WarmTrial(tune.Trainable):
    """One epoch a step. A finished trial's row travels in its last result; one that is stopped saves its state."""

    epochs: Generator | None = None

    def setup(self, config: dict[str, Any]) -> None:
        """Ray calls it once a worker."""
        torch.set_num_threads(config["cpus"])
        self.selections = Selections(torch.device("cuda" if config["gpus"] else "cpu"))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes up another trial on the same warm worker."""
        self.cleanup()
        shipping.install(new_config["weights"])
        images, task = ray.get(new_config["images"]), new_config["task"]
        saved = trial.saved_state(Storage(new_config["output"]), task, new_config["checkpoint_s"])
        self.epochs = trial.train(task, images, self.selections, new_config["gpus"], saved)
        return True

    def step(self) -> dict[str, Any]:
        """One epoch; after the last, the row."""
        try:
            progress = next(self.epochs)
        except StopIteration as end:
            return {"row": end.value, "done": True}
        return {"epoch": progress.epoch, "val_auc": progress.val_auc}

    def cleanup(self) -> None:
        """Ends the trial under way, which saves its state."""
        if self.epochs is not None:
            self.epochs.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial saves its own state."""
        return None


class RowSearcher(Searcher):
    """Speaks for every job of the sweep at once, and starts the refit of each job whose search has ended."""

    def __init__(
        self, sweep: Sweep, shipped: Shipped, resources: Resources, execution: Execution, refits: Refits
    ):
        super().__init__()
        self.sweep, self.shipped, self.resources, self.refits = sweep, shipped, resources, refits
        self.checkpoint_s, self.max_failures = execution.checkpoint_minutes * 60, execution.max_failures
        self.deaths, self.reasons = Counter(), {}
        self.tasks: dict[str, TrialTask] = {}
        self.is_waiting = False  # asked for a trial, and there was none ready

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The sweep's next trial; None while there is none, FINISHED when there will be none."""
        if len(self.tasks) >= self.resources.slots:
            return None
        task = self.sweep.next_trial()
        self.is_waiting = task is None
        if task is None:
            return Searcher.FINISHED if self.sweep.all_handed_out() else None
        self.tasks[trial_id] = task
        return {
            "task": task,
            "images": self.shipped.images[task.job.decoding],
            "weights": self.shipped.weights,
            "cpus": int(self.resources.cpus),
            "gpus": self.resources.gpus,
            "output": self.sweep.output.uri(),
            "checkpoint_s": self.checkpoint_s,
        }

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial's row, or its worker's death, or its end by the clock reaches the sweep."""
        task = self.tasks.pop(trial_id)
        self.is_waiting = False
        if result and "row" in result:
            self.sweep.record(task, result["row"])
        elif error:
            self._died(task, self.reasons.pop(trial_id, ""))
        else:
            self.sweep.abandon(task)
        self.refits.start_ready()

    def _died(self, task: TrialTask, reason: str) -> None:
        """Tune's own recovery takes a second report of one death for a second death; so it has none here."""
        name = task.job.trial_id(task.index)
        self.deaths[name] += 1
        if self.deaths[name] <= self.max_failures:
            self.sweep.abandon(task)
        else:
            error = f"its worker died, started {self.deaths[name]} times: {reason}"
            self.sweep.record(task, trial.crashed(task, error))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An epoch reaches the sweep."""
        if "epoch" in result:
            self.sweep.progressed(self.tasks[trial_id], result["epoch"], result["val_auc"])

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the rows are the state."""
        pass

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the rows are the state."""
        pass

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles it for a restore that is not used: the rows are the state


class SweepScheduler(FIFOScheduler):
    """Stops trials that are to end without a row, and lets idle warm workers go, and with them their slots, while a
    refit waits for one and no trial is ready."""

    def __init__(self, searcher: RowSearcher, refits: Refits):
        super().__init__()
        self.searcher, self.refits, self.sweep = searcher, refits, searcher.sweep

    def on_trial_result(self, tune_controller, trial, result: dict[str, Any]) -> str:
        """Stops a trial when the time is up, or its job has gone to another sweep."""
        is_over = not result.get("done") and self.sweep.is_to_end(self.searcher.tasks[trial.trial_id])
        return self.STOP if is_over else self.CONTINUE

    def on_trial_error(self, tune_controller, trial) -> None:
        """Keeps the reason for the searcher, which is told of the error next."""
        self.searcher.reasons[trial.trial_id] = cause_of_death(Path(trial.error_file).read_text())

    def choose_trial_to_run(self, tune_controller):
        """Tune's choice. Tune asks often, so finished refits are recorded here."""
        chosen = super().choose_trial_to_run(tune_controller)
        self.refits.record_done()
        if chosen is None and self.searcher.is_waiting and self.refits.open:
            tune_controller._cleanup_cached_actors(force_all=True)
        return chosen

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as the searcher's


def cause_of_death(report: str) -> str:
    """One line out of Tune's report on a worker that died."""
    lines = report.strip().splitlines()[1:]  # the first is its heading
    because = [line for line in lines if line.startswith("The actor is dead because")]
    return one_line([*because, *lines, "no reason given"][0])[:REASON_LETTERS]


def run_trials(sweep: Sweep, shipped: Shipped, resources: Resources, execution: Execution, refits: Refits) -> None:
    """Runs every trial of the sweep that is still to run."""
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(resources.slots)  # at its default, 1, a second slot may never start
    searcher = RowSearcher(sweep, shipped, resources, execution, refits)
    with tempfile.TemporaryDirectory(prefix="defectsweep-tune-", ignore_cleanup_errors=True) as folder:
        tuner = tune.Tuner(
            tune.with_resources(WarmTrial, tune.PlacementGroupFactory([resources.bundle()])),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=SweepScheduler(searcher, refits),
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),
            ),
        )
        tuner.fit()
