"""Who runs which job, where several sweeps share one output: so that none is trained twice at length.

A sweep keeps one small file in `claims/` that names the jobs it holds, and writes it anew every BEAT_S. A file that was
not written for LEASE_S holds nothing, nor does one whose process has gone from this machine: whoever finds it removes
it. Ages are taken from the storage's own times, so clocks need not agree.

A claim is written before it is held: whoever then sees another's for the same job withdraws its own, so of two at once
at most one holds the job. A holder gives a job up to nobody, but may lose it by sleeping (a stopped process, a closed
laptop, a storage that does not answer): one whose file has been removed, or was last written too long ago, holds
nothing any more, and must take its jobs anew.

This is no lock: between a look and the row that follows, a sweep may sleep. What two sweeps have trained then has the
same name and the same values.
"""

import json
import logging
import os
import random
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
SURE_S = 120.0  # after its last beat a sweep still holds its jobs: less than the lease by what writing a row may take
TRIES, MOST_PAUSE_S = 4, 0.5  # at a job that two want at the same moment, and between them
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
        self.mine: set[str] = set()  # job ids
        self.others: dict[str, Owner] = {}  # job id -> who
        self.beaten: tuple[float, ...] = ()  # when its file was last written, by this machine's clocks
        self.written_ns: int | None = None  # the same by the storage's
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
            for _ in range(TRIES):
                self.look()
                if job_id in self.mine or job_id in self.others:
                    break
                self.mine.add(job_id)
                self.look()
                if job_id not in self.others:
                    break
                self.drop(job_id)  # another wrote its claim at the same moment: whoever sees that withdraws
                time.sleep(random.uniform(0, MOST_PAUSE_S))
            return job_id in self.mine

    def holds(self, job_id: str) -> bool:
        """Whether a job is still this sweep's, which may have slept. To be asked before a row of the job is written."""
        with self.lock:
            if job_id in self.mine and self._has_slept():
                self._lose()
            return job_id in self.mine

    def drop(self, job_id: str) -> None:
        """Lets a job go: others may take it."""
        with self.lock:
            if job_id in self.mine:
                self.mine.discard(job_id)
                self.look()

    def holder(self, job_id: str) -> str:
        """Who else holds a job, in words."""
        return f"another sweep, {self.others[job_id]}" if job_id in self.others else "another sweep"

    def look(self) -> None:
        """Writes this sweep's file, without the jobs that it has lost by sleeping, and reads those of the others."""
        with self.lock:
            if self.mine and self._has_slept():
                self._lose()
            files = self._write()
            now_ns = files.pop(self.name, None) or max(files.values(), default=0)
            if self.mine and self.written_ns and now_ns - self.written_ns > LEASE_S * 1e9:
                self._lose()  # this machine's clocks have slept too
                self._write()
            self.written_ns, self.others = now_ns, {}
            for name, written_ns in files.items():
                owner, jobs = self._read(name)
                if owner is None:
                    continue
                if owner.is_gone() or now_ns - written_ns > LEASE_S * 1e9:
                    self.storage.delete(*CLAIMS, name)
                else:
                    self.others |= dict.fromkeys(jobs, owner)

    def _write(self) -> dict[str, int]:
        """Writes this sweep's file; when each file that there is then was written, by the storage's clock."""
        self.beaten = _clocks()
        self.storage.write(json.dumps({**asdict(self.owner), "jobs": sorted(self.mine)}).encode(), *self.file)
        return {info.base_name: info.mtime_ns or 0 for info in self.storage.files(*CLAIMS)}

    def _has_slept(self) -> bool:
        """Whether others may have taken this sweep's jobs, as its file is gone, or too old."""
        since_s = max(now - then for now, then in zip(_clocks(), self.beaten, strict=True))
        return since_s > SURE_S or not self.storage.info(*self.file).is_file

    def _lose(self) -> None:
        log.warning("claims were not renewed in time, and are to be taken anew: %s", ", ".join(sorted(self.mine)))
        self.mine.clear()

    def _read(self, name: str) -> tuple[Owner | None, list[str]]:
        try:
            content = json.loads(self.storage.read(*CLAIMS, name) or b"")
            jobs = content.pop("jobs")
            return Owner(**content), [str(job) for job in jobs]
        except (ValueError, TypeError, KeyError, AttributeError, OSError):
            return None, []  # it has just been removed, or is not one of ours

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


def _clocks() -> tuple[float, float]:
    """Seconds of two clocks: the first is never set, the second goes on while a machine sleeps."""
    return time.monotonic(), time.time()


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
