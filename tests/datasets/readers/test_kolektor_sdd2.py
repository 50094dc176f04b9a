"""KolektorSDD2's layout: label pictures say what is defective, in a split of its own."""

import pytest

from datasets.frame import Frame
from datasets.images import load
from datasets.readers.kolektor_sdd2 import find_categories, scan
from datasets.sample import DataError
from datasets.split import split


@pytest.fixture
def root(tmp_path, save):
    """Every third picture is defective, in train too."""
    for part, first, count in (("train", 10000, 12), ("test", 20000, 12)):
        for number in range(first, first + count):
            save(f"{part}/{number}.png")
            save(f"{part}/{number}_GT.png", black=number % 3 != 0)
    return tmp_path


def test_parts_labels_and_masks(root) -> None:
    samples = scan(root, "kolektor_sdd2")
    assert find_categories(root) == ["kolektor_sdd2"] and len(samples) == 24
    assert [(s.path, s.label, s.defect, s.part, s.masks) for s in samples[:2]] == [
        ("test/20000.png", 0, "good", "test", ()),
        ("test/20001.png", 1, "defect", "test", ("test/20001_GT.png",)),
    ]


def test_the_archives_stray_copies_are_no_pictures(root, save) -> None:
    save("train/10001 (copy).png", "train/10001_GT (copy).png")
    assert len(scan(root, "kolektor_sdd2")) == 24


def test_defective_images_of_train_are_not_used(root) -> None:
    images = load("kolektor_sdd2", str(root), "kolektor_sdd2", Frame(6, 6))
    parts = split(images, "holdout", 0)
    assert {images.samples[i].path for i in parts.unused} == {f"train/{10000 + n}.png" for n in (2, 5, 8, 11)}
    assert len(parts.train) == 8


def test_a_missing_label_picture_is_named(root) -> None:
    (root / "test/20003_GT.png").unlink()
    with pytest.raises(DataError, match="test/20003.png has no label picture; expected 20003_GT.png beside it"):
        scan(root, "kolektor_sdd2")


def test_a_root_above_the_dataset_is_told_where_it_is(tmp_path, save) -> None:
    save("data/KolektorSDD2/train/10000.png", "data/KolektorSDD2/train/10000_GT.png")
    with pytest.raises(DataError, match="only: data; .*; there is one in .*/data/KolektorSDD2; use that"):
        find_categories(tmp_path)
