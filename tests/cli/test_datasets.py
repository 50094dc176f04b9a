"""`datasets check`: what it prints of sound and of unsound trees, and how it ends."""

import re

import numpy as np
import pytest
from PIL import Image

from orchestrator.cli import main


@pytest.fixture
def root(tmp_path):
    """cups can be used; lids have too few images, and rims a broken one."""
    rng = np.random.default_rng(0)
    for category, good, bad in (("cups", 8, 4), ("lids", 1, 1), ("rims", 8, 4)):
        for kind, count in (("good", good), ("bad", bad)):
            for i in range(count):
                path = tmp_path / "parts" / category / kind / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 255, (12, 9), dtype=np.uint8)).save(path)
    (tmp_path / "parts/rims/good/3.png").write_bytes(b"broken")
    return tmp_path / "parts"


def check(root, *more):
    return main(["datasets", "check", "folder", "--data-root", str(root), *more])


def test_it_goes_on_after_a_category_that_cannot_be_used_and_ends_with_a_table(root, capsys):
    assert check(root) == 2
    printed = capsys.readouterr().out
    assert "cups: read as good: good/ 8; as defective: bad/ 4" in printed
    assert re.search("lids cannot be used: .* has 1 normal and 1 defective images", printed)
    assert re.search("rims cannot be used: .* rims/good/3.png", printed)
    lines = printed.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("category ")) + 1 :]
    assert [line.split()[0] for line in table[:3]] == ["cups", "lids", "rims"]
    assert re.search(r"8 \+ 4 +4 \+ 0 +2 \+ 2 +2 \+ 2 +no +9 x 12 +L 12 +0 +none +bad 4", table[0])
    assert lines[-1] == "protocol holdout cannot use 2 of 3 categories"


def test_a_category_alone(root, capsys):
    assert check(root, "--category", "cups") == 0
    printed = capsys.readouterr().out
    assert "lids" not in printed and printed.splitlines()[-1].endswith("can be split by protocol holdout")


def test_another_name_of_the_good_folder(root, capsys):
    (root / "cups/good").rename(root / "cups/Gut")
    assert check(root, "--category", "cups", "--normal-folder", "gut") == 0
    assert "cups: read as good: Gut/ 8; as defective: bad/ 4" in capsys.readouterr().out


def test_by_another_protocol(root, capsys):
    (root / "cups/bad/1.png").unlink()
    for i in (2, 3):
        (root / f"cups/bad/{i}.png").unlink()
    assert check(root, "--category", "cups") == 2
    assert check(root, "--category", "cups", "--protocol", "synthetic") == 0
    assert check(root, "--protocol", "synthetc") == 2
    assert "Did you mean 'synthetic'?" in capsys.readouterr().err


def test_by_so_many_folds(root, capsys):
    assert check(root, "--category", "cups", "--protocol", "crossfit", "--folds", "4") == 0
    assert check(root, "--category", "cups", "--protocol", "crossfit", "--folds", "9") == 2
    assert "fill 4 folds, and --folds 9 is asked for; lower it, or add" in capsys.readouterr().out
    assert check(root, "--category", "cups", "--folds", "9") == 2
    assert "--folds 9 is of --protocol crossfit" in capsys.readouterr().err


def test_the_protocol_that_the_pictures_allow(root, capsys):
    assert check(root, "--category", "cups", "--protocol", "auto") == 0
    printed = capsys.readouterr().out
    assert "protocol auto: synthetic, as cups has 4 good pictures beside those that train" in printed
    assert printed.splitlines()[-1].endswith("can be split by protocol synthetic")


def test_cues_modes_and_copies_are_columns(root, capsys):
    for i in range(6):
        save = Image.fromarray(np.full((12, 9, 3), 250 + i % 2, np.uint8)).save
        save(root / f"cups/bad/{i}.png")
    assert check(root, "--category", "cups") == 0
    assert re.search(r"9 x 12 +L 8, RGB 6 +4 +mean brightness 1.000 +bad 6", capsys.readouterr().out)


def test_copies_of_training_pictures_in_the_test_part_are_counted(root, capsys):
    for part in ("train", "test"):
        (root / f"cups/{part}/good").mkdir(parents=True)
    for i in range(8):
        (root / f"cups/good/{i}.png").rename(root / f"cups/{'train' if i < 4 else 'test'}/good/{i}.png")
    (root / "cups/good").rmdir()
    (root / "cups/bad").rename(root / "cups/test/bad")
    (root / "cups/test/good/9.png").write_bytes((root / "cups/train/good/0.png").read_bytes())
    assert check(root, "--category", "cups") == 0
    assert "1, 1 of train in test" in capsys.readouterr().out


def test_at_the_size_of_a_run(root, tmp_path):
    for size_px in ("16", "48"):
        assert check(root, "--category", "cups", "--size-px", size_px, "--montage", str(tmp_path / "cups.png")) == 0
        with Image.open(tmp_path / "cups.png") as sheet:
            assert sheet.width == 6 * (int(size_px) + 4) + 4, "the shorter side of an upright picture"


def test_a_picture_under_good_and_bad_names_both(root, capsys):
    (root / "cups/bad/9.png").write_bytes((root / "cups/good/5.png").read_bytes())
    assert check(root, "--category", "cups") == 2
    assert re.search("cups/good/5.png, read as good, and cups/bad/9.png, read as defective", capsys.readouterr().out)


def test_a_montage(root, tmp_path, capsys):
    assert check(root, "--category", "cups", "--montage", str(tmp_path / "cups.png")) == 0
    assert f"drew {tmp_path / 'cups.png'}" in capsys.readouterr().out
    with Image.open(tmp_path / "cups.png") as sheet:
        assert sheet.width > 6 * 192 and sheet.height > 2 * 192
    assert check(root, "--category", "cups", "--montage", str(tmp_path / "none/cups.png")) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_run_names_the_category_that_cannot_be_used_and_leaves_it_out_when_told_to(root, tmp_path, capsys):
    out = str(tmp_path / "out")
    words = ["run", "--backend", "local", "--dataset", "folder", "--data-root", str(root), "--output", out]
    words += ["--model", "mean_image", "--size-px", "32"]
    assert main(words) == 2
    message = capsys.readouterr().err
    assert "folder/lids" in message and "So it is with rims. --skip-categories leaves out" in message
    assert main([*words, "--skip-categories"]) == 0
    printed = capsys.readouterr().out
    assert "left out lids: folder/lids has 1 normal" in printed and "left out rims: " in printed
    assert "1 job done" in printed


def test_with_no_category_left_there_is_nothing_to_leave_out(root, capsys):
    assert main(["run", "--backend", "local", "--dataset", "folder", "--data-root", str(root / "lids"),
                 "--output", str(root / "out"), "--skip-categories"]) == 2  # fmt: skip
    assert "--skip-categories" not in capsys.readouterr().err
