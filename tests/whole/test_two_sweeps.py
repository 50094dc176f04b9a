"""Two runs at once on one output, as two people may start them: each job is trained once, and one of them killed is
replaced by the other."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.results.output import Output
from orchestrator.results.rows import MEASURED

RUN = "--backend local --dataset synthetic --model mean_image --model skip_ganomaly --size-px 32 --epochs 1 --trials 2"
JOBS, TRIALS = 6, 9  # three categories; two trials of skip_ganomaly and one of mean_image, which has nothing to search


@pytest.fixture(scope="module")
def start(checkout):
    def begin(output: Path) -> subprocess.Popen:
        words = [sys.executable, str(checkout / "orchestrator/run_all.py"), *RUN.split(), "--output", str(output)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return begin


@pytest.fixture(scope="module")
def expected(start, tmp_path_factory) -> dict[str, dict]:
    """The rows of one run alone."""
    alone = tmp_path_factory.mktemp("alone")
    ended(start(alone))
    return rows(alone)


def ended(process: subprocess.Popen) -> str:
    """What a run that ended well has printed."""
    out, _ = process.communicate(timeout=280)
    assert process.returncode == 0, out
    return out


def rows(output: Path) -> dict[str, dict]:
    place = Output(str(output))
    found = [dataclasses.asdict(row) for row in [*place.trials(), *place.jobs()]]
    plain = {row.get("trial_id") or row["job_id"]: {k: v for k, v in row.items() if k not in MEASURED} for row in found}
    assert len(plain) == len(found), "each once"
    return plain


def wait_for_a_trial(output: Path, process: subprocess.Popen) -> None:
    while not list(output.glob("trials/**/*.parquet")):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)


def test_two_at_once_share_the_jobs_and_leave_the_rows_of_one(start, expected, tmp_path):
    shared = tmp_path / "shared"
    assert len(expected) == JOBS + TRIALS
    first, second = start(shared), start(shared)
    printed = ended(first) + ended(second)
    assert rows(shared) == expected
    mine = [int(number) for number in re.findall(r"^(\d+) jobs? done in ", printed, re.M)]
    assert len(mine) == 2 and sum(mine) == JOBS, printed
    assert not list((shared / "claims").iterdir())


def test_the_jobs_of_one_that_is_killed_are_taken_over_by_the_other(start, expected, tmp_path):
    shared = tmp_path / "shared"
    first = start(shared)
    wait_for_a_trial(shared, first)
    second = start(shared)
    time.sleep(1)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    ended(second)
    assert rows(shared) == expected
