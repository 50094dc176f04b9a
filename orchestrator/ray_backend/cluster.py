"""Joining or starting a Ray cluster, what it offers, and where its own talk goes."""

import contextlib
import logging
import math
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import ray
import yaml
from ray._private.utils import read_ray_address
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator import CHECKOUT, namesake
from orchestrator.errors import InputError
from orchestrator.experiment.config import Execution
from orchestrator.words import one_line

CONNECT_S = 5.0
LONGEST_REASON = 200  # letters


@dataclass(frozen=True)
class Resources:
    """What one trial holds, and how many can run at once."""

    cpus: float
    gpus: float
    slots: int
    autoscaling: bool

    def bundle(self) -> dict[str, float]:
        """The same as Ray asks for it."""
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}


def connect(execution: Execution) -> None:
    """Joins the cluster at `--address`, or this machine's, or starts one here. Raises InputError where none answers.

    Ray puts the driver's current folder first on its workers' path: from the checkout, they import these very packages.
    """
    talk = {"log_to_driver": False, "logging_level": "ERROR"}
    address = execution.address or os.environ.get("RAY_ADDRESS")
    if address in (None, "auto"):
        address = read_ray_address() or address
    if address == "local" or (address is None) or (execution.address is None and not answers(address)):
        with contextlib.chdir(CHECKOUT):
            ray.init(address="local", include_dashboard=False, **talk)
        return
    cure = "Start one by 'ray start --head', or leave --address out."
    if not answers(address):
        raise InputError(f"--address {execution.address}: no Ray cluster answers at {address}. {cure}")
    try:
        with contextlib.chdir(CHECKOUT):
            ray.init(address=address, **talk)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        found = one_line(error)[:120]
        raise InputError(f"--address {execution.address}: the cluster at {address} refuses ({found}). {cure}") from None


def check_packages() -> None:
    """Raises InputError where a worker of a node that there is would take a package of another's for one of ours."""
    task = ray.remote(num_cpus=0, max_retries=0)(namesake)  # by its name, so that a worker imports that alone
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    asked = [task.options(scheduling_strategy=place).remote() for place in places]
    for node, answer in zip(nodes, asked, strict=True):
        try:
            line = ray.get(answer)
        except ray.exceptions.RayError as error:
            line = f"our packages cannot be imported ({one_line(error)[-LONGEST_REASON:]}): install them on every node."
        if line is not None:
            raise InputError(f"on a worker of node {node[:12]}, {line}")


def resources(execution: Execution) -> Resources:
    """What a trial gets on the connected cluster. Raises InputError where a cluster of fixed size has less."""
    have = ray.cluster_resources()
    cpus, gpus = have.get("CPU", 0.0), have.get("GPU", 0.0)
    autoscaling = _autoscales()
    _check_output(execution, many_nodes=autoscaling or len(ray.nodes()) > 1)
    per_trial = execution.gpus_per_trial
    if per_trial is None:
        per_trial = 1.0 if gpus or (autoscaling and not cpus) else 0.0
    if not autoscaling:
        _check(f"--gpus-per-trial {per_trial:g}", per_trial * max(1, execution.workers_per_job), gpus, "GPU")
        _check(
            f"--cpus-per-trial {execution.cpus_per_trial}",
            execution.cpus_per_trial * execution.workers_per_job,
            cpus,
            "CPU core",
        )
    fitting = math.floor(min(cpus / execution.cpus_per_trial, _devices_fit(per_trial, gpus)))
    slots = max(1, fitting) if not autoscaling else max(fitting, execution.max_concurrent or 1000)
    return Resources(execution.cpus_per_trial, per_trial, min(slots, execution.max_concurrent or slots), autoscaling)


@contextlib.contextmanager
def talk_goes_to(log: Path) -> Iterator[TextIO]:
    """Sends all that this process and its libraries write to stdout and stderr to `log`, and the sweep's own diary;
    yields a stream that still reaches the screen."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {1: os.dup(1), 2: os.dup(2)}
    with open(log, "ab") as file:
        for descriptor in kept:
            os.dup2(file.fileno(), descriptor)
    diary = logging.getLogger("defectsweep")
    pen = logging.StreamHandler()
    pen.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    diary.addHandler(pen)
    diary.setLevel(logging.INFO)
    try:
        with os.fdopen(os.dup(kept[1]), "w", buffering=1) as screen:
            yield screen
    finally:
        diary.removeHandler(pen)
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, screen in kept.items():
            os.dup2(screen, descriptor)
            os.close(screen)


def _check_output(execution: Execution, many_nodes: bool) -> None:
    if many_nodes and "://" not in execution.output and not execution.shared_output:
        raise InputError(
            f"--output {execution.output} is a folder, and this cluster has, or may start, several nodes. "
            "Name a bucket, or say --shared-output if every node mounts that folder."
        )


def _check(what: str, asked: float, have: float, unit: str) -> None:
    if asked > have:
        raise InputError(
            f"{what}: {asked:g} {unit}s are needed for one job, and the cluster has {have:g}. "
            "Ask for less, or add nodes."
        )


def _devices_fit(per_trial: float, gpus: float) -> float:
    if per_trial == 0:
        return math.inf
    return gpus * math.floor(1 / per_trial + 1e-9) if per_trial < 1 else gpus / per_trial


def answers(address: str) -> bool:
    """Whether anything listens there. Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except (OSError, ValueError):
        return False
    return True


def _autoscales() -> bool:
    """Whether this is the head of a cluster that adds nodes on demand: the launcher left its configuration here."""
    bootstrap = Path("~/ray_bootstrap_config.yaml").expanduser()
    if not bootstrap.exists():
        return False
    return yaml.safe_load(bootstrap.read_text())["provider"]["type"] != "local"
