"""Before anything runs: what tells one state of the data from another, so that changed data are other jobs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.experiment import preflight
from orchestrator.experiment.config import Experiment


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def part(tmp_path) -> Path:
    """A category of a user's folder, with pictures that a camera left without compression."""
    for i in range(4):
        picture(tmp_path / "part" / "good" / f"{i}.bmp", i)
    picture(tmp_path / "part" / "dent" / "0.png", 9)
    return tmp_path / "part"


def fingerprint(part: Path) -> str:
    (category,) = preflight.survey(Experiment(dataset=("folder",)), str(part.parent))
    return category.fingerprint


def test_a_copy_of_the_data_is_the_same_data(part, tmp_path_factory):
    copy = shutil.copytree(part, tmp_path_factory.mktemp("copy") / "part")
    assert fingerprint(part) == fingerprint(copy)


def test_another_picture_of_as_many_bytes_and_the_same_name_is_other_data(part):
    before, file = fingerprint(part), part / "good" / "0.bmp"
    size = file.stat().st_size
    assert picture(file, 100).stat().st_size == size and fingerprint(part) != before


def test_masks_that_are_added_are_other_data(part):
    before = fingerprint(part)
    picture(part / "ground_truth" / "dent" / "0_mask.png", 0)
    assert fingerprint(part) != before
