"""Pictures that are not square, from the files to a program of their detector, in each way that they can be seen."""


import numpy as np
import pytest
import torch
from PIL import Image

from orchestrator.cli import main
from orchestrator.results.output import Output

FITTED = {  # fit, model -> height, width, side of the tiles
    ("aspect", "patch_gaussian"): (80, 32, None),
    ("aspect", "ganomaly"): (80, 32, 32),
    ("tile", "patch_gaussian"): (80, 32, 32),
    ("letterbox", "ganomaly"): (32, 32, None),
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> str:
    """A folder of noise, 40 wide and 100 high, with a black bar in what is defective, and masks of the bars."""
    root, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    for kind, count in (("good", 24), ("barred", 12)):
        for i in range(count):
            pixels = rng.integers(100, 200, (100, 40, 3), dtype=np.uint8)
            mask = np.zeros((100, 40), np.uint8)
            if kind == "barred":
                top = int(rng.integers(85))
                pixels[top : top + 15, 5:30], mask[top : top + 15, 5:30] = 0, 255
                write(root / "bars" / "ground_truth" / kind / f"{i}_mask.png", mask)
            write(root / "bars" / kind / f"{i}.png", pixels)
    return str(root)


def write(path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(("fit", "model"), FITTED)
def test_the_row_says_what_the_detector_saw_and_its_verdicts_are_of_whole_pictures(parts, fit, model, tmp_path, capsys):
    height, width, tile_px = FITTED[fit, model]
    out, judged, program = str(tmp_path / "out"), tmp_path / "judged", tmp_path / "detector.pt2"
    asked = f"--dataset folder --data-root {parts} --model {model} --fit {fit} --size-px 32 --backend local"
    assert main(["run", *asked.split(), *"--trials 1 --epochs 1 --steps-per-epoch 2".split(), "--output", out]) == 0
    (row,) = Output(out).jobs()
    assert (row.fit, row.height_px, row.width_px, row.tile_px) == (fit, height, width, tile_px)
    assert row.mask_px == 40 and 0 <= row.au_pro <= 1, "by masks at the pictures' own size"
    if model == "patch_gaussian":
        assert row.test_auc == 1.0 and row.pixel_auroc > 0.9
    assert main(["predict", f"{parts}/bars", "--output", out, "--to", str(judged), "--export", str(program)]) == 0
    assert str(program) in capsys.readouterr().out
    size = Image.open(next((judged / "heat-maps").rglob("*.png"))).size
    assert size[1] > 256, "the picture's own proportions: twice as high as a square of its width"
    _, _, maps = torch.export.load(program).module()(torch.zeros((1, 100, 40, 3), dtype=torch.uint8))
    assert maps.shape[1] / maps.shape[2] == pytest.approx(100 / 40, abs=0.1)


def test_a_picture_of_other_proportions_than_its_category_lies_between_bars(parts, tmp_path, capsys):
    out = str(tmp_path / "out")
    asked = f"--dataset folder --data-root {parts} --model patch_gaussian --size-px 32 --backend local --output {out}"
    assert main(["run", *asked.split()]) == 0
    write(tmp_path / "wide.png", np.full((50, 100, 3), 150, np.uint8))
    assert main(["predict", str(tmp_path / "wide.png"), "--output", out, "--to", str(tmp_path / "judged")]) == 0
    assert "1 picture" in capsys.readouterr().out


def test_categories_of_different_proportions_share_a_run(parts, tmp_path, capsys):
    root = tmp_path / "two"
    rng = np.random.default_rng(1)
    for kind in ("good", "bad"):
        for i in range(12):
            write(root / "wide" / kind / f"{i}.png", rng.integers(0, 255, (20, 60, 3), dtype=np.uint8))
            write(root / "square" / kind / f"{i}.png", rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    out = str(tmp_path / "out")
    asked = f"--dataset folder --data-root {root} --model patch_gaussian --size-px 32 --backend local --output {out}"
    assert main(["plan", *asked.split(), "--probe"]) == 0
    assert "32 x 96" in capsys.readouterr().out
    assert main(["run", *asked.split()]) == 0
    assert {(row.category, row.height_px, row.width_px) for row in Output(out).jobs()} == {
        ("wide", 32, 96), ("square", 32, 32),
    }  # fmt: skip
