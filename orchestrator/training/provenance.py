"""What made a row: identity, hyper-parameters, software, device, times; and what went wrong, in one line."""

import functools
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import torch

from datasets.split import SELECTION_SPLITS
from model.parts import backbones
from model.parts.backbones import BACKBONES
from orchestrator import CHECKOUT
from orchestrator.experiment.job import Job


def provenance(job: Job, facts: dict[str, Any]) -> dict[str, Any]:
    """The columns that trials and jobs share, from the job and from what a run found out."""
    params = facts["params"]
    return {
        "experiment": job.experiment.hash(),
        "job_id": job.id,
        "dataset": job.category.dataset,
        "category": job.category.name,
        "model": job.model,
        "seed": job.seed,
        "protocol": job.experiment.protocol,
        "selection_split": SELECTION_SPLITS[job.experiment.protocol],
        "size_px": job.size_px,
        "fit": job.experiment.fit,
        "height_px": job.frame.height,
        "width_px": job.frame.width,
        "tile_px": job.tile_px,
        "batch": job.experiment.batch,
        "warm_start": job.experiment.warm_start,
        "choices": job.choices,
        "settings": job.settings,
        "config_hash": job.config_hash,
        **{name: params[name] for name in ("lr", "w_adv", "w_con", "w_lat") if name in params},
        **software(),
        **facts,
        "pretrained": ", ".join(map(_weights, backbones.named(params))) or None,
        "params": json.dumps(params, sort_keys=True),
    }


def _weights(backbone: str) -> str:
    published = BACKBONES[backbone].weights
    return f"{backbone} (sha256 {published.sha256[:8]}, {published.licence})"


class Clock:
    """Measures a run: times, device, peak memory."""

    def __init__(self, device: torch.device, gpu_share: float):
        self.device, self.gpu_share = device, gpu_share
        self.started_at, self.start = now(), time.perf_counter()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def wall_s(self) -> float:
        """Seconds since it was started, and those of earlier processes of the same run."""
        return time.perf_counter() - self.start

    def goes_on_after(self, wall_s: float) -> None:
        """Counts what an earlier process spent on this run."""
        self.start -= wall_s

    def stop(self) -> dict[str, Any]:
        """The columns of a row that only measuring tells."""
        wall_s = self.wall_s()
        cuda = self.device.type == "cuda"
        peak = torch.cuda.max_memory_allocated(self.device) if cuda else peak_resident_bytes()
        return {
            "device": torch.cuda.get_device_name(self.device) if cuda else f"cpu x{torch.get_num_threads()}",
            "peak_memory_bytes": peak,
            "wall_s": wall_s,
            "gpu_s": wall_s * self.gpu_share,
            "started_at": self.started_at,
            "finished_at": now(),
        }


def peak_resident_bytes() -> int:
    """Of this process, since it started: on warm workers, earlier trials included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def now() -> str:
    """The time, UTC, as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@functools.cache
def software() -> dict[str, str | None]:
    """The versions that a row names; the commit is None outside a git checkout."""
    commit = None
    if (CHECKOUT / ".git").exists():
        found = subprocess.run(
            ["git", "-C", str(CHECKOUT), "rev-parse", "--verify", "-q", "HEAD"], capture_output=True, text=True
        )
        commit = found.stdout.strip() or None
    try:
        ray_version = metadata.version("ray")
    except metadata.PackageNotFoundError:  # the local backend does without it
        ray_version = None
    return {"torch_version": torch.__version__, "ray_version": ray_version, "git_commit": commit}
