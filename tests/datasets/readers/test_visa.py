"""VisA as published, by its list, and as its own script prepares it."""

import pytest

from datasets.readers.visa import COUNTS, find_categories, scan
from datasets.sample import DataError

LINES = """object,split,label,image,mask
candle,train,normal,candle/Data/Images/Normal/0000.JPG,
candle,test,normal,candle/Data/Images/Normal/0001.JPG,
candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png
pcb1,train,normal,pcb1/Data/Images/Normal/0000.JPG,
"""


@pytest.fixture
def published(tmp_path, save):
    save("candle/Data/Images/Normal/0000.JPG", "candle/Data/Images/Normal/0001.JPG")
    save("candle/Data/Images/Anomaly/000.JPG", "candle/Data/Masks/Anomaly/000.png")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text(LINES)
    return tmp_path


def test_the_list_says_parts_labels_and_masks(published) -> None:
    assert [(s.path.removeprefix("candle/Data/Images/"), s.label, s.defect, s.part, s.masks)
            for s in scan(published, "candle")] == [
        ("Anomaly/000.JPG", 1, "anomaly", "test", ("candle/Data/Masks/Anomaly/000.png",)),
        ("Normal/0000.JPG", 0, "good", "train", ()),
        ("Normal/0001.JPG", 0, "good", "test", ()),
    ]  # fmt: skip


def test_objects_that_are_not_there_are_no_categories(published) -> None:
    assert find_categories(published) == ["candle"]
    (published / "candle").rename(published / "elsewhere")
    with pytest.raises(DataError, match="has none of the objects that its split_csv/1cls.csv names; expected candle"):
        find_categories(published)


def test_a_listed_picture_that_is_not_there_is_named(published) -> None:
    (published / "candle/Data/Images/Normal/0001.JPG").unlink()
    with pytest.raises(DataError, match="1cls.csv names candle/Data/Images/Normal/0001.JPG, which is not there"):
        scan(published, "candle")


def test_another_list_is_refused(published) -> None:
    (published / "split_csv/1cls.csv").write_text("image,label\na.png,0\n")
    with pytest.raises(DataError, match="1cls.csv is another list; expected the columns image, label, mask, ob"):
        find_categories(published)


@pytest.mark.parametrize("folder", ["", "1cls/"])
def test_the_folders_of_its_preparation_script(tmp_path, save, folder) -> None:
    save(f"{folder}candle/train/good/0000.JPG", f"{folder}candle/test/bad/000.JPG")
    save(f"{folder}candle/ground_truth/bad/000.png")
    assert find_categories(tmp_path) == ["candle"]
    assert [(s.path, s.masks) for s in scan(tmp_path, "candle")] == [
        (f"{folder}candle/test/bad/000.JPG", (f"{folder}candle/ground_truth/bad/000.png",)),
        (f"{folder}candle/train/good/0000.JPG", ()),
    ]


def test_the_published_counts_add_up() -> None:
    assert sum(normal for normal, _ in COUNTS.values()) == 9621 and len(COUNTS) == 12
