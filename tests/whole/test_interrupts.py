"""Ctrl-C: once, the run ends in order; twice, at once. Either way finished rows stay, and the way on is printed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from orchestrator.cli import interrupts
from orchestrator.results.output import Output

LONG = "--backend local --model mean_image --model skip_ganomaly --category fabric --size-px 32 --trials 9 --epochs 8"


@pytest.fixture
def start(tmp_path, checkout):
    """Starts a run of a minute or more, and returns it once its first trial is on disk."""

    def begin() -> subprocess.Popen:
        words = [sys.executable, str(checkout / "orchestrator/run_all.py"), *LONG.split(), "--output", tmp_path / "out"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not list((tmp_path / "out").glob("trials/**/*.parquet")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        return process

    return begin


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_ends_in_order_with_what_is_finished_and_the_command_that_goes_on(start, tmp_path, number):
    process = start()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping; what is finished is kept (Ctrl-C again ends at once)" in err and "Traceback" not in err
    assert f"to go on:\n  defectsweep run {LONG} --output {tmp_path}/out" in out
    assert len(Output(str(tmp_path / "out")).trials()) >= 1
    assert not list((tmp_path / "out" / "claims").iterdir()), "its jobs are free"


def test_twice_ends_at_once(start, tmp_path):
    process = start()
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert len(Output(str(tmp_path / "out")).trials()) >= 1


def test_the_second_waits_for_nothing():
    code = """
import os, signal
from orchestrator.cli import interrupts
interrupts.GRACE_S = 3600
with interrupts.handled("to go on: again"):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        os.kill(os.getpid(), signal.SIGTERM)
    print("still here")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (130, "") and done.stderr.endswith("to go on: again\n")


def test_an_end_that_takes_too_long_is_cut_short():
    """As when Ray does not let go: after the grace the process ends whatever it is doing."""
    code = """
import os, signal, time
from orchestrator.cli import interrupts
interrupts.GRACE_S = 0.2
with interrupts.handled("to go on: again"):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        time.sleep(3600)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130 and done.stderr.endswith("to go on: again\n")


def test_afterwards_the_handlers_are_as_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interrupts.handled(""):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
