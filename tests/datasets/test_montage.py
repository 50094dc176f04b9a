"""A sheet of good and of defective images, with their masks outlined."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import montage
from datasets.frame import Frame
from datasets.images import Images, load


@pytest.fixture
def cups(tmp_path: Path) -> Images:
    """Grey pictures: 9 good ones, 2 dents of which one has a mask."""
    for kind, count in (("good", 9), ("dent", 2)):
        for i in range(count):
            path = tmp_path / f"cups/{kind}/{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40), 100 + i, np.uint8)).save(path)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:20, 10:20] = 255
    (tmp_path / "cups/masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "cups/masks/0.png")
    return load("folder", str(tmp_path), "cups", Frame(40, 40))


def test_the_outline_runs_around_the_mask_and_leaves_it_as_it_is(cups: Images) -> None:
    defect = next(i for i, sample in enumerate(cups.samples) if sample.masks)
    drawn, pixels = montage.outlined(cups, defect), cups.pixels[defect]
    changed = (drawn != pixels).any(axis=2)
    assert changed[8:22, 8:22].sum() == changed.sum() == 14 * 14 - 10 * 10
    assert not changed[10:20, 10:20].any()


def test_images_without_a_mask_are_as_they_are(cups: Images) -> None:
    bare = [i for i, sample in enumerate(cups.samples) if not sample.masks]
    assert len(bare) == 10 and all((montage.outlined(cups, i) == cups.pixels[i]).all() for i in bare)


def test_a_row_for_each_kind_the_good_ones_first_and_spread(cups: Images) -> None:
    sheet = np.asarray(montage.of_category(cups))
    corners = sheet[15 :: len(sheet) // 2, 5 :: sheet.shape[1] // montage.ACROSS, 0]  # of each image
    assert corners.tolist() == [[100, 102, 103, 105, 106, 108], [100, 101, 255, 255, 255, 255]]


def test_sheets_are_stacked(cups: Images) -> None:
    sheet = montage.of_category(cups)
    narrow = sheet.crop((0, 0, 100, 50))
    assert montage.stacked([narrow, sheet]).size == (sheet.width, 50 + sheet.height)
