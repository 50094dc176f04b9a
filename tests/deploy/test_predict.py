"""Judging new pictures: the very scores of test time; every picture a row; one run's results in the folder, whole."""

import csv
import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from orchestrator import cli
from orchestrator.deploy import choose, judging, predict
from orchestrator.results.output import Output

MODELS = ("mean_image", "ganomaly", "sa_skip_ganomaly")


@pytest.fixture(scope="module")
def trained(few_images, tmp_path_factory) -> Path:
    """An output with a detector of each of three models."""
    output = tmp_path_factory.mktemp("trained")
    flags = [word for model in MODELS for word in ("--model", model)]
    flags += ["--size-px", "32", "--epochs", "1", "--steps-per-epoch", "2", "--batch", "8", "--trials", "1"]
    where = ["--dataset", "folder", "--data-root", str(few_images), "--category", "fabric", "--output", str(output)]
    assert cli.main(["run", "--backend", "local", *flags, *where]) == 0
    return output


@pytest.fixture
def judge(trained, tmp_path, monkeypatch, capsys):
    """Runs the verb in a folder of its own on the detector of a model; returns the status, the rows and the lines."""
    monkeypatch.chdir(tmp_path)

    def judge(*words: str, model: str = "mean_image") -> tuple[int, list[dict], str]:
        status = cli.main(["predict", *words, "--output", str(trained), "--model", model])
        table = Path("predictions/predictions.parquet")
        rows = pq.read_table(table).to_pylist() if table.exists() else []
        captured = capsys.readouterr()
        return status, rows, captured.out + captured.err

    return judge


def picture(path: str, size: tuple[int, int] = (40, 30), seed: int = 0, **how) -> np.ndarray:
    """Writes noise of height and width `size`; returns it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **how)
    return pixels


def test_pictures_that_no_longer_look_like_those_of_the_training_are_told_with_the_first_of_them(judge, few_images):
    good = sorted((few_images / "fabric" / "test" / "good").iterdir())
    status, _, told = judge(*map(str, good[:20]))
    assert status == 0 and "learned from" not in told
    for path in good[:20]:
        Path("dark").mkdir(exist_ok=True)
        Image.fromarray(np.asarray(Image.open(path).convert("RGB")) // 3).save(Path("dark", path.name))
    status, rows, told = judge(*map(str, good[:20]), "dark")
    assert status == 0 and len(rows) == 40
    first = f"from {Path('dark', good[0].name)} on, "
    assert f"{first}15 of 20 pictures are darker than those that the detector learned from (brightness 0." in told
    assert told.count(" darker ") == 1


@pytest.mark.parametrize("model", MODELS)
def test_the_test_images_get_the_scores_of_test_time(judge, trained, few_images, model):
    output = Output(str(trained))
    (job,) = (job for job in output.jobs() if job.model == model)
    tested = [row for row in output.table("scores").to_pylist() if row["job_id"] == job.job_id]
    status, rows, _ = judge(*(str(few_images / row["path"]) for row in tested), "--heat-maps", "none", model=model)
    assert status == 0 and [row["path"] for row in rows] == [str(few_images / row["path"]) for row in tested]
    assert [row["score"] for row in rows] == [row["score"] for row in tested]
    flagged = np.array([row["verdict"] == "defective" for row in rows])
    labels = np.array([row["label"] for row in tested])
    assert (flagged == labels).mean() == job.accuracy
    assert (flagged & (labels == 1)).sum() / (labels == 1).sum() == job.recall
    assert {(row["threshold"], row["job_id"], row["model"]) for row in rows} == {(job.threshold, job.job_id, model)}


def test_every_picture_is_a_row_and_what_cannot_be_read_is_said(judge):
    picture("dump/a.png")
    picture("dump/2025/b.jpg", (20, 50))
    Path("dump/empty.png").touch()
    Path("dump/torn.jpg").write_bytes(Path("dump/2025/b.jpg").read_bytes()[:300])
    Path("dump/notes.txt").touch()
    status, rows, lines = judge("dump")
    assert status == 1
    by_path = {row["path"]: row for row in rows}
    assert list(by_path) == ["dump/a.png", "dump/empty.png", "dump/torn.jpg", "dump/2025/b.jpg"]
    assert (by_path["dump/2025/b.jpg"]["height_px"], by_path["dump/2025/b.jpg"]["width_px"]) == (20, 50)
    for name in ("empty.png", "torn.jpg"):
        row = by_path[f"dump/{name}"]
        assert name in row["error"] and row["score"] is row["verdict"] is row["heat_map"] is None
        assert f"dump/{name} cannot be judged" in lines
    assert "4 pictures" in lines and "2 CANNOT BE JUDGED" in lines and "1 other file ignored" in lines
    judged = by_path["dump/a.png"]
    assert [judged["verdict"], f"{judged['score']:.4g}", "dump/a.png"] in [line.split() for line in lines.splitlines()]


def test_the_table_is_the_same_as_csv(judge):
    for i in range(3):
        picture(f"dump/{i}, {i}.png", seed=i)
    Path("dump/torn.png").touch()
    _, rows, _ = judge("dump")
    with open("predictions/predictions.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["path"] for line in lines] == [row["path"] for row in rows]
    assert [float(line["score"]) for line in lines[:3]] == [row["score"] for row in rows[:3]]
    assert (lines[3]["score"], lines[3]["verdict"]) == ("", "") and "empty" in lines[3]["error"]


def test_each_picture_has_its_own_heat_map(judge):
    picture("mon/1.png", seed=1)
    picture("tue/1.png", seed=2)
    picture("tue/1.jpg", seed=3)
    _, rows, _ = judge("mon", "tue")
    maps = [row["heat_map"] for row in rows]
    assert maps == ["heat-maps/mon/1.png.png", "heat-maps/tue/1.jpg.png", "heat-maps/tue/1.png.png"]
    assert len({Path("predictions", name).read_bytes() for name in maps}) == 3


@pytest.mark.parametrize("which", ["all", "defective", "none"])
def test_heat_maps_are_drawn_of_the_pictures_asked_for(judge, few_images, which):
    picture("noise.png")
    _, rows, _ = judge("noise.png", str(few_images / "fabric" / "test" / "good"), "--heat-maps", which)
    verdicts = {"all": {"good", "defective"}, "defective": {"defective"}, "none": set()}[which]
    assert {row["verdict"] for row in rows} == {"good", "defective"}
    assert {row["verdict"] for row in rows if row["heat_map"]} == verdicts
    drawn = {str(path.relative_to("predictions")) for path in Path("predictions").rglob("*.png")}
    assert drawn == {row["heat_map"] for row in rows} - {None}


def test_a_second_run_leaves_nothing_of_the_first(judge):
    picture("a/old.png")
    picture("b/new.png")
    judge("a")
    _, rows, _ = judge("b")
    assert [row["path"] for row in rows] == ["b/new.png"]
    assert sorted(os.listdir("predictions")) == ["heat-maps", "predictions.csv", "predictions.parquet"]
    assert os.listdir("predictions/heat-maps") == ["new.png.png"]
    judge("b", "--heat-maps", "none")
    assert sorted(os.listdir("predictions")) == ["predictions.csv", "predictions.parquet"]


def test_a_run_that_fails_leaves_the_earlier_one_as_it_was(judge, monkeypatch):
    picture("a/old.png")
    judge("a")
    before = {path: path.read_bytes() for path in Path("predictions").rglob("*") if path.is_file()}

    def full(*_):
        raise OSError(28, "No space left on device", "heat-maps/new.png.png")

    monkeypatch.setattr(judging.heat_maps, "draw", full)
    picture("b/new.png")
    status, _, lines = judge("b")
    assert status == 1 and "No space left on device" in lines and "stays" in lines
    assert {path: path.read_bytes() for path in Path("predictions").rglob("*") if path.is_file()} == before


def test_heat_maps_of_somebody_else_are_not_replaced(judge):
    picture("a/1.png")
    picture("predictions/heat-maps/mine.png")
    status, _, lines = judge("a")
    assert status == 2 and "are not of 'defectsweep predict'" in lines
    assert Path("predictions/heat-maps/mine.png").exists()


def test_any_form_of_picture_is_judged_as_its_colour_copy_is(judge):
    pixels = picture("plain/rgb.png", (48, 64))
    grey = pixels[:, :, 0]
    Path("forms").mkdir()
    Image.fromarray(np.dstack([pixels, grey])).save("forms/alpha.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save("forms/deep.png")
    Image.fromarray(grey).save("forms/grey.TIFF")
    Image.fromarray(grey).convert("P").save("forms/palette.png")
    sideways = Image.fromarray(np.rot90(pixels))  # stored turned; EXIF says how to put it upright
    exif = sideways.getexif()
    exif[274] = 6
    sideways.save("forms/turned.png", exif=exif)
    Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2)).save("plain/grey.png")
    _, rows, _ = judge("forms", "plain")
    score = {Path(row["path"]).name: row["score"] for row in rows}
    assert score["alpha.png"] == score["turned.png"] == score["rgb.png"]
    assert score["deep.png"] == score["grey.TIFF"] == score["palette.png"] == score["grey.png"]
    turned = next(row for row in rows if row["path"] == "forms/turned.png")
    assert (turned["height_px"], turned["width_px"]) == (48, 64)


def test_a_score_that_is_no_number_is_an_error_and_never_good(judge, monkeypatch):
    picture("a/1.png")
    monkeypatch.setattr(judging.scoring, "score", lambda *_: (np.array([np.nan]), np.zeros((1, 32, 32))))
    status, rows, _ = judge("a")
    assert status == 1 and rows[0]["verdict"] is None and "no finite number" in rows[0]["error"]


def test_pictures_are_read_ahead_but_never_more_than_a_few_chunks():
    read, taken = [], []
    with judging.ThreadPoolExecutor(2) as pool:
        for value in judging.ahead(pool, read.append, range(500), 8):
            taken.append(value)
            assert len(read) <= len(taken) + 8
    assert sorted(read) == list(range(500)) and len(taken) == 500


def test_what_was_taken_and_what_was_done_is_printed(judge, trained):
    (job,) = (job for job in Output(str(trained)).jobs() if job.model == "mean_image")
    for i in range(21):
        picture(f"dump/{i:02}.png", seed=i)
    _, rows, lines = judge("dump")
    assert "fabric (folder) by mean_image, seed 0, 32 px" in lines
    assert f"AUROC {job.val_auc:.3f} on val, on which it was chosen; {job.test_auc:.3f} on the test part" in lines
    wish = f"chosen on val for 5 % false alarms: its {job.val_normals} good pictures"
    assert f"a score of {job.threshold:.4g} or more, {wish}" in lines
    assert f"can promise {100 * job.false_alarms_most:.3g} % at most (95 % confidence)" in lines
    alarms = f"{job.false_alarm_rate:.2f} ({job.false_alarm_rate_low:.2f}-{job.false_alarm_rate_high:.2f})"
    assert f"false alarms {alarms}, recall {job.recall:.2f}" in lines
    assert f"F1 {job.f1:.3f} ({job.f1_of_all:.3f} by calling everything defective)" in lines
    assert f"21 pictures, {sum(row['verdict'] == 'defective' for row in rows)} defective" in lines
    assert "images/s in all, scoring alone" in lines and "on cpu x" in lines
    assert "good       " not in lines and "defective  " not in lines, "more than 20 pictures: no line for each"


def test_a_detector_can_be_named_by_its_folder_and_nothing_beside(judge, trained, tmp_path):
    picture("a/1.png")
    (job,) = (job for job in Output(str(trained)).jobs() if job.model == "ganomaly")
    folder = tmp_path / "carried away"
    shutil.copytree(trained / "checkpoints" / job.job_id, folder)
    assert cli.main(["predict", "a", "--checkpoint", str(folder)]) == 0
    assert pq.read_table("predictions/predictions.parquet")["model"].to_pylist() == ["ganomaly"]
    assert judge("a", "--checkpoint", str(folder))[0] == 2


def test_the_program_of_its_own_is_checked_on_the_pictures_of_its_size(judge):
    for i in range(3):
        picture(f"a/{i}.png", (40, 30), seed=i)
    picture("a/other.png", (30, 40))
    Path("a/.0.png").touch()
    status, rows, lines = judge("a", "--export", "out/program.pt2")
    assert status == 0 and "on 3 of these pictures" in lines and "0 verdicts" in lines
    images = np.stack([np.asarray(Image.open(f"a/{i}.png")) for i in range(3)])
    scores, _, _ = torch.export.load("out/program.pt2").module()(torch.from_numpy(images))
    assert scores.tolist() == pytest.approx([row["score"] for row in rows[:3]], rel=1e-6)
    assert os.listdir("out") == ["program.pt2"]


def test_a_program_takes_the_place_of_no_picture(judge):
    picture("a/1.png")
    before = Path("a/1.png").read_bytes()
    status, _, lines = judge("a", "--export", "a/1.png")
    assert status == 2 and "--export a/1.png: a name that ends in .pt2 or .onnx is expected" in lines
    assert Path("a/1.png").read_bytes() == before and not Path("predictions").exists()


def test_results_may_lie_among_the_pictures_and_are_not_judged_the_next_time(judge):
    picture("a/1.png")
    for _ in range(2):
        assert "1 picture, " in judge("a", "--to", "a")[2]
        assert [row["path"] for row in pq.read_table("a/predictions.parquet").to_pylist()] == ["a/1.png"]


@pytest.mark.parametrize("name", ["=1+1.png", "@SUM(1).png", "+a.png"])
def test_a_name_that_a_spreadsheet_would_run_is_text_in_csv_and_itself_in_parquet(judge, name):
    picture(name)
    _, (row,), _ = judge(name)
    (line,) = csv.DictReader(Path("predictions/predictions.csv").open())
    assert (row["path"], line["path"]) == (name, f"'{name}")
    assert float(line["score"]) == row["score"] and line["heat_map"] == f"heat-maps/{name}.png"


def test_a_program_that_is_not_its_detector_is_not_left(judge, monkeypatch):
    picture("a/1.png")
    monkeypatch.setattr(predict.export, "TOLERANCE", -1.0)
    status, rows, lines = judge("a", "--export", "program.pt2")
    assert status == 1 and "It was not written" in lines
    assert not Path("program.pt2").exists() and rows[0]["score"] is not None


def test_a_place_without_pictures_and_a_folder_that_cannot_be_written_are_said(judge):
    Path("empty").mkdir()
    assert "no picture in empty" in judge("empty")[2]
    picture("a/1.png")
    Path("file").touch()
    status, _, lines = judge("a", "--to", "file")
    assert status == 2 and "--to file cannot be written" in lines


def test_the_detector_is_proved_before_anything_is_written(judge, trained, monkeypatch):
    picture("a/1.png")
    found = choose.best(Output(str(trained)), model="ganomaly")
    monkeypatch.setattr(choose, "best", lambda *_, **__: dataclasses.replace(found, weights={}))
    status, _, lines = judge("a", model="ganomaly")
    assert status == 2 and "weights.pt is not of the detector" in lines
    assert not Path("predictions").exists()
