"""Pictures in a camera's dump: all of them, each once, each with a name of its own."""

import os
from pathlib import Path

import pytest

from datasets.loose_pictures import find
from datasets.sample import DataError


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(*paths: str | Path) -> None:
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(*places: str) -> list[tuple[str, str]]:
    return [(picture.path, picture.name) for picture in find(places, "heat-maps", "predictions.parquet").pictures]


def test_a_folder_is_looked_into_at_any_depth_and_only_pictures_are_taken(home):
    put("dump/b.JPG", "dump/a.png", "dump/2025/01/c.tiff", "dump/2025/x.webp", "dump/y.bmp", "dump/z.jpeg")
    put("dump/notes.txt", "dump/2025/Thumbs.db", "dump/2025/._c.tiff", "dump/.hidden.png", "dump/.trash/d.png")
    dump = find(["dump"], "heat-maps", "predictions.parquet")
    names = ["a.png", "b.JPG", "y.bmp", "z.jpeg", "2025/x.webp", "2025/01/c.tiff"]
    assert [picture.name for picture in dump.pictures] == names
    assert [picture.path for picture in dump.pictures] == [f"dump/{name}" for name in names]
    assert dump.others == 4


def test_a_file_that_is_named_is_taken_whatever_it_is_called(home):
    put("picture", "dump/.a.png")
    assert found("picture", "dump/.a.png") == [("picture", "picture"), ("dump/.a.png", ".a.png")]


def test_pictures_of_several_folders_are_named_after_them_and_equal_names_are_numbered(home):
    put("mon/1.png", "tue/1.png", "old/mon/1.png", "1.png", "old/1.PNG")
    names = [name for _, name in found("mon", "tue", "old/mon", "1.png", "old/1.PNG")]
    assert names == ["mon/1.png", "tue/1.png", "mon/1-2.png", "1.png", "1-2.PNG"]


def test_no_name_is_both_a_file_and_a_folder(home):
    put("a/x.png", "b/x.png.png/y.png")
    names = [name for _, name in found("a/x.png", "b")]
    assert len(set(names)) == 2
    put("x.png/x.png", "e/x.png")
    names = [name for _, name in found("x.png", "e/x.png")]
    assert names == ["x.png/x.png", "x-2.png"]


def test_a_picture_that_is_reached_twice_is_taken_once(home):
    put("dump/a.png", "dump/2025/b.png")
    os.symlink("2025", "dump/latest")
    assert [path for path, _ in found("dump", "dump/a.png", "./dump", "dump/2025")] == ["dump/a.png", "dump/2025/b.png"]


def test_loops_of_links_end(home):
    put("dump/2025/a.png")
    os.symlink("..", "dump/2025/up")
    os.symlink("self", "dump/self")
    os.symlink("loop.png", "dump/loop.png")
    assert [path for path, _ in found("dump")] == ["dump/loop.png", "dump/2025/a.png"]


def test_a_pipe_is_no_picture_and_a_link_to_nowhere_is_one_that_cannot_be_read(home):
    put("dump/a.png")
    os.mkfifo("dump/pipe.png")
    os.symlink("gone", "dump/link.png")
    assert [path for path, _ in found("dump")] == ["dump/a.png", "dump/link.png"]


def test_what_was_written_by_an_earlier_run_is_not_judged(home):
    """Wherever it lies, in the folder of the pictures too; a folder of that name alone may be anybody's."""
    put("a.png", "predictions/heat-maps/a.png.png", "predictions/predictions.parquet")
    put("other/heat-maps/a.png.png", "other/predictions.parquet", "heat-maps/mine.png")
    assert found(".") == [("./a.png", "a.png"), ("./heat-maps/mine.png", "heat-maps/mine.png")]
    put("predictions.parquet")
    assert found(".") == [("./a.png", "a.png")]


def test_a_name_that_is_no_utf_8_is_escaped_and_a_long_one_cut(home):
    put(os.fsdecode(b"dump/\xff.png"), f"dump/{'x' * 250}.png")
    names = [name for _, name in found("dump")]
    assert names == [f"{'x' * 200}.png", "\\xff.png"]
    for name in names:
        name.encode()


def test_a_name_cannot_lead_out_of_the_folder_that_it_is_used_in(home):
    put("dump/a.png", "dump/sub/b.png")
    os.chdir("dump/sub")
    for _, name in found("..", ".", "../a.png"):
        assert ".." not in Path(name).parts and not os.path.isabs(name)


@pytest.mark.parametrize("place", ["nowhere", "nowhere/*.png"])
def test_a_place_that_is_not_there_is_said(home, place):
    with pytest.raises(DataError, match="is no file or folder"):
        found(place)


def test_no_picture_at_all_is_said(home):
    put("dump/notes.txt")
    with pytest.raises(DataError, match=r"no picture in dump \(1 other files\)"):
        found("dump")
