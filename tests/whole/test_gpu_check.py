"""`make gpu-check` where there is no GPU: the same at small size."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_it_prints_a_row_for_each_detector_and_a_line_for_each_other_check(checkout):
    asked = ["--device", "cpu", "--model", "patch_forged", "--model", "ganomaly", "--model", "mean_image"]
    command = [sys.executable, "benchmarks/gpu_check.py", *asked, "--size-px", "32"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    about, columns, *lines = done.stdout.splitlines()
    assert "cpu x" in about and columns.split()[0] == "model"
    cells = {line.split("|")[0].strip(): [cell.strip() for cell in line.split("|")] for line in lines[:3]}
    assert list(cells) == ["patch_forged", "ganomaly", "mean_image"]
    assert float(cells["ganomaly"][2]) > 0 and float(cells["ganomaly"][3]) > 0 and cells["mean_image"][2] == "-"
    assert lines[3].startswith("pictures: ") and lines[4].startswith("two trials on it: ")
    assert lines[5].startswith("sweep: ok: 2 jobs done") and lines[6].startswith("all in ")


@pytest.mark.slow
def test_a_size_that_a_detector_cannot_take_is_a_row_that_says_so(checkout):
    command = [sys.executable, "benchmarks/gpu_check.py", "--device", "cpu", "--model", "ganomaly", "--size-px", "40"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert "ganomaly" in done.stdout and "power of two" in done.stdout
