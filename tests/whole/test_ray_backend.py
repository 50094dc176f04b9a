"""One experiment, several ways to run it: the same rows. Real Ray clusters, each of a process of its own."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasets.readers.synthetic import write_files
from orchestrator import CHECKOUT
from orchestrator.results.output import Output
from orchestrator.results.rows import MEASURED
from search_spaces.catalog import PRESETS

TRIALS, JOBS = 9, 2  # more than the sampler begins with at random, so that its model of the rows decides some


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two categories of different size, small enough for trials of a second."""
    root = tmp_path_factory.mktemp("data")
    write_files(root, 32)
    for keep, category in zip((16, 24), sorted(root.iterdir()), strict=False):
        for surplus in sorted((category / "train" / "good").iterdir())[keep:]:
            surplus.unlink()
    return root


def command(data: Path, output: Path, *more: str) -> list[str]:
    categories = [word for path in sorted(data.iterdir())[:JOBS] for word in ("--category", path.name)]
    return [
        sys.executable, str(CHECKOUT / "orchestrator" / "run_all.py"), "--dataset", "folder", "--data-root", str(data),
        *categories, "--model", "sa_skip_ganomaly", "--size-px", "32", "--epochs", "3", "--trials", str(TRIALS),
        "--parallel-trials", "2", "--no-race", "--output", str(output), *more,
    ]  # fmt: skip


def run(data: Path, output: Path, *more: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(data, output, *more), capture_output=True, text=True, timeout=280)


def rows(output: Path) -> dict[str, dict]:
    """Every row by its id, without what may differ between two runs."""
    place = Output(str(output))
    found = {row.trial_id: row for row in place.trials()} | {row.job_id: row for row in place.jobs()}
    plain = {key: {k: v for k, v in dataclasses.asdict(row).items() if k not in MEASURED} for key, row in found.items()}
    for kind in ("scores", "pictures"):
        for row in place.table(kind).to_pylist():
            plain[row["job_id"]].setdefault(kind, []).append(row)
    return dict(sorted(plain.items()))


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory) -> dict[str, dict]:
    """What the local backend leaves."""
    output = tmp_path_factory.mktemp("local")
    done = run(data, output, "--backend", "local")
    assert done.returncode == 0, done.stderr
    found = rows(output)
    assert len(found) == JOBS * (TRIALS + 1)
    return found


def test_local_backend_searches_beyond_the_presets_and_measures_each_winner_once(expected):
    jobs = [row for row in expected.values() if "test_auc" in row]
    trials = [row for row in expected.values() if "trial_id" in row]
    assert [row["status"] for row in jobs] == ["completed"] * JOBS
    assert {row["preset"] for row in trials} == {*PRESETS["sa_skip_ganomaly"], None}
    for job in jobs:
        mine = [row for row in trials if row["job_id"] == job["job_id"]]
        completed = [row for row in mine if row["status"] == "completed"]
        best = max(completed, key=lambda row: (row["val_auc"], -row["index"]))
        assert job["best_trial"] == best["trial_id"]
        assert job["val_auc"] == best["val_auc"], "the refit is the winner, trained again: bit for bit on CPU"


@pytest.mark.parametrize("slots", [1, 2])
def test_ray_leaves_the_same_rows_on_any_number_of_slots(data, expected, tmp_path, slots):
    done = run(data, tmp_path, "--address", "local", "--max-concurrent", str(slots))
    assert done.returncode == 0, done.stderr
    assert "sa_skip_ganomaly" in done.stdout
    assert "ray" not in done.stderr.lower(), "Ray's own talk belongs into its log"
    assert rows(tmp_path) == expected


def test_killed_and_started_again_it_leaves_the_same_rows_and_a_third_run_trains_nothing(data, expected, tmp_path):
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    driver = subprocess.Popen(command(data, tmp_path, "--address", "local"), start_new_session=True, **silent)
    wait_for(lambda: len(list(tmp_path.glob("trials/**/*.parquet"))) >= 3, driver)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    kept = len(Output(str(tmp_path)).trials())
    assert 3 <= kept < JOBS * TRIALS

    again = run(data, tmp_path, "--address", "local")
    assert again.returncode == 0, again.stderr
    assert f"{kept} trials finished before" in again.stdout
    assert rows(tmp_path) == expected

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("**/*.parquet")}
    third = run(data, tmp_path)
    assert third.returncode == 0, third.stderr
    assert "nothing to do" in third.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("**/*.parquet")} == before


def test_ctrl_c_ends_it_in_order_and_says_how_to_go_on(data, tmp_path):
    driver = subprocess.Popen(
        command(data, tmp_path, "--address", "local"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: len(list(tmp_path.glob("trials/**/*.parquet"))) >= 1, driver)
    kept = {row.trial_id for row in Output(str(tmp_path)).trials()}
    driver.send_signal(signal.SIGINT)
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == 130 and "Traceback" not in out + err
    assert "stopping; what is finished is kept" in err and "to go on:\n  defectsweep run" in out
    assert kept <= {row.trial_id for row in Output(str(tmp_path)).trials()}
    assert not list((tmp_path / "claims").iterdir())


def wait_for(condition, process: subprocess.Popen, limit_s: float = 200) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.05)


def test_a_refit_on_two_data_parallel_workers_under_ray_train(data, tmp_path):
    category = sorted(data.iterdir())[0].name
    done = subprocess.run(
        [
            sys.executable, str(CHECKOUT / "orchestrator" / "run_all.py"), "--dataset", "folder",
            "--data-root", str(data), "--category", category, "--model", "sa_skip_ganomaly", "--size-px", "32",
            "--epochs", "2", "--trials", "1", "--workers-per-job", "2", "--output", str(tmp_path), "--address", "local",
        ],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    (row,) = Output(str(tmp_path)).jobs()
    assert row.status == "completed" and row.test_auc is not None
    files = {path.name for path in (tmp_path / row.checkpoint).iterdir()}
    assert files == {"weights.pt", "config.json", "MODEL_CARD.md"}
