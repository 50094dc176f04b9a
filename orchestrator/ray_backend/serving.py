"""The detectors of a service as replicas on Ray Serve: an application for each category, which judges in batches what
comes together.

Requests come to this process, and go to replicas by Serve's own handles: its HTTP proxy would answer an error where a
replica dies while it judges. Here such a picture is judged once more, which gives the same.
"""

import asyncio
import contextlib
import math
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import ray
import torch
from ray import serve
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError
from ray.serve.exceptions import BackPressureError, RayServeException

from datasets import decoding
from orchestrator.deploy.desk import NoReplyError
from orchestrator.deploy.detector import TrainedDetector, built
from orchestrator.deploy.posted import Posted, Reply, replies
from orchestrator.errors import RunError
from orchestrator.experiment.config import Execution
from orchestrator.ray_backend import cluster
from orchestrator.ray_backend.watchdog import watched
from orchestrator.training.scoring import SCORE_BATCH
from orchestrator.words import one_line

MOST_WAITING = 256  # pictures of a category, beside those that replicas hold
TRIES = 2  # to have a picture judged
HEALTH_S = 2.0  # between two looks at a replica
END_S = 1.0  # that a replica has to end what it judges
REASON_LETTERS = 200


@serve.deployment(
    max_ongoing_requests=2 * SCORE_BATCH, max_queued_requests=MOST_WAITING, health_check_period_s=HEALTH_S,
    graceful_shutdown_wait_loop_s=0.1, graceful_shutdown_timeout_s=END_S,
)  # fmt: skip
class Replica:
    """One process that judges the pictures of one category."""

    def __init__(self, checkpoint: list[ray.ObjectRef], threads: int, replicas: int):
        """`replicas` share this machine's memory. A list, for Serve would take a reference alone for its value."""
        torch.set_num_threads(threads)
        decoding.BUDGET.total_bytes //= replicas
        self.detector = built(ray.get(checkpoint[0]))
        self.pool = ThreadPoolExecutor(threads)

    @serve.batch(max_batch_size=SCORE_BATCH, batch_wait_timeout_s=0.0)
    async def judge(self, pictures: list[Posted]) -> list[Reply]:
        """What came while the last ones were judged. In a thread, so that more can come meanwhile."""
        return await asyncio.to_thread(replies, self.detector, pictures, self.pool)


@dataclass(frozen=True)
class Share:
    """What one replica has of a cluster. It reserves no core, so that a service starts beside a sweep."""

    threads: int
    gpus: float


def share(replicas: int, cpus: float, gpus: float) -> Share:
    """Of so many replicas in all."""
    return Share(max(1, int(cpus / replicas)), 1 / math.ceil(replicas / gpus) if gpus >= 1 else 0.0)


class Serving:
    """The replicas of a running service. `screen` is where it says what happens."""

    def __init__(self, detectors: Sequence[TrainedDetector], replicas: int, screen: TextIO):
        """Returns once every replica is ready. Raises RunError where one cannot start."""
        self.screen, self._deaths = screen, set()
        run = f"defectsweep-{uuid.uuid4().hex[:8]}"  # others may serve on the same cluster
        categories = [detector.checkpoint.config.category for detector in detectors]
        self.applications = {category: f"{run}-{place}" for place, category in enumerate(categories)}
        in_all = len(detectors) * replicas
        have = ray.cluster_resources()
        own = share(in_all, have.get("CPU", 1.0), have.get("GPU", 0.0))
        deployment = Replica.options(num_replicas=replicas, ray_actor_options={"num_cpus": 0, "num_gpus": own.gpus})
        targets = [
            serve.RunTarget(
                deployment.bind([ray.put(detector.checkpoint)], own.threads, in_all), name, route_prefix=None
            )
            for detector, name in zip(detectors, self.applications.values(), strict=True)
        ]
        serve.start(proxy_location="Disabled")
        try:
            self._handles = dict(zip(categories, serve.run_many(targets), strict=True))
        except (RuntimeError, RayServeException, RayError) as error:
            raise RunError(f"the replicas do not start: {one_line(error)[:REASON_LETTERS]}") from error

    def ask(self, category: str) -> Callable[[Posted], Awaitable[Reply]]:
        """What has a picture of that category judged."""
        handle = self._handles[category]

        async def ask(picture: Posted) -> Reply:
            for _ in range(TRIES):
                try:
                    return await handle.judge.remote(picture)
                except (ActorDiedError, ActorUnavailableError) as error:
                    self._say_death(category, error)
                except BackPressureError:
                    raise NoReplyError("too many pictures are waiting") from None
            raise NoReplyError("the replicas that judged it have died")

        return ask

    async def closed(self) -> list[str]:
        """Categories without a replica that runs."""
        applications = (await asyncio.to_thread(serve.status)).applications
        states = {
            category: applications[name].deployments[Replica.name].replica_states
            for category, name in self.applications.items()
        }
        return [category for category, running in states.items() if not running.get("RUNNING")]

    def _say_death(self, category: str, error: ActorDiedError | ActorUnavailableError) -> None:
        if (whose := error.actor_id) not in self._deaths:
            self._deaths.add(whose)
            print(f"defectsweep: {category}: a replica has died; another judges its pictures", file=self.screen)

    def end(self) -> None:
        """Has the replicas taken away; Serve ends them once they have answered."""
        for name in self.applications.values():
            serve.delete(name, _blocking=False)


@contextlib.contextmanager
def session(detectors: Sequence[TrainedDetector], replicas: int, address: str | None, log: Path) -> Iterator[Serving]:
    """A service on the cluster at `address`, as for a sweep; what Ray writes goes to `log`. Raises InputError if no
    cluster answers, RunError if no replica starts."""
    with cluster.talk_goes_to(log) as screen:
        cluster.connect(Execution(address=address))
        try:
            cluster.check_packages()
            with watched(screen, "Run the same command again."):
                serving = Serving(detectors, replicas, screen)
                try:
                    yield serving
                finally:
                    serving.end()
        finally:
            ray.shutdown()
