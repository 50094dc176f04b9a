"""A list of pictures: its columns, its two formats, and what is said where it makes no sense."""

import csv

import pyarrow
import pyarrow.parquet
import pytest

from datasets.catalog import find_dataset
from datasets.frame import Frame
from datasets.images import load
from datasets.readers.manifest import find_categories, scan
from datasets.sample import DataError


@pytest.fixture
def write(tmp_path, save):
    """Writes a list, and the pictures that it names."""

    def write(*lines: dict, name: str = "manifest.csv"):
        save(*(path for line in lines for path in (line["path"], line.get("mask")) if path))
        columns = list(dict.fromkeys(column for line in lines for column in line))
        if name.endswith(".parquet"):
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(lines)), tmp_path / name)
        else:
            with open(tmp_path / name, "w", newline="") as file:
                table = csv.DictWriter(file, columns)
                table.writeheader()
                table.writerows(lines)
        return tmp_path / name

    return write


def test_all_columns(write) -> None:
    root = write(
        dict(path="day1/1.png", label="good", category="cups", split="train", group="cup 1"),
        dict(path="day1/2.png", label="Bad", category="cups", split="test", defect="dent", mask="masks/2.png"),
        dict(path="day2/1.png", label="1", category="lids", split="validation"),
    )
    assert find_categories(root.parent) == ["cups", "lids"]
    assert [(s.path, s.label, s.defect, s.part, s.group, s.masks) for s in scan(root, "cups")] == [
        ("day1/1.png", 0, "good", "train", "cup 1", ()),
        ("day1/2.png", 1, "dent", "test", "day1/2.png", ("masks/2.png",)),
    ]


def test_path_and_label_do(write) -> None:
    root = write(dict(path="a.png", label="0"), dict(path="b.png", label="1"), name="line 3.csv")
    assert find_categories(root) == ["line 3"]
    assert [(s.label, s.defect, s.part) for s in scan(root, "line 3")] == [(0, "good", None), (1, "bad", None)]


def test_a_parquet_file_with_whole_numbers_and_nothing(write) -> None:
    root = write(
        dict(path="a.png", label=0, defect=None), dict(path="b.png", label=1, defect="dent"), name="manifest.parquet"
    )
    assert [(s.label, s.defect) for s in scan(root.parent, "manifest")] == [(0, "good"), (1, "dent")]


def test_the_file_itself_may_be_the_root_of_all_that_reads_it(write) -> None:
    root = write(dict(path="a.png", label="0"), dict(path="b.png", label="1"), name="line 3.csv")
    images = load("manifest", str(root), "line 3", Frame(6, 6))
    assert len(images.samples) == 2
    assert find_dataset("manifest").aspect(str(root), images.samples) == 1


def test_spreadsheets_put_a_mark_before_the_first_column(write) -> None:
    root = write(dict(path="a.png", label="0"))
    root.write_bytes(b"\xef\xbb\xbf" + root.read_bytes())
    assert len(scan(root, "manifest")) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([dict(path="a.png", label="fine")], "picture 1: label is 'fine'; expected 0, good, 1, bad; correct it"),
        ([dict(path="a.png", label="0", split="dev")], "split is 'dev'; expected train, validation, test, or nothing"),
        ([dict(path="a.png", verdict="0")], "has no column 'label', only: .*; expected path and label; rename one"),
        ([dict(path="a.png", label="0")] * 2, "names a.png more than once; expected each picture once"),
        (
            [dict(path="a.png", label="0", split="train"), dict(path="b.png", label="1")],
            "1 of 2 pictures have no split, the first b.png; expected one for all or for none",
        ),
        ([dict(path="a.png", label="1")], "has no normal training image, only: bad"),
    ],
)
def test_what_makes_no_sense_is_one_line(write, lines, message) -> None:
    with pytest.raises(DataError, match=message) as caught:
        scan(write(*lines), "manifest")
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_are_counted(write) -> None:
    root = write(dict(path="a.png", label="0"), dict(path="b.png", label="0"), dict(path="c.png", label="0"))
    for name in ("b.png", "c.png"):
        (root.parent / name).unlink()
    with pytest.raises(DataError, match="names 2 files that are not there, the first b.png; expected paths relative"):
        scan(root, "manifest")


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet"])
def test_a_file_that_is_no_table_is_one_line(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00 no table\n" * 40)
    with pytest.raises(DataError, match=f"cannot read .*{name}: .*; expected CSV in UTF-8, or Parquet") as caught:
        find_categories(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_list(tmp_path, save) -> None:
    save("a.png")
    with pytest.raises(DataError, match="no manifest.csv or manifest.parquet in .*; use --data-root FILE"):
        find_categories(tmp_path)
