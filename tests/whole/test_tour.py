"""docs/tour.md: every command of it, as it is written there, one after the other in one folder.

The images are the real bottles where DEFECTSWEEP_TEST_DATA holds them (mvtec_ad/bottle), else generated products in
their place. The first block, the installation, is what runs these tests.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datasets.readers.synthetic import write_files

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.M | re.S)
GENERATED_TRAINING_IMAGES = 24


@pytest.fixture(scope="module")
def blocks(checkout: Path) -> list[tuple[str, str]]:
    """(language, code) of each block that a reader runs."""
    return BLOCK.findall((checkout / "docs" / "tour.md").read_text())


@pytest.fixture
def desk(tmp_path: Path, checkout: Path) -> Path:
    """The folder of a reader who has followed the installation: the checkout's experiments, and the images."""
    (tmp_path / "experiments").symlink_to(checkout / "experiments")
    data = tmp_path / "data" / "mvtec_ad"
    data.mkdir(parents=True)
    real = Path(os.environ.get("DEFECTSWEEP_TEST_DATA", "nowhere"), "mvtec_ad", "bottle")
    if real.is_dir():
        (data / "bottle").symlink_to(real)
        return tmp_path
    write_files(tmp_path / "generated", 32)
    shutil.copytree(tmp_path / "generated" / "fabric", data / "bottle")
    for surplus in sorted((data / "bottle" / "train" / "good").iterdir())[GENERATED_TRAINING_IMAGES:]:
        surplus.unlink()
    return tmp_path


def test_the_tour_begins_with_the_installation(blocks):
    language, code = blocks[0]
    assert language == "sh" and "make install" in code


@pytest.mark.timeout(1500)
def test_every_command_does_what_the_tour_says(blocks, desk, checkout):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CI": "1", "RAY_ADDRESS": "local"}  # not that of a test beside it
    for language, code in blocks[1:]:
        command = ["bash", "-euo", "pipefail", "-c", code] if language == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
    text = (checkout / "docs" / "tour.md").read_text()
    for named in re.findall(r"^Leaves `(\S+)`", text, re.M):
        assert (desk / named).exists(), named
