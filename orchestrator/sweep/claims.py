"""Who runs which job, where several sweeps share one output: so that none is trained twice at length.

A sweep keeps one small file in `claims/` that names the jobs it holds, and writes it anew every BEAT_S. A file that was
not written for LEASE_S holds nothing, nor does one whose process has gone from this machine. Ages are taken from the
storage's own times, so clocks need not agree.

This is no lock. Should two sweeps hold one job for a moment, as after a pause longer than the lease, the earlier claim
stands, the other sweep starts nothing more of it, and what both have trained has the same name and the same rows.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import RunError
from orchestrator.results.output import CLAIMS, claim_file
from orchestrator.results.storage import Storage, reason
from orchestrator.words import printable

BEAT_S = 10.0
LEASE_S = 150.0  # some missed beats, and the minute for which a network file system may show an old time
log = logging.getLogger("defectsweep")


@dataclass(frozen=True)
class Owner:
    """A process that runs a sweep. `machine` and `started` tell it from any other of the same pid; both are empty where
    the system does not say."""

    host: str
    pid: int
    machine: str
    started: str

    def __str__(self) -> str:
        return printable(f"process {self.pid} on {self.host}")

    def is_gone(self) -> bool:
        """Whether it is known to have ended: only a process of this machine can be."""
        return bool(self.machine) and self.machine == _machine() and _started(self.pid) != self.started


class Claims:
    """The jobs that this sweep holds, and those that others hold. In its context, a thread keeps its claims alive."""

    def __init__(self, storage: Storage):
        self.storage, self.owner = storage, Owner(socket.gethostname(), os.getpid(), _machine(), _started(os.getpid()))
        self.file = claim_file(uuid.uuid4().hex)
        self.name = self.file[-1]
        self.mine: dict[str, float] = {}  # job id -> when it was claimed
        self.others: dict[str, tuple[float, str, Owner]] = {}  # job id -> (when, file, who)
        self.lock, self.over = threading.RLock(), threading.Event()
        self.beat = threading.Thread(target=self._keep_alive, name="claims", daemon=True)

    def __enter__(self) -> "Claims":
        self.look()
        self.beat.start()
        return self

    def __exit__(self, *exception) -> None:
        self.over.set()
        self.beat.join()
        try:
            self.storage.delete(*self.file)
        except RunError:
            pass  # it expires

    def take(self, job_id: str) -> bool:
        """Claims a job. False where another living sweep holds it. Raises RunError where no claim can be written."""
        with self.lock:
            if job_id in self.mine:
                return True
            self.look()
            if job_id in self.others:
                return False
            self.mine[job_id] = time.time()
            self.look()  # whoever claimed it at the same moment sees this claim, or is seen here
            return job_id in self.mine

    def drop(self, job_id: str) -> None:
        """Lets a job go: others may take it."""
        with self.lock:
            if self.mine.pop(job_id, None) is not None:
                self.look()

    def holder(self, job_id: str) -> str:
        """Who else holds a job, in words."""
        when_file_who = self.others.get(job_id)
        return f"another sweep, {when_file_who[2]}" if when_file_who else "another sweep"

    def look(self) -> None:
        """Writes this sweep's file and reads those of the others. A job that another claimed earlier is given up."""
        with self.lock:
            self.storage.write(json.dumps({**asdict(self.owner), "jobs": self.mine}).encode(), *self.file)
            files = {info.base_name: info.mtime_ns or 0 for info in self.storage.files(*CLAIMS)}
            now = files.pop(self.name, None) or max(files.values(), default=0)
            found: dict[str, tuple[float, str, Owner]] = {}
            for name, written in files.items():
                owner, jobs = self._read(name)
                if owner is None:
                    continue
                if owner.is_gone() or now - written > LEASE_S * 1e9:
                    self.storage.delete(*CLAIMS, name)
                    continue
                for job_id, when in jobs.items():
                    if job_id not in found or (when, name) < found[job_id][:2]:
                        found[job_id] = (when, name, owner)
            self.others = found
            for job_id, when in list(self.mine.items()):
                if job_id in found and found[job_id][:2] < (when, self.name):
                    log.warning("%s is claimed by %s too, and earlier: given up", job_id, found[job_id][2])
                    del self.mine[job_id]

    def _read(self, name: str) -> tuple[Owner | None, dict[str, float]]:
        try:
            content = json.loads(self.storage.read(*CLAIMS, name) or b"")
            jobs = content.pop("jobs")
            return Owner(**content), {str(job): float(when) for job, when in jobs.items()}
        except (ValueError, TypeError, KeyError, AttributeError, OSError):
            return None, {}  # it has just been removed, or is not one of ours

    def _keep_alive(self) -> None:
        while not self.over.wait(BEAT_S):
            try:
                self.look()
            except (RunError, OSError) as error:
                log.warning("the claims cannot be renewed (%s)", reason(error.__cause__ or error))


def held_jobs(storage: Storage) -> set[str]:
    """The ids of all jobs that a living sweep holds."""
    with Claims(storage) as claims:
        return set(claims.others)


def _machine() -> str:
    """This machine since it started, and this container: where a pid means one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process of this machine started, in the kernel's ticks; empty where there is none, or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
