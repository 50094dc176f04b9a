"""What is said of a category by its files: what was read as what, and what was not used."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.catalog import find_dataset


def save(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(root / name)


def said(root: Path, dataset: str = "folder", category: str = "cups") -> list[str]:
    source = find_dataset(dataset)
    return source.remarks(root, category, source.scan(root, category))


def test_what_was_read_as_good_and_what_as_a_defect(tmp_path: Path) -> None:
    save(tmp_path, "cups/OK/1.png", "cups/OK/day 2/1.png", "cups/dent/1.png", "cups/cut/1.png", "cups/cut/2.png")
    assert said(tmp_path) == ["read as good: OK/ 2; as defective: cut/ 2, dent/ 1"]


def test_parts_are_told_apart_and_so_are_the_images_that_have_a_mask(tmp_path: Path) -> None:
    save(tmp_path, "cups/train/good/1.png", "cups/test/good/1.png", "cups/test/dent/1.jpg", "cups/test/dent/2.jpg")
    save(tmp_path, "cups/ground_truth/dent/1_mask.png")
    assert said(tmp_path) == [
        "read as good: test/good/ 1, train/good/ 1; as defective: test/dent/ 2; 1 of 2 with a mask"
    ]


def test_defective_images_of_train_are_said_to_be_unused(tmp_path: Path) -> None:
    save(tmp_path, "cups/train/good/1.png", "cups/train/bad/1.png", "cups/test/bad/1.png")
    assert said(tmp_path) == [
        "read as good: train/good/ 1; as defective: test/bad/ 1",
        "not used: train/bad/ 1, for training is on good images alone",
    ]


@pytest.mark.parametrize("mask", ["ground_truth/dent/x.png", "labels/x.png"])
def test_masks_that_belong_to_no_picture_are_named(tmp_path: Path, mask: str) -> None:
    save(tmp_path, "cups/good/1.png", "cups/dent/1.png", f"cups/{mask}")
    assert said(tmp_path)[1:] == [
        f"1 images in folders of masks belong to no defective image, the first {mask}; expected "
        "ground_truth/<defect>/<stem>_mask.png"
    ]


def test_files_that_are_no_pictures_are_counted_but_for_those_that_systems_leave(tmp_path: Path) -> None:
    save(tmp_path, "cups/good/1.png", "cups/dent/1.png")
    for name in ("good/2.heic", "good/3.HEIC", "dent/notes.txt", "good/Thumbs.db", ".DS_Store", "__MACOSX/._1"):
        (tmp_path / "cups" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "cups" / name).write_bytes(b"x")
    assert said(tmp_path)[1:] == ["files that are no pictures: .heic 2, .txt 1"]


@pytest.mark.parametrize("name", ["1.tif", "1.TIFF", "1.gif"])
def test_of_files_of_several_pages_the_first_is_said_to_be_read(tmp_path: Path, name: str) -> None:
    save(tmp_path, "cups/good/0.tif", "cups/dent/1.png")
    pages = [Image.fromarray(np.full((2, 2), level, np.uint8)) for level in (0, 100, 200)]
    pages[0].save(tmp_path / "cups/good" / name, save_all=True, append_images=pages[1:])
    line = f"files of several pages: 1, of which the first page is read; cups/good/{name} has 3"
    assert said(tmp_path)[1:] == [line]
    listed = tmp_path / "manifest.csv"
    listed.write_text(f"path,label\ncups/good/{name},good\ncups/dent/1.png,bad\n")
    assert said(listed, "manifest", "manifest") == [line]


def test_the_root_itself_may_be_the_category(tmp_path: Path) -> None:
    save(tmp_path, "cups/good/1.png", "cups/dent/1.png")
    assert said(tmp_path / "cups") == ["read as good: good/ 1; as defective: dent/ 1"]


def test_other_counts_than_the_published_ones_are_said(tmp_path: Path) -> None:
    save(tmp_path, "bottle/train/good/1.png", "bottle/test/cut/1.png", "mine/train/good/1.png")
    assert said(tmp_path, "mvtec_ad", "bottle") == [
        "1 normal and 1 defective images, where 229 and 63 were published"
    ]
    assert said(tmp_path, "mvtec_ad", "mine") == [], "a tree of that layout, of which nothing was published"


def test_the_generated_dataset_is_whole() -> None:
    assert find_dataset("synthetic").remarks(None, "washer", find_dataset("synthetic").scan(None, "washer")) == []
