"""The refits under Ray Train: one TorchTrainer for each finished search, several at once, each in a thread of the
driver.

A refit goes on from its last checkpoint after a failure. Rank 0 hands the measurement back as the training function's
result, and the deployable weights as its last checkpoint.
"""

import dataclasses
import queue
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from orchestrator import data_parallel, refit
from orchestrator.plan import Category, Job
from orchestrator.provenance import describe
from orchestrator.ray_backend.cluster import Resources
from orchestrator.refit import RefitTask, Refitted
from orchestrator.rows import JobRow, PictureRow, ScoreRow
from orchestrator.sweep import Sweep

CHECKPOINT_EVERY_S = 60.0


class Refits:
    """The refits of a sweep. All but `_fit` and `_train` belongs to the driver's main thread."""

    def __init__(self, sweep: Sweep, images: Mapping[Category, ray.ObjectRef], resources: Resources, max_failures: int):
        self.sweep, self.images, self.resources, self.max_failures = sweep, images, resources, max_failures
        self.pool = ThreadPoolExecutor(max(1, min(resources.slots, len(sweep.todo))), thread_name_prefix="refit")
        self.done: queue.SimpleQueue[tuple[Job, Refitted | None, str | None]] = queue.SimpleQueue()
        self.open = 0

    def start_ready(self) -> None:
        """Queues the refit of every job whose search has ended."""
        while found := self.sweep.next_refit():
            job, task = found
            if task is None:
                self.sweep.fail(job)
            else:
                self.open += 1
                self.pool.submit(self._fit, task)

    def record_done(self, wait_s: float = 0.0) -> None:
        """Records the refits that are over; waits at most `wait_s` for the first of them."""
        while self.open:
            try:
                job, result, error = self.done.get(timeout=wait_s) if wait_s else self.done.get_nowait()
            except queue.Empty:
                return
            wait_s = 0.0
            self.open -= 1
            if result is None:
                self.sweep.fail(job, error)
            else:
                self.sweep.close(result)

    def finish(self) -> None:
        """Waits for every refit and records it."""
        while self.open:
            self.record_done(wait_s=0.5)
            self.sweep.on_change()

    def drop(self) -> None:
        """Starts no further refit."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _fit(self, task: RefitTask) -> None:
        try:
            self.done.put((task.job, self._train(task), None))
        except Exception as exception:  # a failing refit is a row; the sweep goes on
            cause = exception.__cause__ or exception
            self.done.put((task.job, None, describe(cause)))

    def _train(self, task: RefitTask) -> Refitted:
        output, job = self.sweep.output, task.job
        trainer = ray.train.torch.TorchTrainer(
            train_worker,
            train_loop_config={
                "task": task,
                "images": self.images[job.category],
                "gpu_share": self.resources.gpus,
                "cpus": int(self.resources.cpus),
            },
            scaling_config=ray.train.ScalingConfig(
                num_workers=job.workers, use_gpu=self.resources.gpus > 0, resources_per_worker=self.resources.bundle()
            ),
            run_config=ray.train.RunConfig(
                name=task.winner.trial_id,  # a later winner of this job must not go on from this one's weights
                storage_path=output.uri("ray", "train"),
                failure_config=ray.train.FailureConfig(max_failures=self.max_failures),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            ),
        )
        result = trainer.fit()
        row, scores, pictures = result.return_value
        with result.checkpoint.as_directory() as folder:
            files = {
                path.name: path.read_bytes()
                for path in Path(folder).iterdir()
                if path.name in (refit.WEIGHTS, refit.CONFIG)
            }
        row = dataclasses.replace(JobRow(**row), checkpoint=output.write_checkpoint(job.id, files))
        output.delete_folder("ray", "train", task.winner.trial_id)
        return Refitted(row, [ScoreRow(**score) for score in scores], [PictureRow(**shown) for shown in pictures])


def train_worker(config: dict[str, Any]) -> tuple[dict, list[dict], list[dict]] | None:
    """Runs in each of Ray Train's workers; rank 0 returns the row, the scores and the pictures."""
    task: RefitTask = config["task"]
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(config["cpus"])
    run = refit.refit(
        task,
        ray.get(config["images"]),
        ray.train.torch.get_device(),
        config["gpu_share"] * world,
        resume=_last_state(),
        rank=rank,
        world=world,
        on_built=data_parallel.average_gradients if world > 1 else lambda detector: None,
    )
    saved_at = time.monotonic()
    while True:
        try:
            epochs, detector = next(run)
        except StopIteration as end:
            result, detector = end.value
            break
        if world > 1:
            data_parallel.average_buffers(detector)
        state = None
        if time.monotonic() - saved_at > CHECKPOINT_EVERY_S and rank == 0:
            state, saved_at = {refit.RESUME: refit.resume_state(detector, epochs)}, time.monotonic()
        _report({"epochs": epochs}, state)
    final = None
    if rank == 0:
        final = refit.checkpoint_files(detector, result.row, task.job)
    _report({"epochs": result.row.epochs}, final)
    if rank > 0:
        return None
    scores, pictures = ([dataclasses.asdict(row) for row in rows] for rows in (result.scores, result.pictures))
    return dataclasses.asdict(result.row), scores, pictures


def _report(metrics: dict[str, Any], files: dict[str, bytes] | None) -> None:
    """Every worker reports equally often; one of them may hand files over, as a checkpoint."""
    if files is None:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _last_state() -> bytes | None:
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as folder:
        path = Path(folder) / refit.RESUME
        return path.read_bytes() if path.exists() else None
