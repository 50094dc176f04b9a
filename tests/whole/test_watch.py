"""`predict --watch` as a process: killed again and again while pictures arrive, it loses none and judges none twice;
Ctrl-C ends it in order."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.deploy import load

KILLS, BETWEEN = 3, 40  # pictures


@pytest.fixture
def detector_folder(tmp_path, make_checkpoint) -> Path:
    (tmp_path / "detector").mkdir()
    for name, content in make_checkpoint("mean_image", {"size_px": 64})[1].items():
        (tmp_path / "detector" / name).write_bytes(content)
    return tmp_path / "detector"


@pytest.fixture
def start(tmp_path, checkout, detector_folder):
    """Starts the watch, and returns it once it watches."""
    script = "import sys; from orchestrator.cli import main; sys.exit(main())"
    (tmp_path / "in").mkdir()

    def start() -> subprocess.Popen:
        words = ["--watch", "in", "--checkpoint", str(detector_folder), "--to", "judged", "--sort-into", "sorted"]
        process = subprocess.Popen(
            [sys.executable, "-c", script, "predict", *words],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(checkout)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while not process.stdout.readline().startswith("watching "):
            assert process.poll() is None, process.stderr.read()
        return process

    return start


class Camera:
    """Lets pictures arrive, one half of each file after the other, good and defective ones in turn."""

    def __init__(self, folder: Path):
        self.folder, self.taken = folder, 0

    def take(self) -> None:
        """One more picture."""
        pixels = np.full((48, 64, 3), 128, np.uint8)
        if self.taken % 2:
            pixels = 255 * np.random.default_rng(self.taken).integers(0, 2, (64, 64, 3), dtype=np.uint8)
        path = self.folder / f"{self.taken:03}.png"
        Image.fromarray(pixels).save(path.with_suffix(".tmp"), format="PNG")
        content = path.with_suffix(".tmp").read_bytes()
        path.with_suffix(".tmp").unlink()
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            time.sleep(0.01)
            file.write(content[len(content) // 2 :])
        self.taken += 1


def kept(root: Path) -> int:
    parts = list((root / "judged/predictions.parquet").glob("part-*.parquet"))
    return sum(len(pd.read_parquet(part)) for part in parts)


def wait_for(condition, process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def test_killed_while_pictures_arrive_it_loses_none_and_judges_none_twice(start, tmp_path, detector_folder):
    camera, moments = Camera(tmp_path / "in"), np.random.default_rng(0)
    for _ in range(KILLS):
        process, moment, before = start(), moments.integers(20, BETWEEN), kept(tmp_path)
        for number in range(BETWEEN):
            camera.take()
            time.sleep(0.03)
            if number == moment:
                wait_for(lambda before=before: kept(tmp_path) > before, process)
                process.kill()
        process.communicate()
    process = start()
    wait_for(lambda: not list((tmp_path / "in").iterdir()), process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    names = [f"{i:03}.png" for i in range(camera.taken)]
    rows = pd.read_parquet(tmp_path / "judged/predictions.parquet")
    lines = pd.read_csv(tmp_path / "judged/predictions.csv")
    assert sorted(Path(path).name for path in rows.path) == names
    assert lines.path.tolist() == rows.path.tolist() and rows.error.isna().all()
    for verdict in ("good", "defective"):
        files = sorted(path.name for path in (tmp_path / "sorted" / verdict).iterdir())
        assert files == names[verdict == "defective" :: 2]
    again = load(checkpoint=detector_folder).judge(rows.moved_to.tolist())
    assert again.score.tolist() == rows.score.tolist() and again.verdict.tolist() == rows.verdict.tolist()


def test_ctrl_c_ends_it_with_what_was_judged_and_the_same_command_goes_on(start, tmp_path):
    camera = Camera(tmp_path / "in")
    for number in (signal.SIGINT, signal.SIGTERM):
        process = start()
        (tmp_path / "in/torn.png").write_bytes(b"not yet")
        for _ in range(4):
            camera.take()
        wait_for(lambda: len(list((tmp_path / "in").iterdir())) == 1, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130 and "Traceback" not in err
        assert "stopping; what is finished is kept" in err
        assert "4 pictures judged, 2 defective, 1 not judged yet · results in judged" in out
        assert out.endswith("the same command goes on.\n") and out.count("defective  ") == 2
    assert kept(tmp_path) == 8
