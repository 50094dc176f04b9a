"""Data at a URI: the same images as in a folder, each fetched once, by the machine that reads it."""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from datasets import mirror
from datasets.catalog import find_dataset
from datasets.frame import Frame
from datasets.images import load
from datasets.readers.synthetic import write_files
from datasets.sample import DataError

FRAME = Frame(16, 16)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """This machine's, new for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mirror, "_MIRRORS", {})
    return tmp_path / "cache" / "defectsweep" / "data"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("drawn")
    write_files(root, 16)
    return root


@pytest.fixture
def parts(drawn, tmp_path) -> Path:
    """A few pictures of two categories, which a test may change."""
    for name in ("board", "fabric"):
        for folder in ("train/good", "test/good", "test/hole" if name == "fabric" else "test/crack"):
            found = sorted((drawn / name / folder).glob("*.png")) if (drawn / name / folder).exists() else []
            for picture in found[:3]:
                place = tmp_path / "parts" / name / folder / picture.name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, place)
    return tmp_path / "parts"


def uri(folder: Path) -> str:
    return f"file://{folder}"


def again() -> None:
    """As a process that starts later does."""
    mirror._MIRRORS.clear()


def fetched(cache: Path) -> list[str]:
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*.png") if path.stat().st_mode & 0o400)


def test_the_images_are_those_of_the_folder(parts):
    there, here = (load("folder", root, "fabric", FRAME) for root in (uri(parts), str(parts)))
    assert there.data_hash == here.data_hash and there.samples == here.samples
    np.testing.assert_array_equal(there.pixels, here.pixels)


def test_only_what_is_read_is_fetched(parts, cache):
    source = find_dataset("folder")
    assert source.find_categories(uri(parts)) == ["board", "fabric"]
    samples = source.scan(uri(parts), "fabric")
    assert fetched(cache) == []
    load("folder", uri(parts), "fabric", FRAME)
    assert len(fetched(cache)) == len(samples) and all("/fabric/" in path for path in fetched(cache))


def test_each_picture_is_fetched_once_and_again_when_it_is_another(parts, monkeypatch):
    first = load("folder", uri(parts), "fabric", FRAME)
    puts = []
    monkeypatch.setattr(mirror, "_put", lambda path, data, *of: puts.append(path.name) if data else None)
    again()
    assert load("folder", uri(parts), "fabric", FRAME).data_hash == first.data_hash and puts == []
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(parts.parent / "cache"))
    good = sorted((parts / "fabric" / "train" / "good").iterdir())
    shutil.copy(good[1], good[0])
    good[2].unlink()
    again()
    there, here = (load("folder", root, "fabric", FRAME) for root in (uri(parts), str(parts)))
    assert there.data_hash == here.data_hash != first.data_hash


def test_a_folder_that_is_gone_is_no_category(parts):
    source = find_dataset("folder")
    source.find_categories(uri(parts))
    shutil.rmtree(parts / "board")
    again()
    assert source.find_categories(uri(parts)) == ["fabric"]


def test_within_a_minute_a_uri_is_listed_once(parts):
    source = find_dataset("folder")
    source.find_categories(uri(parts))
    shutil.rmtree(parts / "board")
    assert source.find_categories(uri(parts)) == ["board", "fabric"]


def test_a_list_of_pictures_at_a_uri(parts):
    pictures = sorted(path.relative_to(parts) for path in parts.rglob("*.png") if "fabric" in path.parts)
    lines = [f"{path},{int('hole' in path.parts)}" for path in pictures]
    (parts / "list.csv").write_text("\n".join(["path,label", *lines]))
    there, here = (find_dataset("manifest").scan(f"{root}/list.csv", "list") for root in (uri(parts), parts))
    assert there == here and len(there) == len(pictures)
    assert there[0].size_bytes > 0, "as listed"


def test_over_http(parts):
    handler = partial(SimpleHTTPRequestHandler, directory=str(parts))
    handler.log_message = lambda *args: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = load("folder", f"http://127.0.0.1:{server.server_port}", "fabric", FRAME)
        server.shutdown()
    assert there.data_hash == load("folder", str(parts), "fabric", FRAME).data_hash


@pytest.mark.parametrize(
    ("root", "found"),
    [
        ("file:///no/such/folder", "no such folder|No such file|not found"),
        ("ftpx://host/parts", "ftpx"),
        ("s3://", "data root s3://:"),
    ],
)
def test_a_place_that_is_none_is_one_line(root, found):
    with pytest.raises(DataError, match=found) as said:
        find_dataset("folder").find_categories(root)
    assert "\n" not in str(said.value) and "check --data-root" in str(said.value)


def test_a_picture_that_cannot_be_fetched_is_no_unreadable_picture_that_may_be_skipped(parts):
    samples = find_dataset("folder").scan(uri(parts), "fabric")
    (parts / samples[0].path).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load("folder", uri(parts), "fabric", FRAME, skip_unreadable=True)


def test_a_full_disk_is_one_line_and_no_picture_is_left_out_for_it(parts, monkeypatch):
    def full(path, data, *of):
        raise OSError(28, "No space left on device")

    source = find_dataset("folder")
    source.find_categories(uri(parts))
    monkeypatch.setattr(mirror, "_put", full)
    with pytest.raises(DataError, match="kept here: No space left"):
        load("folder", uri(parts), "fabric", FRAME, skip_unreadable=True)
    shutil.rmtree(parts.parent / "cache")
    again()
    with pytest.raises(DataError, match="its copy in .* cannot be written: No space left"):
        source.find_categories(uri(parts))


def test_an_empty_picture_is_unreadable_as_in_a_folder(parts):
    (picture, *_) = sorted((parts / "fabric" / "train" / "good").iterdir())
    picture.write_bytes(b"")
    os.utime(picture, (1, 1))
    with pytest.raises(DataError, match="the file is empty"):
        load("folder", uri(parts), "fabric", FRAME)
