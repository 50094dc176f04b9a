"""Lets a sweep sleep longer than its claims last, while another on the same output goes on; counts what that costs.

Method. A real sweep (two generated categories; the paper's model and the control; 32 px; one process) runs until it has
left some rows. Then it sleeps:

pause           its process is stopped (SIGSTOP), as by a closed laptop or a paused virtual machine; rows in a folder
storage outage  its way to the storage does not answer (a relay of its own to an S3 server is stopped); rows in a bucket

A second sweep, started beside it, takes its jobs over when the lease ends, and goes on for a random number of rows;
then the first wakes up (SIGCONT), and both go on to their end; one that has ended with status 1 is started again. The
lease is shortened to LEASE_S, the beat and the rest in proportion, by setting the constants of
orchestrator/sweep/claims.py.

lost      rows of an undisturbed run that are not there at the end, or differ (times aside)
doubled   ids that a reader meets twice
twice     rows that were seen on disk with two different times: trained again, and overwritten
equal     whether the leaderboard's figures are those of the undisturbed run

python benchmarks/pauses.py [--rounds 6] [--seed 0]
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.exceptions import EndpointConnectionError
from chaos import Visible, draw_categories, visible

from orchestrator import CHECKOUT
from orchestrator.results.output import Output

LEASE_S, SURE_S, BEAT_S = 8.0, 6.0, 0.5
TRIALS, EPOCHS = 5, 3
PATIENCE_S = 240.0
DRIVER = f"""
import sys
from orchestrator.sweep import claims, sweep
claims.LEASE_S, claims.SURE_S, claims.BEAT_S, sweep.BEAT_S = {LEASE_S}, {SURE_S}, {BEAT_S}, {BEAT_S}
from orchestrator.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Sweep:
    """A run of the program, which may be started again."""

    def __init__(self, data: Path, output: str):
        self.words = [
            "run", "--backend", "local", "--dataset", "folder", "--data-root", str(data), "--model",
            "sa_skip_ganomaly", "--model", "mean_image", "--size-px", "32", "--epochs", str(EPOCHS), "--trials",
            str(TRIALS), "--output", output,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, *self.words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=CHECKOUT,
        )  # fmt: skip

    def is_done(self) -> bool:
        status = self.process.poll()
        if status == 1:
            self.start()
        assert status in (None, 0, 1), f"ended with status {status}"
        return status == 0


class Seen:
    """The times of every row that was ever seen in an output."""

    def __init__(self, output: str):
        self.output, self.times = output, {}

    def look(self) -> int:
        """Notes the rows of now; returns how many there are."""
        place = Output(self.output)
        rows = [*place.trials(), *place.jobs()]
        for row in rows:
            name = getattr(row, "trial_id", None) or row.job_id
            self.times.setdefault(name, set()).add(row.finished_at)
        return len(rows)

    def wait(self, condition) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition(self.look()):
            assert time.monotonic() < end, f"nothing for {PATIENCE_S:.0f} s"
            time.sleep(0.3)

    def twice(self) -> int:
        return sum(len(times) > 1 for times in self.times.values())


def main() -> int:
    arguments = parse()
    rng = random.Random(arguments.seed)
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    wrong, found = 0, []
    with tempfile.TemporaryDirectory(prefix="pauses-") as folder:
        data, undisturbed = Path(folder, "data"), str(Path(folder, "undisturbed"))
        draw_categories(data)
        assert Sweep(data, undisturbed).process.wait() == 0
        expected = visible(undisturbed)
        most = Seen(undisturbed).look()
        for number in range(arguments.rounds):
            kind = ("pause", "storage outage")[number % 2]
            there, twice = (paused if kind == "pause" else cut_off)(data, Path(folder), number, rng, most)
            line = (kind, *compare(expected, there), twice)
            found.append(line)
            print(number, *line, flush=True)
            wrong += sum(line[1:])
    print("\n" + table(found))
    return int(wrong > 0)


def paused(data: Path, folder: Path, number: int, rng: random.Random, most: int) -> tuple[Visible, int]:
    """A round in which the process sleeps."""
    output = str(folder / f"round-{number}")
    first = Sweep(data, output)
    return disturbed(first, lambda: Sweep(data, output), first.process.pid, Seen(output), rng, most)


def cut_off(data: Path, folder: Path, number: int, rng: random.Random, most: int) -> tuple[Visible, int]:
    """A round in which the storage does not answer the first sweep."""
    own, relayed = free_port(), free_port()
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(own)], stderr=subprocess.DEVNULL)
    relay = multiprocessing.Process(target=forward, args=(relayed, own), daemon=True)
    relay.start()
    try:
        make_bucket(own)
        near, far = (f"s3://bucket/out?scheme=http&endpoint_override=127.0.0.1%3A{port}" for port in (own, relayed))
        return disturbed(Sweep(data, far), lambda: Sweep(data, near), relay.pid, Seen(near), rng, most)
    finally:
        relay.kill()
        server.kill()


def disturbed(first: Sweep, another, victim: int, seen: Seen, rng: random.Random, most: int) -> tuple[Visible, int]:
    """Both sweeps to their end, with a pause of the process `victim`; the rows then, and how many were seen to change
    their times."""
    begun = rng.randint(2, most // 2)
    seen.wait(lambda rows: rows >= begun)
    time.sleep(rng.uniform(0, 1))
    os.kill(victim, signal.SIGSTOP)
    asleep, second = seen.look(), another()
    more = rng.randint(asleep + 1, most)
    try:
        seen.wait(lambda rows: rows >= more)
    finally:
        os.kill(victim, signal.SIGCONT)
    seen.wait(lambda rows: all([first.is_done(), second.is_done()]))
    return visible(seen.output), seen.twice()


def compare(expected: Visible, there: Visible) -> tuple[int, int, int]:
    """Rows that are lost or differ, that are doubled, and 1 where a figure of the leaderboard differs."""
    names = expected.rows.keys() | there.rows.keys()
    differ = {name for name in names if expected.rows.get(name) != there.rows.get(name)}
    return len(differ), there.doubled, int(any(name.startswith("leaderboard") for name in differ))


def forward(port: int, to: int) -> None:
    """Carries every connection to another port of this machine."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
            await server.serve_forever()

    asyncio.run(run())


def make_bucket(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="bucket")
        except EndpointConnectionError:
            assert time.monotonic() < end, "the S3 server does not start"
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def table(found: list[tuple]) -> str:
    lines = ["| the first sweep | rounds | rows lost | rows doubled | rows trained twice | leaderboard equal |"]
    lines.append("|---|" + "---:|" * 5)
    for kind in dict.fromkeys(line[0] for line in found):
        lost, doubled, unequal, twice = (sum(line[i] for line in found if line[0] == kind) for i in range(1, 5))
        rounds = sum(line[0] == kind for line in found)
        equal = f"{rounds - unequal} of {rounds}"
        lines.append(f"| {kind} | {rounds} | {lost} | {doubled} | {twice} | {equal} |")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, metavar="N", help="of each kind by turns (default: 6)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the schedule (default: 0)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
