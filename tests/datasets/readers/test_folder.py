"""A user's folder, in each of the layouts that are read."""

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from datasets.catalog import find_dataset
from datasets.frame import Frame
from datasets.images import load
from datasets.readers.folder import find_categories, scan
from datasets.sample import DataError
from datasets.split import split


def save(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = np.random.default_rng(crc32(name.encode())).integers(0, 255, size=(6, 6), dtype=np.uint8)
        Image.fromarray(levels).save(path)


def listed(root: Path, category: str) -> list[tuple[str, int, str, str | None]]:
    return [(s.path, s.label, s.defect, s.part) for s in scan(root, category)]


def test_categories_without_a_split_of_their_own(tmp_path: Path) -> None:
    save(tmp_path, "cups/good/a.png", "cups/dent/b.jpeg", "lids/OK/c.webp")
    assert find_categories(tmp_path) == ["cups", "lids"]
    assert listed(tmp_path, "cups") == [("cups/dent/b.jpeg", 1, "dent", None), ("cups/good/a.png", 0, "good", None)]
    assert listed(tmp_path, "lids") == [("lids/OK/c.webp", 0, "good", None)]


def test_a_category_with_a_split_of_its_own(tmp_path: Path) -> None:
    save(tmp_path, "cups/train/Normal/a.png", "cups/test/ok/b.png", "cups/test/dent/c.png")
    assert listed(tmp_path, "cups") == [
        ("cups/test/dent/c.png", 1, "dent", "test"),
        ("cups/test/ok/b.png", 0, "good", "test"),
        ("cups/train/Normal/a.png", 0, "good", "train"),
    ]


@pytest.mark.parametrize("part", ["", "train/"])
def test_the_root_itself_may_be_the_category(tmp_path: Path, part: str) -> None:
    save(tmp_path, f"cups/{part}good/a.png")
    assert find_categories(tmp_path / "cups") == ["cups"]
    assert [sample.path for sample in scan(tmp_path / "cups", "cups")] == [f"{part}good/a.png"]


@pytest.mark.parametrize("mask", ["1.png", "1_mask.png", "1_mask.BMP"])
def test_masks_are_found_by_the_images_stem(tmp_path: Path, mask: str) -> None:
    save(tmp_path, "cups/good/0.png", "cups/dent/1.jpg", f"cups/ground_truth/dent/{mask}")
    assert [s.masks for s in scan(tmp_path, "cups")] == [(f"cups/ground_truth/dent/{mask}",), ()]


def test_folders_below_a_class_are_read_with_their_masks(tmp_path: Path) -> None:
    """As a camera leaves them, one a day; equal names do not meet."""
    save(tmp_path, "cups/good/0.png", "cups/good/day2/0.png", "cups/good/day2/late/1.png", "cups/good/.trash/2.png")
    save(tmp_path, "cups/dent/a/1.jpg", "cups/dent/b/1.jpg", "cups/dent/masks/1.png")
    save(tmp_path, "cups/ground_truth/dent/a/1_mask.png", "cups/ground_truth/dent/b/1.png")
    assert [(sample.path, *sample.masks) for sample in scan(tmp_path, "cups")] == [
        ("cups/dent/a/1.jpg", "cups/ground_truth/dent/a/1_mask.png"),
        ("cups/dent/b/1.jpg", "cups/ground_truth/dent/b/1.png"),
        ("cups/good/0.png",),
        ("cups/good/day2/0.png",),
        ("cups/good/day2/late/1.png",),
    ]


def test_links_below_a_class_are_followed_once_and_never_upwards(tmp_path: Path) -> None:
    save(tmp_path, "cups/good/0.png", "cups/dent/1.png", "elsewhere/2.png")
    (tmp_path / "cups/good/up").symlink_to("..")
    (tmp_path / "cups/good/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "cups/good/same").symlink_to("more")
    assert [path for path, *_ in listed(tmp_path, "cups")] == [
        "cups/dent/1.png", "cups/good/0.png", "cups/good/more/2.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("train", "test"), [("train/good", "test/ok"), ("Train/Good", "TEST/ok"), ("train/0", "test/0")]
)
def test_folders_are_understood_in_any_case(tmp_path: Path, train: str, test: str) -> None:
    defect = test.replace("0", "1").replace("ok", "dent")
    save(tmp_path, f"cups/{train}/a.png", f"cups/{test}/b.png", f"cups/{defect}/c.png")
    assert {(label, part) for _, label, _, part in listed(tmp_path, "cups")} == {
        (0, "train"), (0, "test"), (1, "test"),
    }  # fmt: skip


def test_validation_images_are_a_part_of_their_own(tmp_path: Path) -> None:
    save(tmp_path, "cups/train/good/a.png", "cups/validation/good/b.png", "cups/test/dent/c.png")
    assert [part for *_, part in listed(tmp_path, "cups")] == ["test", "train", "validation"]


def test_a_tree_that_lies_deeper_is_named_with_the_cure(tmp_path: Path) -> None:
    save(tmp_path, "disk/parts/cups/good/a.png", "disk/parts/cups/dent/a.png")
    with pytest.raises(DataError, match="only: disk; .*there is one in .*/disk/parts; use that as --data-root"):
        find_categories(tmp_path)


def test_a_mask_folder_is_no_defect(tmp_path: Path) -> None:
    save(tmp_path, "cups/good/0.png", "cups/ground_truth/dent/1.png")
    assert [sample.defect for sample in scan(tmp_path, "cups")] == ["good"]


def test_a_users_folder_goes_through_every_protocol(tmp_path: Path) -> None:
    save(tmp_path, *(f"cups/good/{i}.png" for i in range(12)), *(f"cups/dent/{i}.png" for i in range(4)))
    images = load("folder", str(tmp_path), "cups", Frame(8, 8))
    sizes = {p: [len(getattr(split(images, p, 0), part)) for part in ("train", "val", "test", "forge")]
             for p in ("holdout", "synthetic", "paper")}
    assert sizes == {"holdout": [6, 5, 5, 0], "synthetic": [5, 1, 10, 1], "paper": [6, 10, 10, 0]}


@pytest.mark.parametrize("part", ["", "train/"])
def test_the_folder_of_good_images_may_be_named_and_then_no_other_name_is_good(tmp_path: Path, part: str) -> None:
    save(tmp_path, f"cups/{part}Gut/a.png", f"cups/{part and 'test/'}good/b.png")
    assert find_categories(tmp_path, "gut") == ["cups"]
    assert [(s.path, s.defect) for s in scan(tmp_path, "cups", "gut") if s.label == 0] == [
        (f"cups/{part}Gut/a.png", "good")
    ]
    assert [s.defect for s in scan(tmp_path, "cups", "gut") if s.label == 1] == ["good"]


def test_the_root_itself_may_be_the_category_whose_good_folder_is_named(tmp_path: Path) -> None:
    save(tmp_path, "cups/gut/a.png", "cups/dent/b.png")
    source, root = find_dataset("folder", "gut"), str(tmp_path / "cups")
    samples = source.scan(root, "cups")
    assert [sample.path for sample in samples] == ["dent/b.png", "gut/a.png"]
    assert source.remarks(root, "cups", samples) == ["read as good: gut/ 1; as defective: dent/ 1"]


def test_where_no_folder_is_called_so_the_cure_is_to_name_it(tmp_path: Path) -> None:
    save(tmp_path, "parts/cups/gut/a.png", "parts/cups/dent/b.png")
    with pytest.raises(DataError, match="only: cups; expected one named good, .*, or name it with --normal-folder, or"):
        find_categories(tmp_path / "parts")
    with pytest.raises(DataError, match="one named 'gud' .--normal-folder. .or train/ with one.; add or rename it, or"):
        find_categories(tmp_path / "parts", "gud")
    with pytest.raises(DataError, match="there is one in .*/parts; use that as --data-root"):
        find_categories(tmp_path, "gut")


def test_only_normal_images_are_listed_but_cannot_be_measured(tmp_path: Path) -> None:
    save(tmp_path, *(f"cups/good/{i}.png" for i in range(12)))
    images = load("folder", str(tmp_path), "cups", Frame(8, 8))
    for protocol in ("holdout", "synthetic", "paper"):
        with pytest.raises(DataError, match="12 normal and 0 defective images; .*expected at least 1; add defective"):
            split(images, protocol, 0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cups/bad/a.png"], "no folder of normal images in .*, only: cups; expected one named good, ok, normal"),
        (["a.png"], "no folder of normal images in .*, only: no folder"),
    ],
)
def test_a_folder_without_normal_images_says_what_was_found(tmp_path: Path, names: list[str], message: str) -> None:
    save(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        find_categories(tmp_path)


def test_normal_images_in_the_test_part_only_cannot_train(tmp_path: Path) -> None:
    save(tmp_path, "cups/train/good/a.png", "cups/test/good/b.png")
    (tmp_path / "cups/train/good/a.png").unlink()
    (tmp_path / "cups/train/good").rmdir()
    save(tmp_path, "cups/train/bad/a.png", "cups/good/ignored.png")
    with pytest.raises(DataError, match="cups has no normal training image, only: test/good, train/bad; expected"):
        scan(tmp_path, "cups")


def test_an_unknown_category_names_those_that_exist(tmp_path: Path) -> None:
    save(tmp_path, "cups/good/a.png", "lids/good/a.png")
    with pytest.raises(DataError, match="no category 'lid' in .*; there are: lids, cups"):
        scan(tmp_path, "lid")
