"""Whole files below a root of any kind: what is written is whole or not there, and a fault is one line."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator import CHECKOUT
from orchestrator.cli import main
from orchestrator.errors import InputError, RunError
from orchestrator.results import storage as storage_module
from orchestrator.results.compaction import LEFTOVER_S, compact
from orchestrator.results.output import Output
from orchestrator.results.storage import Storage

SMALL = ["--backend", "local", "--model", "mean_image", "--size-px", "32", "--trials", "1", "--epochs", "1"]


@pytest.fixture(params=["path", "file URI", "object store"])
def storage(request, tmp_path) -> Storage:
    """The three kinds of roots: a local folder, the same as a URI, and a file system that only has whole writes."""
    root = {"path": str(tmp_path / "out"), "file URI": f"file://{tmp_path}/out", "object store": "mock://bucket/out"}
    return Storage(root[request.param]).create()


def all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# -- files


def test_a_file_comes_back_and_a_second_one_replaces_it(storage):
    assert storage.read("a", "b.bin") is None
    for content in (b"first", b"second \x00\xff", b""):
        storage.write(content, "a", "b.bin")
        assert storage.read("a", "b.bin") == content
    assert [info.base_name for info in storage.files()] == ["b.bin"] and storage.info("a", "b.bin").size == 0


def test_each_folder_that_is_made_on_the_way_is_synced_in_its_parent(tmp_path, monkeypatch):
    """Else a power cut may take the folder, with the file that was synced in it."""
    synced = []
    monkeypatch.setattr(storage_module, "_sync_folder", synced.append)
    storage = Storage(str(tmp_path / "deep" / "out"))
    storage.write(b"", "a", "b.bin")
    assert synced == [tmp_path, tmp_path / "deep", tmp_path / "deep" / "out", tmp_path / "deep" / "out" / "a"]
    synced.clear()
    storage.write(b"", "a", "c.bin")
    assert synced == [tmp_path / "deep" / "out" / "a"]


def test_files_are_listed_in_the_order_of_their_paths_without_those_in_the_making(storage):
    for name in ("b", "a/z", ".a.0.tmp", "a/.hidden", "c"):
        storage.write(b"", name)
    assert [info.path.removeprefix(storage.base) for info in storage.files()] == ["/a/z", "/b", "/c"]
    assert [info.base_name for info in storage.files("a")] == ["z"] and storage.files("none") == []


def test_what_is_removed_is_gone_and_may_be_gone_before(storage):
    storage.write(b"", "a", "b")
    storage.write(b"", "c", "d")
    for _ in range(2):
        storage.delete("a", "b")
        storage.delete_folder("c")
    assert storage.files() == []


def test_proving_that_it_can_be_written_leaves_nothing_but_the_folder(tmp_path):
    Storage(str(tmp_path / "a" / "out")).create()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "out"]


@pytest.mark.parametrize("name", ["plain", "with space", "100%", "a%20b", "ü", "q?x=1", "semi;colon", "trailing "])
def test_a_folder_of_any_name_is_that_folder(name, tmp_path):
    Storage(f"{tmp_path}/{name}/").write(b"x", "file")
    assert all_files(tmp_path) == [tmp_path / name / "file"]


def test_the_ways_to_write_a_folder_mean_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    whole = [f"{tmp_path}/a b", f"file://{tmp_path}/a%20b", f"file://{tmp_path}/a%20b/"]
    roots = ["a b", "a b/", "./a b//", "~/a b", *whole]
    assert {Storage(root).base for root in roots} == {str(tmp_path / "a b")}


def test_a_uri_keeps_its_options_when_a_path_is_added():
    assert Storage("mock://bucket/out/?time=0").uri("ray", "train") == "mock://bucket/out/ray/train?time=0"


# -- roots that can be no place


@pytest.mark.parametrize(
    ("root", "why"),
    [
        ("", "names no place"),
        (" ", "names no place"),
        ("s3://", "names no place"),
        ("s3:///out", "Missing bucket name"),
        ("a\0b", "has a zero byte in it"),
        ("file:///a%00b", "has a zero byte in it"),
        ("out\udcff", "is not UTF-8"),
        ("~nobody-of-this-name/out", "Could not determine home directory"),
        ("ftp://host/out", "Unrecognized filesystem type"),
        ("file:// a b", "Cannot parse URI"),
        ("s3://bucket/out?nonsense=1", "Unexpected query parameter"),
    ],
)
def test_a_root_that_can_be_no_place_is_one_line(root, why, capsys):
    with pytest.raises(InputError, match=why):
        Storage(root)
    for verb in (["run", *SMALL], ["leaderboard"], ["compact"], ["figures"]):
        assert main([*verb, "--output", root]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert why in line and line.endswith("A path, s3:// or gs:// is expected.") and line.isprintable()


def test_a_root_with_a_zero_byte_in_a_file_of_flags_is_one_line(tmp_path, capsys):
    (tmp_path / "flags.yaml").write_text('output: "a\\0b"\n')
    assert main(["run", *SMALL, "--config", str(tmp_path / "flags.yaml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(r"defectsweep: --output 'a\x00b': has a zero byte in it.")


@pytest.mark.parametrize("prefix", ["", "file://"])
@pytest.mark.parametrize("below", ["file", "file/out"])
def test_a_root_that_is_a_file_cannot_be_written_and_the_file_stays(prefix, below, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError) as caught:
        Storage(f"{prefix}{tmp_path}/{below}").create()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"--output {prefix}{tmp_path}/{below} cannot be written")
    assert (tmp_path / "file").read_text() == "in the way"


# -- whole files only


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(storage):
    storage.write(b"old", "a", "file")
    with pytest.raises(TypeError):
        storage.write("not bytes", "a", "file")
    assert storage.read("a", "file") == b"old"
    assert [info.base_name for info in storage.listing() if info.is_file] == ["file"]


ENDLESS = """
import sys
from orchestrator.results.storage import Storage
storage, content = Storage(sys.argv[1]), b"x" * (256 << 20)
while True:
    storage.write(content, "large")
"""


def killed_in_a_write(folder: Path) -> Path:
    """The file that a process was writing when it was killed, half a file of 256 MB or less."""
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(folder)], cwd=CHECKOUT)
    try:
        while not (begun := [path for path in folder.glob(".large.*.tmp") if path.stat().st_size]):
            assert process.poll() is None
            time.sleep(0.001)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return begun[0]


def test_a_file_that_a_kill_has_cut_short_is_never_read_and_compact_removes_it_after_an_hour(tmp_path):
    Storage(str(tmp_path)).write(b"old", "large")
    torn = killed_in_a_write(tmp_path)
    assert torn.exists() and torn.stat().st_size < 256 << 20
    output = Output(str(tmp_path))
    assert output.read("large") == b"old" and [info.base_name for info in output.files()] == ["large"]
    list(compact(output))
    assert torn.exists(), "it may still be being written"
    old = time.time() - LEFTOVER_S - 1
    os.utime(torn, (old, old))
    assert list(compact(output))[-1] == "1 unfinished files of killed processes removed"
    assert all_files(tmp_path) == [tmp_path / "large"]


# -- faults


def test_a_fault_of_the_storage_is_one_line_that_says_what_was_being_done(tmp_path):
    (tmp_path / "out").mkdir()
    storage = Storage(str(tmp_path / "out"))
    (tmp_path / "out" / "file").write_text("in the way")
    deeds = {
        "writing file/x": lambda: storage.write(b"", "file", "x"),
        "reading file/x": lambda: storage.read("file", "x"),
        "removing file/x": lambda: storage.delete("file", "x"),
    }
    for deed, act in deeds.items():
        with pytest.raises(RunError) as caught:
            act()
        (line,) = str(caught.value).splitlines()
        assert line.startswith(f"--output {storage.root}: ") and f", while {deed}. Every row that was finished" in line


@pytest.mark.parametrize("verb", [["leaderboard"], ["leaderboard", "--sql", "FROM trials"], ["figures"], ["compact"]])
@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_a_store_that_nobody_answers_for_is_one_line(kind, verb, monkeypatch, capsys):
    monkeypatch.setattr(storage_module, "S3_ATTEMPTS", 2)
    monkeypatch.setattr(storage_module, "GS_PATIENCE", storage_module.timedelta(seconds=1))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with socket.socket() as closed:  # bound, and not listening
        closed.bind(("127.0.0.1", 0))
        place = f"{'anonymous@' * (kind == 'gs')}bucket/out?scheme=http"
        uri = f"{kind}://{place}&endpoint_override=127.0.0.1%3A{closed.getsockname()[1]}"
        assert main([*verb, "--output", uri]) == 1
    shown, line = capsys.readouterr()
    assert shown == "" and len(line.splitlines()) == 1
    assert line.startswith(f"defectsweep: --output {uri}: ") and ", while listing " in line


def test_a_name_too_long_for_any_folder_is_one_where_nothing_is(tmp_path):
    assert Storage(str(tmp_path)).listing("a" * 300) == []
