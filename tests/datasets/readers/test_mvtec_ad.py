"""MVTec AD's layout: parts, defects, masks, and what is said when it is not there."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.readers.mvtec_ad import CATEGORIES, find_categories, scan
from datasets.sample import DataError


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("train/good/000.png", "train/good/001.JPG", "test/good/000.png"):
        save(tmp_path / "cable" / name)
    for name in ("000.tif", "001.png"):
        save(tmp_path / "cable/test/cut" / name)
    for name in ("000_mask.png", "001_mask.png"):
        save(tmp_path / "cable/ground_truth/cut" / name)
    save(tmp_path / "bottle/train/good/000.png")
    (tmp_path / "cable/license.txt").write_text("no image")
    (tmp_path / "cable/train/good/._000.png").write_bytes(b"what macOS leaves behind")
    return tmp_path


def test_parts_labels_defects_and_masks(root: Path) -> None:
    samples = scan(root, "cable")
    assert [(s.path, s.label, s.defect, s.part, *s.masks) for s in samples] == [
        ("cable/test/cut/000.tif", 1, "cut", "test", "cable/ground_truth/cut/000_mask.png"),
        ("cable/test/cut/001.png", 1, "cut", "test", "cable/ground_truth/cut/001_mask.png"),
        ("cable/test/good/000.png", 0, "good", "test"),
        ("cable/train/good/000.png", 0, "good", "train"),
        ("cable/train/good/001.JPG", 0, "good", "train"),
    ]
    assert all(s.group == s.path and s.size_bytes == (root / s.path).stat().st_size for s in samples)


def test_the_categories_are_those_that_are_there(root: Path) -> None:
    assert find_categories(root) == ["bottle", "cable"]
    assert len(CATEGORIES) == 15


def test_an_unknown_category_names_those_that_exist_the_nearest_first(root: Path) -> None:
    with pytest.raises(DataError, match="mvtec_ad has no category 'cabel' in .*; there are: cable, bottle; check"):
        scan(root, "cabel")


def test_masks_may_be_absent_for_some_or_all(root: Path) -> None:
    (root / "cable/ground_truth/cut/001_mask.png").unlink()
    assert [len(sample.masks) for sample in scan(root, "cable") if sample.label] == [1, 0]
    (root / "cable/ground_truth/cut/000_mask.png").unlink()
    assert not any(sample.masks for sample in scan(root, "cable"))


def test_a_folder_without_images_is_named(root: Path) -> None:
    (root / "cable/test/bent/nested").mkdir(parents=True)
    with pytest.raises(DataError, match="test/bent holds no image; expected files in it .*.png.*; add some"):
        scan(root, "cable")


def test_a_category_without_normal_training_images_says_so(root: Path) -> None:
    save(root / "grid/train/ok/0.png")
    assert len(scan(root, "grid")) == 1
    (root / "grid/train/ok/0.png").unlink()
    with pytest.raises(DataError, match="grid/train/ok holds no image"):
        scan(root, "grid")


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("gone", "gone does not exist; expected a folder of images; check --data-root"),
        ("empty", "empty is empty; expected what mvtec_anomaly_detection.tar.xz unpacks to; check"),
        ("cable/license.txt", "license.txt is a file; expected a folder"),
        ("cable", "cable is one category itself; expected the folder that holds it; use "),
        ("cable/test", "no MVTec AD category in .*, only: cut, good; expected CATEGORY/train/good"),
    ],
)
def test_a_wrong_root_is_one_line_with_the_cure(root: Path, folder: str, message: str) -> None:
    (root / "empty").mkdir()
    with pytest.raises(DataError, match=message) as caught:
        find_categories(root / folder)
    assert "\n" not in str(caught.value)


def test_the_home_folder_is_expanded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    assert find_categories(f"~/{root.name}") == ["bottle", "cable"]
