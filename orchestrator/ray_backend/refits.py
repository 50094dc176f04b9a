"""The refits under Ray Train: one TorchTrainer for each finished search, several at once, each in a thread of the
driver.

After a failure a refit goes on from its saved state. Rank 0 hands the deployable weights and the measurement back as
the training function's result: the driver, which knows whether the job is still its own, writes them.
"""

import queue
import threading
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from orchestrator.errors import RunError, describe
from orchestrator.experiment.config import Execution
from orchestrator.experiment.job import Job
from orchestrator.ray_backend import shipping
from orchestrator.ray_backend.cluster import Resources
from orchestrator.ray_backend.shipping import Shipped
from orchestrator.results.output import TRAIN, Output
from orchestrator.sweep.sweep import Sweep
from orchestrator.training import refit
from orchestrator.training.data_parallel import ALONE, Workers
from orchestrator.training.refit import RefitTask, Refitted
from orchestrator.training.selection import Selections


class Refits:
    """The refits of a sweep. All but `_fit` and `_train` belongs to the driver's main thread."""

    def __init__(self, sweep: Sweep, shipped: Shipped, resources: Resources, execution: Execution):
        self.sweep, self.shipped, self.resources, self.execution = sweep, shipped, resources, execution
        self.free = threading.Semaphore(resources.slots)
        self.done: queue.SimpleQueue[tuple[Job, Refitted | Exception]] = queue.SimpleQueue()
        self.open = 0

    def start_ready(self) -> None:
        """Queues the refit of every job whose search has ended."""
        while found := self.sweep.next_refit():
            job, task = found
            if task is None:
                self.sweep.fail(job)
            else:
                self.open += 1
                threading.Thread(target=self._fit, args=(task,), name=f"refit {job.id}", daemon=True).start()

    def record_done(self, wait_s: float = 0.0) -> None:
        """Records the refits that are over; waits at most `wait_s` for the first of them. A failing refit is a row, but
        for a fault of the storage: raises RunError."""
        while self.open:
            try:
                job, result = self.done.get(timeout=wait_s) if wait_s else self.done.get_nowait()
            except queue.Empty:
                return
            wait_s = 0.0
            self.open -= 1
            if isinstance(result, RunError):
                raise result
            if isinstance(result, Exception):
                self.sweep.fail(job, describe(result))
            else:
                self.sweep.close(result)

    def _fit(self, task: RefitTask) -> None:
        with self.free:
            try:
                self.done.put((task.job, self._train(task)))
            except Exception as exception:
                self.done.put((task.job, _cause(exception)))

    def _train(self, task: RefitTask) -> Refitted:
        output, job = self.sweep.output, task.job
        trainer = ray.train.torch.TorchTrainer(
            train_worker,
            train_loop_config={
                "task": task,
                "images": self.shipped.images[job.decoding],
                "weights": self.shipped.weights,
                "gpu_share": self.resources.gpus,
                "cpus": int(self.resources.cpus),
                "output": output.uri(),
                "checkpoint_s": self.execution.checkpoint_minutes * 60,
            },
            scaling_config=ray.train.ScalingConfig(
                num_workers=job.workers, use_gpu=self.resources.gpus > 0, resources_per_worker=self.resources.bundle()
            ),
            run_config=ray.train.RunConfig(
                name=task.winner.trial_id,
                storage_path=output.uri(*TRAIN),
                failure_config=ray.train.FailureConfig(max_failures=self.execution.max_failures),
            ),
        )
        refitted = trainer.fit().return_value
        output.delete_folder(*TRAIN, task.winner.trial_id)
        return refitted


def _cause(exception: Exception) -> Exception:
    """What a worker raised, out of what Ray Train wraps around it."""
    failures = getattr(exception, "worker_failures", None) or {0: exception.__cause__ or exception}
    first = next(iter(failures.values()))
    return getattr(first, "_base_exc", first)


def train_worker(config: dict[str, Any]) -> Refitted | None:
    """Runs in each of Ray Train's workers; rank 0 returns what the refit leaves."""
    task, output = config["task"], Output(config["output"])
    device = ray.train.torch.get_device()
    together = Workers(device) if task.job.workers > 1 else ALONE
    torch.set_num_threads(config["cpus"])
    shipping.install(config["weights"])
    refitted, checkpoint_files = refit.refit(
        task,
        ray.get(config["images"]),
        Selections(device),
        config["gpu_share"] * together.world,
        refit.saved_state(output, task, config["checkpoint_s"]),
        together,
    )
    return refit.with_checkpoint(refitted, checkpoint_files) if together.rank == 0 else None
