"""Decoding one category into one array: order, masks, hashes, broken files."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.frame import Frame
from datasets.images import load
from datasets.sample import DataError


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def cups(tmp_path: Path) -> Path:
    """ROOT/cups: six normal images, each of one grey level, and two dents with masks."""
    for level in range(6):
        save(tmp_path / f"cups/good/{level}.png", np.full((20, 10, 3), 40 * level, np.uint8))
    for level in range(2):
        save(tmp_path / f"cups/dent/{level}.png", np.full((20, 10, 3), 99 + level, np.uint8))
        mask = np.zeros((20, 10), np.uint8)
        mask[:10, level] = 255
        save(tmp_path / f"cups/ground_truth/dent/{level}_mask.png", mask)
    return tmp_path


def test_one_contiguous_array_in_the_order_of_the_paths(cups: Path) -> None:
    images = load("folder", str(cups), "cups", Frame(16, 16), workers=3)
    assert [sample.path for sample in images.samples] == sorted(sample.path for sample in images.samples)
    assert images.pixels.shape == (8, 16, 16, 3) and images.pixels.dtype == np.uint8
    assert images.pixels.flags.c_contiguous
    assert images.pixels[:, 8, 8, 0].tolist() == [99, 100, 0, 40, 80, 120, 160, 200]
    assert images.labels.tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert images.unreadable == ()


def test_masks_have_the_pictures_own_proportions_at_any_size_and_are_empty_for_normal_images(cups: Path) -> None:
    for size_px in (8, 20, 64):
        masks = load("folder", str(cups), "cups", Frame(size_px, size_px)).masks
        assert len(masks) == 8 and all(masks[i].shape == (20, 10) and masks[i].dtype == bool for i in range(8))
        assert np.argwhere(masks[1]).tolist() == [[row, 1] for row in range(10)]
        assert not any(masks[i].any() for i in range(2, 8))


def test_masks_travel_through_an_object_store_and_those_of_normal_images_take_no_room(cups: Path) -> None:
    masks = load("folder", str(cups), "cups", Frame(64, 64)).masks
    buffers: list[pickle.PickleBuffer] = []
    sent = pickle.dumps(masks, protocol=5, buffer_callback=buffers.append)
    assert [len(buffer.raw()) for buffer in buffers] == [25, 25], "a bit a pixel, of the two defective images"
    returned = pickle.loads(sent, buffers=[bytes(buffer.raw()) for buffer in buffers])
    for i in range(8):
        np.testing.assert_array_equal(returned[i], masks[i])


def test_without_mask_files_there_are_no_masks(cups: Path) -> None:
    (cups / "cups/ground_truth").rename(cups / "elsewhere")
    assert load("folder", str(cups), "cups", Frame(16, 16)).masks is None


def test_the_hashes_tell_apart_what_differs(cups: Path) -> None:
    images = load("folder", str(cups), "cups", Frame(16, 16))
    assert images.data_hash == load("folder", str(cups), "cups", Frame(32, 32)).data_hash
    Image.open(cups / "cups/good/0.png").save(cups / "cups/good/copy.bmp")
    more = load("folder", str(cups), "cups", Frame(16, 16))
    by_path = {sample.path: pixel_hash for sample, pixel_hash in zip(more.samples, more.pixel_hash, strict=True)}
    assert by_path["cups/good/0.png"] == by_path["cups/good/copy.bmp"] and len(set(more.pixel_hash)) == 8
    assert len(set(more.content)) == 9 and more.data_hash != images.data_hash
    (cups / "cups/good/copy.bmp").rename(cups / "cups/good/other.bmp")
    assert load("folder", str(cups), "cups", Frame(16, 16)).data_hash != more.data_hash


def test_broken_files_are_counted_and_the_first_ones_named_with_the_cure(cups: Path) -> None:
    whole = (cups / "cups/good/1.png").read_bytes()
    for name, data in {"1": whole[: len(whole) // 2], "2": b"", "3": b"text", "4": b"text", "5": b"text"}.items():
        (cups / f"cups/good/{name}.png").write_bytes(data)
    with pytest.raises(DataError) as caught:
        load("folder", str(cups), "cups", Frame(16, 16))
    message = str(caught.value)
    assert message.startswith("folder/cups: 5 of 8 images cannot be read: cups/good/1.png: ")
    assert "; cups/good/2.png: the file is empty; " in message
    assert "; cups/good/3.png: not a picture" in message
    assert "; and 2 more; " in message and message.endswith("--skip-unreadable") and "\n" not in message


def test_all_masks_of_another_size_than_their_pictures_are_named(cups: Path) -> None:
    masks = sorted(cups.glob("cups/ground_truth/dent/*"))
    assert len(masks) == 2
    for mask in masks:
        Image.new("L", (3, 3)).save(mask)
    with pytest.raises(DataError) as caught:
        load("folder", str(cups), "cups", Frame(16, 16), skip_unreadable=True)
    assert all(mask.name in str(caught.value) for mask in masks) and "\n" not in str(caught.value)


def test_skipping_leaves_broken_files_out_and_lists_them(cups: Path) -> None:
    (cups / "cups/good/1.png").write_bytes(b"text")
    (cups / "cups/ground_truth/dent/0_mask.png").write_bytes(b"")
    images = load("folder", str(cups), "cups", Frame(16, 16), skip_unreadable=True)
    assert images.unreadable == ("cups/dent/0.png", "cups/good/1.png")
    assert images.pixels[:, 8, 8, 0].tolist() == [100, 0, 80, 120, 160, 200]
    assert len(images.samples) == len(images.content) == len(images.pixel_hash) == len(images.masks) == 6
    assert [images.masks[i].any() for i in range(6)] == [True, *[False] * 5]


def test_skipping_everything_is_an_error_still(cups: Path) -> None:
    for path in (*cups.glob("cups/good/*"), *cups.glob("cups/dent/*")):
        path.write_bytes(b"text")
    with pytest.raises(DataError, match="8 of 8 images cannot be read"):
        load("folder", str(cups), "cups", Frame(16, 16), skip_unreadable=True)


def test_an_unknown_dataset_names_the_nearest_first() -> None:
    with pytest.raises(DataError, match="no dataset 'mvtek'; there are: mvtec_ad, "):
        load("mvtek", None, "bottle", Frame(16, 16))


def test_a_dataset_of_files_without_a_root_says_which_flag_is_missing() -> None:
    with pytest.raises(DataError, match="expected --data-root DIR"):
        load("mvtec_ad", None, "bottle", Frame(16, 16))
