"""One file -> one square picture: formats, grey levels, orientation, geometry, masks, broken files."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.frame import Frame
from datasets.picture import UnreadableError, fit_image, read, read_mask
from datasets.sample import DataError, Sample

RNG = np.random.default_rng(0)
SCENE = np.kron(RNG.integers(0, 255, size=(4, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)  # (32, 32, 3)


def sample(path: str, mask: str | None = None) -> Sample:
    return Sample(path, int(mask is not None), "good", None, group=path, masks=(mask,) if mask else (), size_bytes=0)


def encode(pixels: np.ndarray, **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **how)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.png", {"format": "PNG"}),
        ("a.BMP", {"format": "BMP"}),
        ("a.tif", {"format": "TIFF"}),
        ("a.TIFF", {"format": "TIFF", "compression": "tiff_lzw"}),
        ("a.webp", {"format": "WEBP", "lossless": True}),
        ("a.jp2", {"format": "JPEG2000"}),
        ("a.ppm", {"format": "PPM"}),
        ("a.jpg", {"format": "PNG"}),
    ],
)
def test_lossless_formats_give_the_same_pixels_and_the_same_pixel_hash(tmp_path: Path, name: str, how: dict) -> None:
    (tmp_path / name).write_bytes(encode(SCENE, **how))
    (tmp_path / "reference.png").write_bytes(encode(SCENE, format="PNG", compress_level=0))
    picture, reference = (read(tmp_path, sample(path), Frame(32, 32)) for path in (name, "reference.png"))
    np.testing.assert_array_equal(picture.pixels, SCENE)
    assert picture.pixel_hash == reference.pixel_hash
    assert picture.content != reference.content


def test_of_several_pages_the_first_is_read(tmp_path: Path) -> None:
    """Of a TIFF or a GIF."""
    first, second = (Image.fromarray(np.full((4, 4), level, np.uint8)) for level in (30, 200))
    for name in ("a.tif", "a.gif"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
        assert (read(tmp_path, sample(name), Frame(4, 4)).pixels == 30).all()


def test_jpeg_is_read_close_to_the_scene(tmp_path: Path) -> None:
    (tmp_path / "a.JPG").write_bytes(encode(SCENE, format="JPEG", quality=95, subsampling=0))
    assert abs(read(tmp_path, sample("a.JPG"), Frame(32, 32)).pixels.astype(int) - SCENE).mean() < 4


def test_grey_is_repeated_and_its_colour_copy_is_a_duplicate(tmp_path: Path) -> None:
    grey = SCENE[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2)).save(tmp_path / "colour.png")
    pictures = [read(tmp_path, sample(name), Frame(32, 32)) for name in ("grey.png", "colour.png")]
    np.testing.assert_array_equal(pictures[0].pixels, np.repeat(grey[:, :, None], 3, axis=2))
    assert pictures[0].pixel_hash == pictures[1].pixel_hash


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_16_bit_grey_is_scaled_by_its_full_range_and_not_by_the_single_image(tmp_path: Path, name: str) -> None:
    deep = np.repeat(np.array([[0, 257, 32768, 65535]], dtype=np.uint16), 4, axis=0)
    Image.fromarray(deep).save(tmp_path / name)
    assert read(tmp_path, sample(name), Frame(4, 4)).pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_float_pixels_are_refused_for_they_have_no_fixed_range(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadableError, match="a.tif: its levels have no fixed range; expected 8 or 16 bits"):
        read(tmp_path, sample("a.tif"), Frame(4, 4))


def test_alpha_is_dropped_and_palettes_are_looked_up(tmp_path: Path) -> None:
    few = (SCENE // 128 * 255).astype(np.uint8)
    Image.fromarray(np.dstack([few, np.zeros((32, 32), np.uint8)])).save(tmp_path / "alpha.png")
    Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    for name in ("alpha.png", "palette.png"):
        np.testing.assert_array_equal(read(tmp_path, sample(name), Frame(32, 32)).pixels, few, err_msg=name)


def test_exif_orientation_is_obeyed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn counter-clockwise
    Image.fromarray(np.rot90(SCENE).copy()).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path, sample("turned.png"), Frame(32, 32)).pixels, SCENE)


@pytest.mark.parametrize("turned", [False, True])
def test_letterbox_keeps_proportions_and_continues_a_plain_background_without_an_edge(turned: bool) -> None:
    product = np.full((64, 15, 3), (90, 100, 110), np.uint8)
    product[20:40, 3:12] = 250
    square = fit_image(product.swapaxes(0, 1) if turned else product, Frame(64, 64))
    square = square.swapaxes(0, 1) if turned else square
    np.testing.assert_array_equal(square[:, 24:39], product)
    assert (square[:, :24] == (90, 100, 110)).all() and (square[:, 39:] == (90, 100, 110)).all()


def test_a_defect_at_the_border_does_not_run_on_into_the_bar() -> None:
    cracked = np.full((64, 16, 3), 200, np.uint8)
    cracked[30:32, :] = 0
    square = fit_image(cracked, Frame(64, 64))
    assert (square[:, :24] == 194).all() and (square[:, 40:] == 194).all()  # 200 less 2 / 64 of it


def test_stretch_fills_the_square() -> None:
    half = np.zeros((64, 16, 3), np.uint8)
    half[:, 8:] = 255
    square = fit_image(half, Frame(64, 64, stretches=True))
    assert square[:, :28].max() == 0 and square[:, 36:].min() == 255


def test_a_mask_is_set_where_it_is_not_black_whatever_its_mode(tmp_path: Path) -> None:
    shape = np.zeros((16, 16), np.uint8)
    shape[4:8, 4:12] = 1
    Image.fromarray(shape).save(tmp_path / "ones.png")
    Image.fromarray(shape * 255).convert("1").save(tmp_path / "bits.png")
    Image.fromarray(shape.astype(np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.repeat(shape[:, :, None] * 200, 3, axis=2)).save(tmp_path / "colour.bmp")
    Image.fromarray(shape * 255).save(tmp_path / "noisy.jpg", quality=60)
    for name in ("ones.png", "bits.png", "deep.png", "colour.bmp", "noisy.jpg"):
        np.testing.assert_array_equal(read_mask(tmp_path, name), shape == 1, err_msg=name)


def test_a_mask_of_another_size_than_its_image_is_an_error_that_names_both(tmp_path: Path) -> None:
    Image.fromarray(SCENE).save(tmp_path / "a.png")
    Image.fromarray(SCENE[:16, :, 0]).save(tmp_path / "a_mask.png")
    with pytest.raises(DataError, match="a_mask.png is 32x16, but its image a.png is 32x32; expected equal sizes"):
        read(tmp_path, sample("a.png", mask="a_mask.png"), Frame(8, 8))


NOISE = RNG.integers(0, 255, size=(64, 64, 3), dtype=np.uint8)
WHOLE_FILES = [
    encode(NOISE, format="PNG"),
    encode(NOISE, format="JPEG"),
    encode(NOISE, format="JPEG", progressive=True),
    encode(NOISE, format="BMP"),
    encode(NOISE, format="TIFF"),
    encode(NOISE, format="TIFF", compression="tiff_lzw"),
    encode(NOISE, format="WEBP"),
    encode(NOISE, format="JPEG2000"),
    encode(NOISE, format="PPM"),
    encode(NOISE, format="GIF"),
]
IDS = ["png", "jpg", "progressive", "bmp", "tiff", "lzw", "webp", "jp2", "ppm", "gif"]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("whole", WHOLE_FILES, ids=IDS)
def test_a_truncated_picture_of_any_format_is_unreadable(tmp_path: Path, whole: bytes) -> None:
    for kept in (0.02, 0.3, 0.6, 0.9):
        (tmp_path / "broken.jpg").write_bytes(whole[: int(len(whole) * kept)])
        with pytest.raises(UnreadableError, match="^broken.jpg: "):
            read(tmp_path, sample("broken.jpg"), Frame(8, 8))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("whole", WHOLE_FILES, ids=IDS)
def test_bytes_broken_anywhere_never_raise_anything_but_unreadable(tmp_path: Path, whole: bytes) -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(whole)
        for position in rng.integers(0, min(len(whole), int(10 ** rng.uniform(1.5, 4.2))), size=8):
            broken[position] = rng.integers(256)
        (tmp_path / "broken.png").write_bytes(bytes(broken))
        try:
            assert read(tmp_path, sample("broken.png"), Frame(8, 8)).pixels.shape == (8, 8, 3)
        except UnreadableError as error:
            assert str(error).startswith("broken.png: ")


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "the file is empty"), (b"hello, I am text\n" * 40, "not a picture of a known format")]
)
def test_no_picture_at_all(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UnreadableError, match=f"a.png: {reason}"):
        read(tmp_path, sample("a.png"), Frame(8, 8))


def test_a_file_that_went_away_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="gone.png: No such file"):
        read(tmp_path, sample("gone.png"), Frame(8, 8))
