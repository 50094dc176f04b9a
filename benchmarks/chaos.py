"""Kills a sweep over and over, and counts what that costs: rows lost, doubled, torn; seconds of training and of time.

Method. A real sweep (two generated categories; the paper's model and the control; 32 px) runs on a Ray cluster of
several nodes on this machine: a raylet with the driver and one core, and two more of one core each. After a random
while, `kill -9` goes to

driver      run_all.py itself
trial       a worker that trains a trial
refit       a worker of Ray Train
raylet      that of a node without the driver; another node joins a few seconds later
own raylet  that of the driver's node: the watchdog must end the run
GCS         the cluster's control service, without which no cluster of Ray's default kind lives: so must it here

drawn by a seeded generator from those there are, the least hit first. A run that has ended is started again, on a new
cluster if need be, until it reports that all is done; then another begins in an empty folder, until there were enough
kills. After each kill and at the end of each run:

lost     rows that were on disk before and are not, or differ; at the end, from what an undisturbed run on one process
         left too (times aside)
doubled  ids that a reader meets twice
torn     files that a reader cannot read
retrained s  at most: the age of what the victim was training, since its start (a refit's start-up included) or its last
         saved state; of a worker, which may have had any, that of the oldest under way
recovery s   from the kill to the next row on disk

python benchmarks/chaos.py [--kills 50] [--trials 9] [--seed 0]
"""

import argparse
import dataclasses
import logging
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from ray.cluster_utils import Cluster

from datasets.readers.synthetic import write_files
from orchestrator import CHECKOUT
from orchestrator.results.output import Output
from orchestrator.results.rows import MEASURED, ROW_TYPES

VICTIMS = ("driver", "trial", "refit", "raylet", "own raylet", "GCS")
ENDING = ("driver", "own raylet", "GCS")  # the run ends with them
IMAGES, EPOCHS, SIZE_PX = (16, 24), 6, 32
WORKER_NODES = 2
CHECKPOINT_S = 2.0
GAP_S = (2.0, 12.0)  # between the last event and the next kill
PATIENCE_S = 180.0  # for a run to leave the next row


@dataclasses.dataclass
class Kill:
    victim: str
    retrained_s: float
    recovery_s: float = float("nan")
    lost: int = 0
    doubled: int = 0
    torn: int = 0


def main() -> int:
    arguments = parse()
    logging.getLogger("ray").setLevel(logging.ERROR)
    rng, kills = random.Random(arguments.seed), []
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        data = Path(folder, "data")
        draw_categories(data)
        start = time.monotonic()
        undisturbed = Path(folder, "undisturbed")
        subprocess.run(
            command(data, undisturbed, arguments.trials, "--backend", "local"), check=True, stdout=subprocess.DEVNULL
        )
        expected = visible(undisturbed).rows
        print(f"undisturbed: {len(expected)} rows, {time.monotonic() - start:.0f} s on one process", flush=True)
        wrong = 0
        rounds = 0
        while len(kills) < arguments.kills:
            rounds += 1
            output = Path(folder, f"round-{rounds}")
            start, before = time.monotonic(), len(kills)
            Disturbed(data, output, rng, kills, arguments).run()
            found = visible(output)
            differ = {key for key in expected.keys() | found.rows.keys() if expected.get(key) != found.rows.get(key)}
            wrong += len(differ) + found.doubled + len(found.torn)
            print(
                f"round {rounds}: {len(kills) - before} kills, {time.monotonic() - start:.0f} s, "
                f"{len(found.rows)} rows, {len(differ)} differ from the undisturbed run, {found.doubled} doubled, "
                f"{len(found.torn)} torn",
                flush=True,
            )
            for key in sorted(differ)[:5]:
                print(f"  differs: {key}", flush=True)
    print()
    print(table(kills))
    return int(bool(wrong + sum(kill.lost + kill.doubled + kill.torn for kill in kills)))


class Disturbed:
    """One sweep from an empty folder to its end, killed on the way."""

    def __init__(self, data: Path, output: Path, rng: random.Random, kills: list[Kill], arguments: argparse.Namespace):
        self.data, self.output, self.rng, self.kills, self.arguments = data, output, rng, kills, arguments
        self.log, self.cluster, self.kills_then = Path(f"{output}.log"), None, -1

    def run(self) -> None:
        self.launch()
        try:
            while self.driver.poll() != 0:
                if self.driver.poll() is not None:
                    self.launch()
                elif len(self.kills) >= self.arguments.kills:
                    self.driver.wait()
                elif self.pause():
                    self.kill()
        finally:
            self.driver.kill()
            self.stop_cluster()

    def launch(self) -> None:
        """The same command, on a cluster that has all its nodes."""
        assert self.kills_then != len(self.kills), f"it ended by itself:\n{self.log.read_text()[-2000:]}"
        self.kills_then = len(self.kills)
        if self.cluster is None:
            self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        while len(self.cluster.worker_nodes) < WORKER_NODES:
            self.cluster.add_node(num_cpus=1)
        where = ["--address", self.cluster.address, "--shared-output"]
        self.launched_at = time.time()
        with open(self.log, "ab") as log:
            self.driver = subprocess.Popen(
                command(self.data, self.output, self.arguments.trials, *where), stdout=log, stderr=log
            )

    def pause(self) -> bool:
        """Lets the run go on for a random while; whether it still does, and is training."""
        end = time.monotonic() + self.rng.uniform(*GAP_S)
        while time.monotonic() < end or not self.under_way():
            if self.driver.poll() is not None:
                return False
            time.sleep(0.1)
        return True

    def kill(self) -> None:
        """Kills a victim, waits until the sweep goes on, and notes what it cost."""
        there = {victim: pids for victim in VICTIMS if (pids := self.pids(victim))}
        hits = defaultdict(int)
        for kill in self.kills:
            hits[kill.victim] += 1
        victim = min(there, key=lambda name: (hits[name], self.rng.random()))
        before, ages = visible(self.output), self.under_way()
        note = Kill(victim, sum(ages.values()) if victim in ENDING else max(ages.values(), default=0.0))
        at = time.monotonic()
        try:
            os.kill(self.rng.choice(there[victim]), signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills.append(note)
        self.mend(victim)
        after = visible(self.output)
        note.lost = sum(after.rows.get(key) != row for key, row in before.rows.items())
        note.doubled, note.torn = after.doubled, len(after.torn)
        while len(visible(self.output).rows) <= len(before.rows) and self.driver.poll() is None:
            assert time.monotonic() - at < PATIENCE_S, f"no row for {PATIENCE_S:.0f} s after the {victim} was killed"
            time.sleep(0.1)
        note.recovery_s = time.monotonic() - at
        print(f"{len(self.kills):3d} {victim:10s} {note.retrained_s:5.1f} s retrained, next row after "
              f"{note.recovery_s:5.1f} s", flush=True)  # fmt: skip

    def mend(self, victim: str) -> None:
        """What whoever runs the cluster does then: gives it another node, or starts it and the run again."""
        if victim == "raylet":
            time.sleep(3)
            for node in list(self.cluster.worker_nodes):
                if not alive(raylet_of(node)):
                    self.cluster.remove_node(node, allow_graceful=False)
                    self.cluster.add_node(num_cpus=1)
        elif victim in ENDING:
            self.driver.wait(timeout=PATIENCE_S)
            if victim != "driver":
                self.stop_cluster()
            self.launch()

    def stop_cluster(self) -> None:
        if self.cluster is not None:
            for node in [*self.cluster.worker_nodes, self.cluster.head_node]:
                node.kill_all_processes(check_alive=False, allow_graceful=False)
            self.cluster = None

    def pids(self, victim: str) -> list[int]:
        """The processes of a kind that there are now; none but this sweep's own."""
        if victim == "driver":
            return [self.driver.pid]
        if victim == "raylet":
            return [raylet_of(node) for node in self.cluster.worker_nodes]
        if victim == "own raylet":
            return [raylet_of(self.cluster.head_node)]
        if victim == "GCS":
            return [self.cluster.head_node.all_processes["gcs_server"][0].process.pid]
        titles = {"trial": ("ray::ResourceTrainable", "ray::WarmTrial"), "refit": ("ray::RayTrainWorker",)}[victim]
        return [pid for pid, title in descendants(os.getpid()) if title.startswith(titles)]

    def under_way(self) -> dict[str, float]:
        """Of each trial and refit that the driver has begun and not ended: the age of what would be trained again."""
        begun: dict[str, float] = {}
        log = self.output / "ray" / "driver.log"
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            found = re.match(r"(\S+ \S+),(\d+) defectsweep (trial|refit of|job) (\S+) (starts|ends)", line)
            if found:
                seconds = datetime.fromisoformat(found[1]).timestamp() + int(found[2]) / 1000
                name = f"{found[4]}-refit" if found[3] != "trial" else found[4]
                begun[name] = seconds if found[5] == "starts" else float("inf")
        now, ages = time.time(), {}
        for name, seconds in begun.items():
            if self.launched_at < seconds < float("inf"):
                saved = self.output / "resume" / f"{name}.pt"
                ages[name] = now - max(seconds, saved.stat().st_mtime if saved.exists() else 0)
        return ages


@dataclasses.dataclass
class Visible:
    rows: dict[str, dict]  # by id, without what two runs may differ in
    doubled: int
    torn: list[str]


def visible(output: Path) -> Visible:
    """What a reader finds in an output."""
    place, rows, doubled = Output(str(output)), {}, 0
    for kind in ROW_TYPES:
        for row in place.table(kind).to_pylist():
            name = f"{kind}/{row.get('trial_id') or row['job_id']}/{row.get('path', '')}"
            doubled += name in rows
            rows[name] = {key: value for key, value in row.items() if key not in MEASURED}
    return Visible(rows, doubled, list(place.skipped))


def command(data: Path, output: Path, trials: int, *more: str) -> list[str]:
    return [
        sys.executable, str(CHECKOUT / "orchestrator" / "run_all.py"), "--dataset", "folder", "--data-root", str(data),
        "--model", "sa_skip_ganomaly", "--model", "mean_image", "--size-px", str(SIZE_PX), "--epochs", str(EPOCHS),
        "--trials", str(trials), "--parallel-trials", "2", "--max-failures", "50",
        "--checkpoint-minutes", str(CHECKPOINT_S / 60), "--output", str(output), *more,
    ]  # fmt: skip


def draw_categories(root: Path) -> None:
    """Generated products, of which few good images are kept: trials of seconds."""
    write_files(root, SIZE_PX)
    categories = sorted(root.iterdir())
    for category, keep in zip(categories, IMAGES, strict=False):
        for surplus in sorted((category / "train" / "good").iterdir())[keep:]:
            surplus.unlink()
    for surplus in categories[len(IMAGES) :]:
        subprocess.run(["rm", "-r", str(surplus)], check=True)


def raylet_of(node) -> int:
    return node.all_processes["raylet"][0].process.pid


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def descendants(pid: int) -> list[tuple[int, str]]:
    """Every process below `pid`, with its title."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children[int((entry / "stat").read_text().rpartition(")")[2].split()[1])].append(int(entry.name))
            except OSError:
                continue
    found, open_pids = [], [pid]
    while open_pids:
        for child in children[open_pids.pop()]:
            open_pids.append(child)
            try:
                found.append((child, Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace")))
            except OSError:
                continue
    return found


def table(kills: list[Kill]) -> str:
    def line(name: str, some: list[Kill]) -> str:
        if not some:
            return f"| {name} | 0 | - | - | - | - | - |"
        retrained, recovery = [kill.retrained_s for kill in some], [kill.recovery_s for kill in some]
        counts = [sum(getattr(kill, what) for kill in some) for what in ("lost", "doubled", "torn")]
        return (
            f"| {name} | {len(some)} | {' | '.join(map(str, counts))} | {statistics.median(retrained):.1f} "
            f"({max(retrained):.1f}) | {statistics.median(recovery):.1f} ({max(recovery):.1f}) |"
        )

    head = "| victim | kills | rows lost | rows doubled | files torn | retrained s, median (most) | recovery s |"
    by_victim = [line(victim, [kill for kill in kills if kill.victim == victim]) for victim in VICTIMS]
    return "\n".join([head, "|---|" + "---:|" * 6, *by_victim, line("all", kills)])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, metavar="N", help="(default: 50)")
    parser.add_argument("--trials", type=int, default=9, metavar="N", help="of each job (default: 9)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the schedule (default: 0)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
