"""What tests of several files share. The machine's cores go to the tests' processes, not to torch's threads."""

import os
import re
import subprocess
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import yaml


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the tree under test."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def on_premises(checkout: Path) -> dict:
    """cluster.yaml for one's own machines, by the very command that its head gives."""
    command = re.search(r"^# +(sed .*cluster\.yaml) > onprem\.yaml$", (checkout / "cluster.yaml").read_text(), re.M)
    text = subprocess.run(command[1], shell=True, cwd=checkout, check=True, capture_output=True, text=True).stdout
    return yaml.safe_load(text)
