"""The flow on a cluster: images into the object store, trials, and refits as searches end."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import ray
import torch

from datasets.images import Images
from orchestrator.estimate import probe
from orchestrator.estimate.pace import Probed
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Decoding, Sized
from orchestrator.ray_backend import cluster, shipping
from orchestrator.ray_backend.refits import Refits
from orchestrator.ray_backend.shipping import Shipped
from orchestrator.ray_backend.trials import REASON_LETTERS, run_trials
from orchestrator.ray_backend.watchdog import watched
from orchestrator.sweep.sweep import Sweep
from orchestrator.training import backbone_weights
from orchestrator.words import one_line

WAIT_S = 0.5
REFIT_START_S = 20.0  # until Ray Train's processes are there, on two cores


class RayBackend:
    """A connected cluster."""

    refit_start_s = REFIT_START_S

    def __init__(self, execution: Execution, screen: TextIO):
        self.screen, self.execution = screen, execution
        self.resources = cluster.resources(execution)
        self.slots = self.resources.slots

    def probe(self, experiment: Experiment, sized: Sized) -> Probed:
        """Measures a model by a few steps on a slot of the cluster, as soon as one is free. A worker that dies of it,
        for want of memory for instance, is that model's failure."""
        cpus, gpus = self.resources.cpus, self.resources.gpus
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(_probe)
        try:
            weights = shipping.put_weights(backbone_weights.needed(experiment, [sized.model]))
            return ray.get(task.remote(experiment, sized, int(cpus), gpus, weights))
        except ray.exceptions.RayError as error:
            return Probed(error=f"its worker died: {one_line(error)[:REASON_LETTERS]}")

    def run(self, sweep: Sweep, images: Mapping[Decoding, Images]) -> None:
        """Runs every trial and refit of `sweep`."""
        jobs = sweep.ledger.todo
        backbones = backbone_weights.needed(jobs[0].experiment, [job.model for job in jobs])
        shipped = Shipped(shipping.put_images(images), shipping.put_weights(backbones))
        refits = Refits(sweep, shipped, self.resources, self.execution)
        while True:
            refits.start_ready()
            if not sweep.all_handed_out():
                run_trials(sweep, shipped, self.resources, self.execution, refits)
            elif refits.open or sweep.waits_for_others():
                refits.record_done(wait_s=WAIT_S)
                sweep.on_change()
            else:
                return


def _probe(
    experiment: Experiment, sized: Sized, cpus: int, gpus: float, weights: Mapping[str, ray.ObjectRef]
) -> Probed:
    shipping.install(weights)
    torch.set_num_threads(cpus)
    return probe.probe(experiment, sized, torch.device("cuda" if gpus else "cpu"), gpus)


@contextlib.contextmanager
def session(execution: Execution, log: Path) -> Iterator[RayBackend]:
    """Connects for one run; what Ray writes goes to `log`. Raises InputError if none answers, or too small."""
    with cluster.talk_goes_to(log) as screen:
        cluster.connect(execution)
        try:
            cluster.check_packages()
            with watched(screen):
                yield RayBackend(execution, screen)
        finally:
            ray.shutdown()


def describe(execution: Execution) -> str:
    """One line on the cluster that a run would use."""
    with session(execution, Path(tempfile.mkdtemp(), "driver.log")) as backend:
        have = ray.cluster_resources()
        return (
            f"Ray {ray.__version__}, {len(ray.nodes())} nodes, {have.get('CPU', 0):g} cores, "
            f"{have.get('GPU', 0):g} GPUs, "
            f"{backend.slots} slots of {backend.resources.cpus:g} cores and {backend.resources.gpus:g} GPUs"
        )
