"""KolektorSDD's layout: items are groups, the label pictures alone say what is defective."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.frame import Frame
from datasets.images import load
from datasets.readers.kolektor_sdd import find_categories, scan
from datasets.sample import DataError
from datasets.split import split


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve items of four parts; kos03 is kos09, saved in another format, and one part of each has a crack."""
    for item in range(1, 13):
        folder = tmp_path / f"kos{item:02}"
        folder.mkdir()
        rng = np.random.default_rng(3 if item == 9 else item)
        for part in range(4):
            pixels = rng.integers(0, 255, size=(30, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"Part{part}.{'bmp' if item == 9 else 'png'}")
            label = np.zeros((30, 12), np.uint8)
            label[7, 3:6] = 255 * (part == item % 4)
            Image.fromarray(label).save(folder / f"Part{part}_label.bmp")
    return tmp_path


def test_items_are_groups_and_labels_come_from_the_label_pictures(root: Path) -> None:
    samples = scan(root, "kolektor_sdd")
    assert len(samples) == 48 and [s.path for s in samples] == sorted(s.path for s in samples)
    first = samples[:4]
    assert [s.path for s in first] == [f"kos01/Part{part}.png" for part in range(4)]
    assert [s.label for s in first] == [0, 1, 0, 0]
    assert [s.defect for s in first] == ["good", "defect", "good", "good"]
    assert [s.masks for s in first] == [(), ("kos01/Part1_label.bmp",), (), ()]
    assert {s.group for s in first} == {"kos01"} and {s.part for s in samples} == {None}


def test_copied_items_are_found_by_their_pixels_and_stay_on_one_side(root: Path) -> None:
    images = load("kolektor_sdd", str(root), "kolektor_sdd", Frame(16, 16))
    assert len(set(images.content)) == 48 and len(set(images.pixel_hash)) == 44
    assert sum(images.masks[i].any() for i in range(len(images.masks))) == 12
    for seed in range(20):
        parts = split(images, "holdout", seed)
        side = {images.samples[i].group: name for name in ("train", "val", "test") for i in getattr(parts, name)}
        assert side["kos03"] == side["kos09"] and len(side) == 12


def test_a_root_may_hold_the_dataset_in_a_folder_of_its_name(root: Path) -> None:
    (root.parent / "data").mkdir(exist_ok=True)
    root.rename(root.parent / "data" / "kolektor_sdd")
    assert len(load("kolektor_sdd", str(root.parent / "data"), "kolektor_sdd", Frame(8, 8)).samples) == 48


def test_there_is_one_category(root: Path) -> None:
    assert find_categories(root) == ["kolektor_sdd"]
    with pytest.raises(DataError, match="no category 'kolektor' in .*; there are: kolektor_sdd"):
        scan(root, "kolektor")


def test_a_missing_label_picture_is_named(root: Path) -> None:
    (root / "kos02/Part1_label.bmp").unlink()
    with pytest.raises(DataError, match="kos02/Part1.png has no label picture; expected Part1_label.bmp beside it"):
        scan(root, "kolektor_sdd")


def test_a_broken_label_picture_is_named(root: Path) -> None:
    (root / "kos02/Part1_label.bmp").write_bytes(b"")
    with pytest.raises(DataError, match="cannot read kos02/Part1_label.bmp: the file is empty; expected the label"):
        scan(root, "kolektor_sdd")


def test_a_folder_without_items_says_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "bottle").mkdir()
    with pytest.raises(DataError, match="no KolektorSDD item in .*, only: bottle; expected kos01/Part0.jpg"):
        find_categories(tmp_path)
