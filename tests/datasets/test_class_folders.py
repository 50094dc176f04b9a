"""Class folders: what is called good, what is no class, and whose mask is whose."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.class_folders import classes, finish_category, normal_classes, scan_classes
from datasets.sample import DataError


def save(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(root / name)


@pytest.mark.parametrize(
    "name", ["good", "Good", "OK", "normal", "pass", "defect_free", "Defect-Free", "non defective", "free", "CLEAN"]
)
def test_names_of_good_images(tmp_path: Path, name: str) -> None:
    save(tmp_path, f"{name}/1.png", "bad/1.png")
    assert normal_classes(tmp_path) == [name]


@pytest.mark.parametrize(("names", "good"), [("01", ["0"]), ("0", ["0"]), ("012", []), ("1", [])])
def test_zero_is_good_beside_one_alone(tmp_path: Path, names: str, good: list[str]) -> None:
    save(tmp_path, *(f"{name}/1.png" for name in names))
    assert normal_classes(tmp_path) == good


def test_folders_of_masks_and_what_systems_leave_behind_are_no_classes(tmp_path: Path) -> None:
    save(tmp_path, "good/1.png", "bad/1.png", "Masks/1.png", "__MACOSX/good/1.png", ".cache/1.png", "@eaDir/1.png")
    assert classes(tmp_path) == ["bad", "good"]


def test_thumbnails_and_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    save(tmp_path, "good/1.png", "good/._2.png")
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / "good" / name).write_bytes(b"\x00")
    assert [sample.path for sample in scan_classes(tmp_path, tmp_path, None, ())] == ["good/1.png"]


@pytest.mark.parametrize("name", ["1.gif", "1.jfif", "1.ppm", "1.pgm", "1.jp2"])
def test_further_formats_are_pictures(tmp_path: Path, name: str) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / name).write_bytes(b"any")
    assert [sample.path for sample in scan_classes(tmp_path, tmp_path, None, ())] == [f"good/{name}"]


def test_a_mask_of_two_pictures_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "good/1.png", "cut/1.jpg", "dent/1.jpg", "masks/1.png")
    with pytest.raises(DataError, match="masks/1.png is by its name the mask of cut/1.jpg and of dent/1.jpg"):
        scan_classes(tmp_path, tmp_path, None, masks_in=[tmp_path])


def test_masks_of_good_images_are_not_looked_at(tmp_path: Path) -> None:
    save(tmp_path, "good/1.jpg", "good/1.png", "cut/2.jpg", "cut/2.png")
    assert [(sample.path, sample.masks) for sample in scan_classes(tmp_path, tmp_path, None, ())] == [
        ("cut/2.jpg", ("cut/2.png",)), ("good/1.jpg", ()),
    ]  # fmt: skip


def test_normal_images_of_validation_alone_cannot_train(tmp_path: Path) -> None:
    save(tmp_path, "validation/good/1.png")
    samples = scan_classes(tmp_path, tmp_path / "validation", "validation", ())
    with pytest.raises(DataError, match="has no normal training image, only: validation/good"):
        finish_category(tmp_path, samples)
