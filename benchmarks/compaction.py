"""What compaction does to the rows of a large output: files, bytes, and the time of a query, before and after.

Method. Trial rows as a sweep leaves them are made up, for jobs of 100 trials with a curve of 20 epochs: 16 categories,
the detectors, and as many seeds as it takes. They are written into a temporary folder, as one file a job (as after each
job's end) or as one file a trial (as while its search runs), and a query that groups all rows is run through
`Output` and `sql.query`: listing, reading and result, in this process. Then `compact` is timed, then the same
query five times, whose median counts. All files are in the system's cache. The last column is the whole command with
the same query, in a new process.

    python benchmarks/compaction.py                    # 10^3 to 10^6 rows
    python benchmarks/compaction.py --rows 10000
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.catalog import MODELS
from orchestrator.ranking import sql
from orchestrator.results.compaction import compact
from orchestrator.results.output import Output, partition
from orchestrator.results.rows import TrialRow, arrow_schema

SQL = "SELECT model, category, count(*) AS trials, max(val_auc) AS auc, sum(gpu_s) AS gpu_s FROM trials GROUP BY ALL"
TRIALS, EPOCHS, CATEGORIES, REPEATS = 100, 20, 16, 5
SINGLE_FILES_UP_TO = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, action="append", metavar="N", help="default: 1000, 10000, 100000, 1000000")
    print("| rows | files | MB | query before | compaction | MB after | query after | command after |")
    print("|---|---|---|---|---|---|---|---|")
    for rows in parser.parse_args().rows or (10**3, 10**4, 10**5, 10**6):
        for a_file in (1, TRIALS) if rows <= SINGLE_FILES_UP_TO else (TRIALS,):
            with tempfile.TemporaryDirectory() as folder:
                print(f"| {' | '.join(measured(folder, rows, a_file))} |", flush=True)


def measured(folder: str, rows: int, a_file: int) -> list[str]:
    """One line of the table: `rows` rows, `a_file` of them in each file."""
    for number in range(rows // TRIALS):
        write_job(Path(folder), number, a_file)
    output = Output(folder)
    files, before_mb = len(output.files("trials")), megabytes(output)
    before_s = seconds(lambda: query(folder, rows))
    compaction_s = seconds(lambda: list(compact(output)))
    after_s = statistics.median(seconds(lambda: query(folder, rows)) for _ in range(REPEATS))
    command = [sys.executable, "-c", "from orchestrator.cli import main; main()", "leaderboard", "--output", folder]
    command_s = seconds(lambda: subprocess.run([*command, "--sql", SQL], check=True, stdout=subprocess.DEVNULL))
    return [
        f"{rows:,}", f"{files:,}", f"{before_mb:.1f}", f"{before_s:.3f} s", f"{compaction_s:.2f} s",
        f"{megabytes(output):.1f}", f"{after_s:.3f} s", f"{command_s:.1f} s",
    ]  # fmt: skip


def query(folder: str, rows: int) -> None:
    assert sql.query(SQL, Output(folder).sources).trials.sum() == rows


def write_job(folder: Path, number: int, a_file: int) -> None:
    """The trials of one job, straight from Arrow."""
    rng = np.random.default_rng(number)
    model = list(MODELS)[number // CATEGORIES % len(MODELS)]
    category, seed = f"category_{number % CATEGORIES:02d}", number // (CATEGORIES * len(MODELS))
    job_id = f"{category}-{model}-s{seed}-{number:010x}"
    curves = np.sort(rng.uniform(0.4, 1.0, (TRIALS, EPOCHS)), axis=1)
    lr = 10 ** rng.uniform(-5, -2, TRIALS)
    weights = rng.uniform(0, 50, (3, TRIALS))
    params = [{"lr": a, "w_adv": b, "w_con": c, "w_lat": d} for a, b, c, d in zip(lr, *weights, strict=True)]
    losses = rng.uniform(0, 1, (TRIALS, 3))
    same = {
        "experiment": "0123456789abcdef", "job_id": job_id, "dataset": "mvtec_ad", "category": category, "model": model,
        "seed": seed, "protocol": "holdout", "selection_split": "val", "size_px": 128, "batch": 16, "train_images": 209,
        "val_images": 41, "steps": 10_000, "unreadable_images": 0, "device": "NVIDIA H200", "torch_version": "2.11.0",
        "ray_version": "2.60.0", "git_commit": "c" * 40, "settings": "5" * 10, "config_hash": f"{number:064x}",
        "data_hash": f"{number % CATEGORIES:064x}", "split_hash": f"{seed:064x}", "status": "completed",
        "epochs": EPOCHS,
    }  # fmt: skip
    varying = {
        "lr": lr, "w_adv": weights[0], "w_con": weights[1], "w_lat": weights[2],
        "params": [json.dumps(values) for values in params],
        "losses": [json.dumps({"adversarial": a, "contextual": b, "latent": c}) for a, b, c in losses],
        "trial_id": [f"{job_id}-t{index:04d}" for index in range(TRIALS)], "index": np.arange(TRIALS),
        "val_auc": curves[:, -1], "last_val_auc": curves[:, -1], "best_epoch": np.full(TRIALS, EPOCHS),
        "curve": list(curves), "images_per_s": rng.uniform(100, 200, TRIALS), "wall_s": rng.uniform(60, 90, TRIALS),
        "train_s": rng.uniform(50, 60, TRIALS), "gpu_s": rng.uniform(60, 90, TRIALS),
        "peak_memory_bytes": rng.integers(10**9, 2 * 10**9, TRIALS),
        "started_at": [f"2026-01-01T00:{index % 60:02d}:00+00:00" for index in range(TRIALS)],
        "finished_at": [f"2026-01-01T01:{index % 60:02d}:00+00:00" for index in range(TRIALS)],
    }  # fmt: skip
    schema = arrow_schema(TrialRow)
    repeated = {name: [value] * TRIALS for name, value in same.items()}
    columns = {name: [None] * TRIALS for name in schema.names} | repeated | varying
    rows = pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema)
    place = folder.joinpath("trials", *partition("mvtec_ad", category, model))
    place.mkdir(parents=True, exist_ok=True)
    for start in range(0, TRIALS, a_file):
        name = job_id if a_file == TRIALS else f"{job_id}-t{start:04d}"
        pq.write_table(rows.slice(start, a_file), place / f"{name}.parquet")


def megabytes(output: Output) -> float:
    return sum(info.size for info in output.files("trials")) / 1e6


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
