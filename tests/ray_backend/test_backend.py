"""Ray in short: one small experiment on a real cluster of two slots leaves the local backend's rows. What else a
cluster must do is in tests/whole/test_ray_backend.py."""

import subprocess
import sys

from orchestrator import CHECKOUT
from orchestrator.cli import main

RUN = (
    "--dataset folder --category fabric --model ganomaly --size-px 32 "
    "--epochs 1 --steps-per-epoch 2 --batch 8 --trials 3"
)


def test_ray_leaves_the_rows_of_the_local_backend(few_images, tmp_path, plain_rows):
    words = [*RUN.split(), "--data-root", str(few_images), "--parallel-trials", "2"]
    assert main(["run", *words, "--backend", "local", "--output", str(tmp_path / "local")]) == 0
    on_ray = ["--address", "local", "--max-concurrent", "2", "--output", str(tmp_path / "ray")]
    command = [sys.executable, str(CHECKOUT / "orchestrator" / "run_all.py"), *words, *on_ray]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "ganomaly" in done.stdout
    assert "ray" not in done.stderr.lower(), "Ray's own talk belongs into its log"
    expected, found = (by_content(plain_rows(str(tmp_path / name))) for name in ("local", "ray"))
    assert len(expected["trials"]) == 3 and len(expected["leaderboard"]) == 1
    assert found == expected


def by_content(tables: dict[str, list]) -> dict[str, list]:
    """The rows of each kind in an order of their own: which file is written first is left to chance."""
    return {kind: sorted(rows, key=repr) for kind, rows in tables.items()}
