"""A disk that is full, read-only or slow, from the start or in the middle of a run. Real disks, in memory."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.results.storage import Storage


class Disk:
    """A disk of its own, in a mount namespace of its own, which ends with the process that holds it."""

    def __init__(self, place: Path, size_mb: int):
        mount = f"mount -t tmpfs -o size={size_mb}m disk {place} && echo mounted && cat"
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.is_mounted = self.holder.stdout.readline() == b"mounted\n"
        self.place, self.folder = place, Path(f"/proc/{self.holder.pid}/root{place}")
        self.root = str(self.folder / "out")

    def fill(self, free_bytes: int = 0) -> None:
        left = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
        (self.folder / "filler").write_bytes(bytes(left - free_bytes))

    def empty(self) -> None:
        (self.folder / "filler").unlink()

    def allow(self, access: str) -> None:
        """`access` is ro or rw."""
        inside = ["nsenter", "--mount", "--target", str(self.holder.pid)]
        subprocess.run([*inside, "mount", "-o", f"remount,{access}", str(self.place)], check=True)

    def close(self) -> None:
        self.holder.stdin.close()
        self.holder.wait()


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    if os.geteuid() or not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("only root may mount a disk, with unshare and nsenter")
    (tmp_path / "disk").mkdir()
    disk = Disk(tmp_path / "disk", size_mb=160)
    if not disk.is_mounted:
        pytest.skip("root may not mount a disk here")
    yield disk
    disk.close()


@pytest.fixture
def just_before(monkeypatch) -> Callable[[str, Callable[[], None]], None]:
    """Does something once, at the moment before a file whose path matches is written."""

    def arrange(pattern: str, act: Callable[[], None]) -> None:
        write, left = Storage.write, [act]

        def watched(self: Storage, data: bytes, *parts: str) -> None:
            if left and re.search(pattern, "/".join(parts)):
                left.pop()()
            write(self, data, *parts)

        monkeypatch.setattr(Storage, "write", watched)

    return arrange


def arguments(data: Path, output: str, *more: str) -> list[str]:
    """A run of two jobs, the second with two trials and a checkpoint of 60 MB."""
    return [
        "run", "--backend", "local", "--dataset", "folder", "--data-root", str(data), "--category", "fabric",
        "--model", "mean_image", "--model", "skip_ganomaly", "--size-px", "32", "--epochs", "2", "--trials", "2",
        "--output", output, *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def expected(few_images, plain_rows, tmp_path_factory) -> dict[str, list]:
    root = str(tmp_path_factory.mktemp("local"))
    assert main(arguments(few_images, root)) == 0
    return plain_rows(root)


def last_words(capsys) -> str:
    """The one line that a run which was ended says."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("defectsweep: ")
    return line


MIDDLE = {  # of a run: each file that it writes
    "a claim": "claims/",
    "a note": "experiments/",
    "the first row": "trials/.*-t0000",
    "a later row": "trials/.*skip_ganomaly.*-t0001",
    "a small checkpoint": "checkpoints/.*mean_image.*weights.pt",
    "a large checkpoint": "checkpoints/.*skip_ganomaly.*weights.pt",
    "the scores": "scores/",
    "the pictures": "pictures/",
    "a job's row": "leaderboard/.*skip_ganomaly",
    "a job's merged trials": r"trials/.*[0-9a-f]\.parquet(?<!-t\d{4}\.parquet)",
}


# -- full


@pytest.mark.parametrize("moment", MIDDLE)
def test_a_disk_that_is_full_ends_the_run_in_one_line_and_the_same_command_goes_on(
    moment, disk, just_before, few_images, expected, plain_rows, capsys
):
    large = 4 << 20 if moment == "a large checkpoint" else 0  # so that it is torn when the disk is full
    just_before(MIDDLE[moment], lambda: disk.fill(large))
    assert main(arguments(few_images, disk.root)) == 1
    line = last_words(capsys)
    assert f"--output {disk.root}: No space left on device, while writing " in line and "is kept" in line
    kept = plain_rows(disk.root)
    assert all(row in expected[kind] for kind in kept for row in kept[kind])
    assert not list(disk.folder.rglob("*.tmp")), "what was torn is gone"
    disk.empty()
    assert main(arguments(few_images, disk.root)) == 0
    assert plain_rows(disk.root) == expected


def test_a_disk_that_is_full_from_the_start_is_one_line_and_nothing_is_trained(disk, few_images, capsys):
    disk.fill()
    assert main(arguments(few_images, disk.root)) == 2
    assert "cannot be written (No space left on device). Name a folder that can." in last_words(capsys)


def test_without_room_for_its_state_a_training_goes_on(
    disk, just_before, few_images, expected, plain_rows, capsys, caplog
):
    just_before("resume/", lambda: disk.fill(256 << 10))
    try:
        status = main(arguments(few_images, disk.root, "--checkpoint-minutes", "0"))
    finally:
        disk.empty()
    assert "was not saved (No space left on device)" in caplog.text
    assert status == 1  # the winner's weights are as large
    assert main(arguments(few_images, disk.root)) == 0
    assert plain_rows(disk.root) == expected
    assert not Storage(disk.root).files("resume")


# -- read-only


def test_a_read_only_disk_is_one_line_and_nothing_is_trained(disk, few_images, capsys):
    disk.allow("ro")
    assert main(arguments(few_images, disk.root)) == 2
    assert f"--output {disk.root} cannot be written (Read-only file system)" in last_words(capsys)


@pytest.mark.parametrize("moment", ["a claim", "a later row", "a large checkpoint", "a job's merged trials"])
def test_a_disk_that_turns_read_only_ends_the_run_in_one_line_and_the_same_command_goes_on(
    moment, disk, just_before, few_images, expected, plain_rows, capsys
):
    just_before(MIDDLE[moment], lambda: disk.allow("ro"))
    assert main(arguments(few_images, disk.root)) == 1
    assert "Read-only file system, while writing " in last_words(capsys)
    disk.allow("rw")
    shutil.rmtree(disk.folder / "out" / "claims", ignore_errors=True)  # as if this process, which could not, had ended
    assert main(arguments(few_images, disk.root)) == 0
    assert plain_rows(disk.root) == expected


def test_rows_on_a_read_only_disk_are_read_and_not_compacted(disk, few_images, expected, plain_rows, tmp_path, capsys):
    assert main(arguments(few_images, disk.root)) == 0
    disk.allow("ro")
    for verb in (["leaderboard"], ["leaderboard", "--sql", "FROM scores"], ["figures", "--to", str(tmp_path / "to")]):
        assert main([*verb, "--output", disk.root]) == 0
    capsys.readouterr()
    assert main(["compact", "--output", disk.root]) == 2
    assert "cannot be written (Read-only file system)" in last_words(capsys)
    assert plain_rows(disk.root) == expected


# -- slow


def test_a_run_on_a_slow_disk_ends_as_on_a_fast_one(few_images, expected, plain_rows, tmp_path, monkeypatch):
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (time.sleep(0.1), sync(descriptor)))
    assert main(arguments(few_images, str(tmp_path))) == 0
    assert plain_rows(str(tmp_path)) == expected
