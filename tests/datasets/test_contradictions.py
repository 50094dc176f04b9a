"""One picture under good and bad."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.contradictions import require_none
from datasets.frame import Frame
from datasets.images import load
from datasets.sample import DataError


def save(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), level, np.uint8)).save(path)


def test_both_files_are_named_whatever_their_formats(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"cups/good/{i}.png", i)
        save(tmp_path / f"cups/dent/{i}.bmp", 10 + i)
    require_none(load("folder", str(tmp_path), "cups", Frame(4, 4)))
    save(tmp_path / "cups/dent/9.bmp", 1)
    message = "cups/good/1.png, read as good, and cups/dent/9.bmp, read as defective, are one picture; expected each"
    with pytest.raises(DataError, match=message):
        require_none(load("folder", str(tmp_path), "cups", Frame(4, 4)))


def test_copies_of_one_label_are_none(tmp_path: Path) -> None:
    for kind in ("good", "dent"):
        for i in range(2):
            save(tmp_path / f"cups/{kind}/{i}.png", len(kind) + (kind == "dent"))
    require_none(load("folder", str(tmp_path), "cups", Frame(4, 4)))
