"""The proportions of a category's pictures."""

import numpy as np
import pytest
from PIL import ExifTags, Image

from datasets import headers
from datasets.aspect import MOST_LOOKED_AT, median_aspect
from datasets.headers import Header
from datasets.sample import Sample


def sample(name: str, label: int = 0, part: str | None = None) -> Sample:
    return Sample(name, label, "crack" if label else "good", part, group=name, masks=(), size_bytes=1)


@pytest.fixture
def leave(tmp_path):
    """Puts a picture of a size into the folder, and returns its sample."""

    def leave(name: str, width: int, height: int, turned: bool = False, **of_it) -> Sample:
        exif = Image.Exif()
        if turned:
            exif[ExifTags.Base.Orientation] = 6
        Image.fromarray(np.zeros((height, width), np.uint8)).save(tmp_path / name, exif=exif)
        return sample(name, **of_it)

    return leave


def test_it_is_that_in_the_middle_of_the_normal_pictures_that_are_no_test_images(leave, tmp_path):
    samples = [leave(f"{i}.png", 10 * i, 20) for i in (1, 2, 5)]
    samples += [leave("a.png", 900, 20, part="test"), leave("b.png", 900, 20, label=1)]
    assert median_aspect(tmp_path, samples) == 1.0
    assert median_aspect(tmp_path, samples[2:]) == 2.5


def test_a_picture_that_its_camera_turned_counts_upright(leave, tmp_path):
    assert median_aspect(tmp_path, [leave("a.jpg", 40, 20, turned=True)]) == 0.5


def test_what_has_no_header_is_passed_over(leave, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"no picture")
    torn = sample("torn.png")
    assert median_aspect(tmp_path, [torn, leave("a.png", 20, 40)]) == 0.5
    assert median_aspect(tmp_path, [torn]) == 1.0


def test_of_many_pictures_a_few_are_looked_at(leave, tmp_path, monkeypatch):
    looked_at = []
    monkeypatch.setattr(headers, "read", lambda path: looked_at.append(path) or Header((20, 40), "L", pages=1))
    many = [sample(f"{i:04}.png") for i in range(1000)]
    assert median_aspect(tmp_path, many) == 2.0 and MOST_LOOKED_AT / 2 < len(looked_at) <= MOST_LOOKED_AT
