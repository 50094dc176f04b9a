"""What is known of a picture before it is decoded."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from datasets.headers import Header, read


@pytest.mark.parametrize(
    ("pixels", "mode"),
    [(np.zeros((3, 5), np.uint8), "L"), (np.zeros((3, 5, 3), np.uint8), "RGB"), (np.zeros((3, 5), np.uint16), "I;16")],
)
def test_size_and_mode(tmp_path: Path, pixels: np.ndarray, mode: str) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png") == Header((3, 5), mode, pages=1)


def test_a_picture_that_its_camera_turned_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.zeros((3, 5), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert read(tmp_path / "a.jpg").native_size == (5, 3)


@pytest.mark.parametrize("name", ["a.tif", "a.gif"])
def test_pages_are_counted(tmp_path: Path, name: str) -> None:
    first, *others = (Image.fromarray(np.full((4, 4), level, np.uint8)) for level in (0, 100, 200))
    first.save(tmp_path / name, save_all=True, append_images=others)
    assert read(tmp_path / name).pages == 3


def test_what_is_no_picture_has_no_header(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert read(tmp_path / "a.png") is None and read(tmp_path / "gone.png") is None
