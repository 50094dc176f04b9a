"""How many pictures a second `defectsweep serve` judges, how long each waits, and what a killed replica costs.

Method. A detector is swept on generated fabric (one trial; the local backend), and `defectsweep serve` is started with
it as a process of its own. Clients, threads of this process that keep their connection, send the labelled pictures (PNG
files of 256 x 256 px) one after the other, each as soon as it has its answer. So clients and service share the
machine's cores, and a request's ms are as its client sees them: sent, received, decoded, judged, answered. In the last
row `kill -9` goes to one replica in the middle. Lost is a request without an answer, or with another verdict than
`predict` gives that picture. Before the first row, each client of the largest row sends ten pictures, which do not
count.

    python benchmarks/serve.py [--model padim] [--size-px 128] [--replicas 2] [--seconds 20] [--clients 1 8 32]
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from chaos import descendants

from datasets.readers.synthetic import write_files
from orchestrator import CHECKOUT
from orchestrator.deploy import load

CATEGORY, PICTURE_PX = "fabric", 256
WARM_UP = 10  # pictures
KILLED_AT = 8  # clients
DEFECTSWEEP = [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT)}


@dataclass(frozen=True)
class Sample:
    """A picture, and its verdict by `predict`."""

    content: bytes
    verdict: str


@dataclass
class Client:
    """Somebody who sends pictures, one after the other."""

    port: int
    samples: list[Sample]

    def send(self, until: float, most: int | None = None) -> tuple[list[float], int]:
        """The ms of each request, and how many were lost."""
        times_ms, lost, connection = [], 0, http.client.HTTPConnection("localhost", self.port, timeout=120)
        while time.perf_counter() < until and len(times_ms) + lost != most:
            sample = self.samples[len(times_ms) % len(self.samples)]
            start = time.perf_counter()
            try:
                connection.request("POST", f"/judge/{CATEGORY}", sample.content)
                answer = json.loads(connection.getresponse().read())
            except (OSError, http.client.HTTPException, ValueError):
                answer = {}
                connection.close()
            if answer.get("verdict") == sample.verdict:
                times_ms.append((time.perf_counter() - start) * 1000)
            else:
                lost += 1
        connection.close()
        return times_ms, lost


def main() -> None:
    asked = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="serve-") as folder:
        output = swept(Path(folder), asked)
        files = sorted(Path(folder, "data", CATEGORY, "test").rglob("*.png"))
        verdicts = load(output, category=CATEGORY).judge(files).verdict
        samples = [Sample(file.read_bytes(), verdict) for file, verdict in zip(files, verdicts, strict=True)]
        print(f"{asked.model} at {asked.size_px} px, {asked.replicas} replicas, {os.cpu_count()} cores, "
              f"load {os.getloadavg()[0]:.1f} before; {asked.seconds:.0f} s a row")  # fmt: skip
        with service(output, asked.replicas) as (process, port):
            clients = [Client(port, samples[i % 7 :]) for i in range(max(asked.clients))]
            load_of(clients, 600.0, WARM_UP)
            print("| clients | requests/s | p50, ms | p99, ms | slowest, ms | judged | lost |")
            print("|---" * 7 + "|")
            for number in asked.clients:
                report(str(number), *load_of(clients[:number], asked.seconds))
            victim = next(pid for pid, title in descendants(process.pid) if "ServeReplica" in title)
            timer = threading.Timer(asked.seconds / 2, os.kill, (victim, signal.SIGKILL))
            timer.start()
            report(f"{KILLED_AT}, one replica killed", *load_of(clients[:KILLED_AT], asked.seconds))


def swept(folder: Path, asked: argparse.Namespace) -> Path:
    """The output of a sweep of one job."""
    write_files(folder / "data", PICTURE_PX)
    words = ["--backend", "local", "--dataset", "folder", "--data-root", str(folder / "data"), "--category", CATEGORY]
    words += ["--model", asked.model, "--size-px", str(asked.size_px), "--trials", "1", "--epochs", "1"]
    command = [*DEFECTSWEEP, "run", *words, "--output", str(folder / "out")]
    subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    return folder / "out"


@contextmanager
def service(output: Path, replicas: int) -> Iterator[tuple[subprocess.Popen, int]]:
    """A running one, and its port."""
    command = [*DEFECTSWEEP, "serve", "--output", str(output), "--replicas", str(replicas), "--port", "0"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    try:
        start, line = time.perf_counter(), ""
        while not line.startswith("serving at "):
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the service has not started")
        print(f"ready {time.perf_counter() - start:.0f} s after its start")
        yield process, int(line.split()[2].rstrip(":").rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def load_of(clients: list[Client], seconds: float, most: int | None = None) -> tuple[list[float], int, float]:
    """The ms of every request of all clients at once, how many were lost, and in how many seconds."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        found = list(pool.map(lambda client: client.send(start + seconds, most), clients))
    return [ms for times_ms, _ in found for ms in times_ms], sum(lost for _, lost in found), time.perf_counter() - start


def report(name: str, times_ms: list[float], lost: int, wall_s: float) -> None:
    median, most = np.quantile(times_ms, (0.5, 0.99))
    figures = [f"{len(times_ms) / wall_s:.0f}", f"{median:.0f}", f"{most:.0f}", f"{max(times_ms):.0f}"]
    print("|", " | ".join([name, *figures, str(len(times_ms)), str(lost)]), "|", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="padim")
    parser.add_argument("--size-px", type=int, default=128)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    return parser.parse_args()


if __name__ == "__main__":
    main()
