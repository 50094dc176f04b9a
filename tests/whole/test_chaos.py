"""The short form of `make chaos`: a sweep on a Ray cluster of several nodes, killed here and there, ends in the rows of
one that was not."""

import os
import subprocess
import sys

import pytest

KILLS = 4  # each of another kind


@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="finds its victims in /proc")
def test_a_sweep_that_is_killed_over_and_over_leaves_the_rows_of_an_undisturbed_one(checkout):
    done = subprocess.run(
        [sys.executable, str(checkout / "benchmarks" / "chaos.py"), "--kills", str(KILLS), "--trials", "5"],
        env={**os.environ, "PYTHONPATH": str(checkout)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    everything = done.stdout.splitlines()[-1]
    assert everything.startswith(f"| all | {KILLS} | 0 | 0 | 0 |"), done.stdout
