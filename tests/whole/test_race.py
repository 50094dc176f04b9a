"""A race of real detectors: the same jobs go on after their presets on one slot, on two of Ray's, and after a kill."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator import CHECKOUT
from orchestrator.results.output import Output
from orchestrator.results.rows import MEASURED
from search_spaces.catalog import PRESETS

TRIALS = 6
OPTIONS = (
    "--dataset synthetic --category board --category washer --size-px 32 --epochs 1 --batch 32 --parallel-trials 1 "
    f"--model padim --model patch_gaussian --model ganomaly --model mean_image --trials {TRIALS}"
).split()


def command(output: Path, *more: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "orchestrator" / "run_all.py"), *OPTIONS, "--output", str(output), *more]


def run(output: Path, *more: str) -> str:
    done = subprocess.run(command(output, *more), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(output: Path) -> dict[str, dict]:
    """Every row of a trial or a job by its id, without what may differ between two runs."""
    place = Output(str(output))
    found = {row.trial_id: row for row in place.trials()} | {row.job_id: row for row in place.jobs()}
    return {key: {name: value for name, value in dataclasses.asdict(row).items() if name not in MEASURED}
            for key, row in found.items()}  # fmt: skip


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, dict]:
    """What the local backend leaves."""
    output = tmp_path_factory.mktemp("local")
    said = run(output, "--backend", "local")
    assert "got fewer trials; why: defectsweep leaderboard" in said
    assert "nothing to do" in run(output, "--backend", "local")
    return rows(output)


def test_the_row_says_who_was_searched_no_further_and_why(expected):
    jobs = [row for row in expected.values() if "test_auc" in row]
    assert len(jobs) == 8 and {row["status"] for row in jobs} == {"completed"}
    for row in jobs:
        asked_for = 1 if row["model"] == "mean_image" else TRIALS
        assert (row["stopped"] is None) == (row["trials"] == asked_for)
        if row["model"] == "ganomaly":
            assert row["trials"] == len(PRESETS["ganomaly"]) and "95 % up to" in row["stopped"]


def test_ray_leaves_the_same_rows_on_two_slots(expected, tmp_path):
    run(tmp_path, "--address", "local", "--max-concurrent", "2")
    assert rows(tmp_path) == expected


def test_killed_and_started_again_it_leaves_the_same_rows(expected, tmp_path):
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    driver = subprocess.Popen(command(tmp_path, "--backend", "local"), start_new_session=True, **silent)
    until = time.monotonic() + 120
    while len(list(tmp_path.glob("trials/**/*.parquet"))) < 5 and driver.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert 5 <= len(Output(str(tmp_path)).trials()) < sum("trial_id" in row for row in expected.values())
    run(tmp_path, "--backend", "local")
    assert rows(tmp_path) == expected
