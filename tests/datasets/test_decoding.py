"""What is weighed before it is decoded: huge pictures, files that unpack to more than they are, the memory there is."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from datasets import decoding
from datasets.decoding import Undecoded, UnreadableError, opened
from datasets.frame import Frame
from datasets.memory import Budget
from datasets.picture import Picture, read
from datasets.sample import DataError, Sample

SMOOTH = np.add.outer(np.arange(120), np.arange(200))[:, :, None].repeat(3, 2).astype(np.uint8) // 2  # (120, 200, 3)


@pytest.fixture(autouse=True)
def whole_pixels(monkeypatch) -> None:
    """Pictures of more than 120 x 100 pixels are large here."""
    monkeypatch.setattr(decoding, "WHOLE_PIXELS", 12_000)


def read_file(tmp_path: Path, name: str, image: Image.Image, mask: np.ndarray | None = None, **how) -> Picture:
    image.save(tmp_path / name, **how)
    if mask is not None:
        Image.fromarray(mask).save(tmp_path / "mask.png")
    return read(tmp_path, Sample(name, 0, "good", None, name, () if mask is None else ("mask.png",), 0), Frame(30, 50))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_jpeg_is_decoded_at_a_scale_and_keeps_its_size_and_look(tmp_path, progressive):
    large = read_file(tmp_path, "a.jpg", Image.fromarray(SMOOTH), quality=95, progressive=progressive)
    whole = read_file(tmp_path, "a.png", Image.fromarray(SMOOTH))
    assert large.native_size == whole.native_size == (120, 200)
    assert np.abs(large.pixels.astype(int) - whole.pixels).max() < 6
    undecoded = Undecoded((tmp_path / "a.jpg").read_bytes(), "a.jpg")
    with undecoded.weighed():
        assert undecoded.decoded()[0].size == (100, 60), "the largest scale that is no larger than WHOLE_PIXELS"


def test_a_jpeg_that_is_not_large_is_decoded_whole():
    buffer = io.BytesIO()
    Image.fromarray(SMOOTH[:100, :120]).save(buffer, "JPEG")
    undecoded = Undecoded(buffer.getvalue(), "a.jpg")
    with undecoded.weighed():
        assert undecoded.decoded()[0].size == (120, 100)


def test_a_large_jpeg_that_its_camera_turned_is_upright_and_so_is_its_mask(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    mask = np.zeros((200, 120), bool)
    mask[:20] = True
    picture = read_file(tmp_path, "a.jpg", Image.fromarray(SMOOTH), mask, exif=exif)
    assert picture.native_size == (200, 120) and picture.mask.shape == (200, 120) and picture.mask[:20].all()


def test_a_file_that_is_far_too_small_for_its_pixels_is_not_unpacked(tmp_path):
    blank = Image.new("1", (4000, 2000))
    with pytest.raises(UnreadableError, match=r"a.png: 4000 x 2000 pixels in 0.001\d* MB, which is no photograph"):
        read_file(tmp_path, "a.png", blank)
    assert read_file(tmp_path, "a.png", Image.new("1", (120, 100))).native_size == (100, 120), "small ones may be blank"


def test_a_picture_that_takes_more_memory_than_there_is_says_both(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "BUDGET", Budget(300_000))
    with pytest.raises(UnreadableError, match="a.png: 200 x 120 pixels take 0.00038 GB to decode, of 0.0003 GB that"):
        read_file(tmp_path, "a.png", Image.fromarray(SMOOTH))
    assert read_file(tmp_path, "a.jpg", Image.fromarray(SMOOTH)).native_size == (120, 200), "at a scale it takes less"


def test_a_mask_of_another_size_is_not_unpacked(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((500, 900), np.uint8)).save(tmp_path / "mask.png")
    broken = (tmp_path / "mask.png").read_bytes()[:60]  # a header alone
    (tmp_path / "mask.png").write_bytes(broken)
    Image.fromarray(SMOOTH).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="mask.png is 900x500, but its image a.png is 200x120"):
        read(tmp_path, Sample("a.png", 1, "cut", None, "a.png", ("mask.png",), 0), Frame(8, 8))


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.gif", "a.webp", "a.bmp"])
def test_pillows_own_limit_does_not_hold_here_and_holds_for_others_after(tmp_path, monkeypatch, name):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    Image.fromarray(SMOOTH).save(tmp_path / name)
    samples = [Sample(name, 0, "good", None, name, (), 0)] * 8
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda sample: read(tmp_path, sample, Frame(8, 8)), samples))
    assert [picture.native_size for picture in found] == [(120, 200)] * 8
    assert Image.MAX_IMAGE_PIXELS == 5000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / name)


def test_a_header_is_read_without_decoding(tmp_path):
    Image.fromarray(SMOOTH).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    image = opened(tmp_path / "a.png")
    assert decoding.upright(image.size, image) == (120, 200)
