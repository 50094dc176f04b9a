"""Masks are found by their names, in the places where people put them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.mask_files import beside, homes, in_homes
from datasets.tree import images_below


def save(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(root / name)


def found(root: Path, part: str = "") -> dict[str, list[str]]:
    """The masks of each picture of the class `dent`, by relative paths."""
    folder = root / part / "dent"
    masks = in_homes(images_below(folder), folder, homes(root, root / part), part)
    return {
        picture.relative_to(folder).as_posix(): [mask.relative_to(root).as_posix() for mask in own]
        for picture, own in masks.items()
    }


@pytest.mark.parametrize("folder", ["ground_truth", "Ground_Truth", "masks", "mask", "gt", "GT", "label", "labels"])
def test_a_folder_of_masks_by_its_name(tmp_path: Path, folder: str) -> None:
    save(tmp_path, "dent/1.jpg", f"{folder}/dent/1.png")
    assert found(tmp_path) == {"1.jpg": [f"{folder}/dent/1.png"]}


@pytest.mark.parametrize("name", ["1.png", "1_mask.png", "1-mask.bmp", "1_gt.png", "1_GT.png", "1_label.tif"])
def test_a_mask_by_its_name(tmp_path: Path, name: str) -> None:
    save(tmp_path, "dent/1.jpg", "dent/2.jpg", f"masks/dent/{name}")
    assert found(tmp_path) == {"1.jpg": [f"masks/dent/{name}"]}


@pytest.mark.parametrize(
    ("part", "mask"),
    [
        ("", "masks/1.png"),  # without a folder a class
        ("", "masks/Dent/1.png"),
        ("", "dent/masks/1.png"),
        ("test", "ground_truth/dent/1.png"),  # beside the parts
        ("test", "ground_truth/test/dent/1.png"),
        ("test", "test/ground_truth/dent/1.png"),  # in the part
    ],
)
def test_places_of_masks(tmp_path: Path, part: str, mask: str) -> None:
    save(tmp_path, f"{part}/dent/1.jpg".lstrip("/"), mask)
    assert found(tmp_path, part) == {"1.jpg": [mask]}


def test_the_folders_below_a_class_are_those_below_its_masks(tmp_path: Path) -> None:
    save(tmp_path, "dent/a/1.jpg", "dent/b/1.jpg", "masks/dent/b/1.png")
    assert found(tmp_path) == {"b/1.jpg": ["masks/dent/b/1.png"]}


def test_several_masks_of_a_picture(tmp_path: Path) -> None:
    save(tmp_path, "dent/1.jpg", "dent/2.jpg", "gt/dent/1/000.png", "gt/dent/1/001.png")
    save(tmp_path, "gt/dent/2_mask_1.png", "gt/dent/2_mask_2.png")
    assert found(tmp_path) == {
        "1.jpg": ["gt/dent/1/000.png", "gt/dent/1/001.png"],
        "2.jpg": ["gt/dent/2_mask_1.png", "gt/dent/2_mask_2.png"],
    }


@pytest.mark.parametrize("names", [("1.jpg", "1.png"), ("1.jpg", "1_mask.jpg"), ("1.png", "1_GT.png")])
def test_masks_beside_their_pictures(tmp_path: Path, names: tuple[str, str]) -> None:
    save(tmp_path, *(f"dent/{name}" for name in names))
    picture, mask = (tmp_path / "dent" / name for name in names)
    assert beside(images_below(tmp_path / "dent")) == {picture: (mask,)}


def test_a_picture_that_is_called_like_a_mask_of_none_is_a_picture(tmp_path: Path) -> None:
    save(tmp_path, "dent/red_label.png", "dent/2.png", "dent/3.jpg")
    assert beside(images_below(tmp_path / "dent")) == {}
