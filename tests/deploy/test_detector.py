"""A detector in Python: the one that `predict` takes, and its rows; every mistake one line."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator import cli
from orchestrator.deploy import load, load_each
from orchestrator.errors import InputError
from orchestrator.metrics import looks
from orchestrator.results.output import Output


@pytest.fixture(scope="module")
def output(make_checkpoint, tmp_path_factory) -> Output:
    """Two finished jobs of one category: by validation AUROC mean_image leads."""
    output = Output(str(tmp_path_factory.mktemp("results")))
    for model, val_auc in (("mean_image", 0.9), ("ganomaly", 0.8)):
        row, files = make_checkpoint(model, val_auc=val_auc)
        output.write_checkpoint(row.job_id, files)
        output.write_job(row)
    return output


@pytest.fixture
def detector(output):
    return load(output.root)


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def dump(tmp_path):
    """A folder of three pictures and an empty file."""
    for seed, size in enumerate([(40, 30), (20, 50), (32, 32)]):
        Image.fromarray(noise(seed, size)).save(tmp_path / f"{seed}.png")
    (tmp_path / "torn.png").touch()
    return tmp_path


def test_files_get_the_rows_of_predict(output, detector, dump, tmp_path_factory):
    to = tmp_path_factory.mktemp("predictions")
    assert cli.main(["predict", str(dump), "--output", output.root, "--to", str(to)]) == 1
    expected = pd.read_csv(to / "predictions.csv").drop(columns="heat_map")
    for pictures in (dump, str(dump), [dump], sorted(dump.iterdir())):
        found = detector.judge(pictures)
        assert found.columns.tolist() == expected.columns.tolist()
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found.verdict.isna().tolist() == [False, False, False, True] and "empty" in found.error[3]


def test_an_array_gets_the_verdict_of_its_file_and_its_place_as_path(detector, dump):
    files = detector.judge([dump / "0.png", dump / "1.png"])
    arrays = detector.judge([noise(0), noise(1, (20, 50))])
    assert arrays.path.tolist() == ["0", "1"]
    assert arrays.score.tolist() == files.score.tolist() and arrays.verdict.tolist() == files.verdict.tolist()
    together = detector.judge(np.stack([noise(0), noise(0)]))
    assert together.score.tolist() == [files.score[0]] * 2
    grey = noise(0)[:, :, 0]
    scores = detector.judge([grey, np.repeat(grey[:, :, None], 3, axis=2)]).score
    assert scores[0] == scores[1]


def test_the_verdict_is_defective_from_the_threshold_on(detector):
    frame = detector.judge([noise(0), np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 128, np.uint8)])
    assert set(frame.threshold) == {detector.threshold}
    assert frame.verdict.tolist() == ["defective" if score >= 0.5 else "good" for score in frame.score]
    assert set(frame.verdict) == {"good", "defective"}


def test_no_picture_is_no_row(detector):
    assert detector.judge([]).empty


def test_the_heat_map_is_that_of_predict(output, detector, dump, tmp_path):
    cli.main(["predict", str(dump / "0.png"), "--output", output.root, "--to", str(tmp_path / "judged")])
    drawn = Image.open(io.BytesIO((tmp_path / "judged/heat-maps/0.png.png").read_bytes()))
    for picture in (dump / "0.png", noise(0)):
        assert np.array_equal(np.asarray(detector.heat_map(picture)), np.asarray(drawn))
    with pytest.raises(InputError, match="torn.png cannot be judged: .*the file is empty"):
        detector.heat_map(dump / "torn.png")


def test_it_is_chosen_as_predict_chooses_and_another_threshold_can_be_wished_for(output, dump):
    assert load(output.root).checkpoint.config.model == "mean_image"
    other = load(output.root, model="ganomaly", category="bottle")
    assert other.checkpoint.config.model == "ganomaly" and other.meaning == ()
    wished = load(checkpoint=other.checkpoint.place, threshold_at="recall=0.9")
    assert wished.threshold != other.threshold and "of 1,000 good parts" in wished.meaning[1]
    assert wished.judge([noise(0)]).threshold[0] == wished.threshold


def test_what_cannot_be_used_is_warned_of(make_checkpoint, tmp_path):
    output = Output(str(tmp_path))
    for model, val_auc in (("mean_image", 0.9), ("ganomaly", 0.8)):
        row, files = make_checkpoint(model, val_auc=val_auc)
        output.write_job(row)
    output.write_checkpoint(row.job_id, files)
    with pytest.warns(UserWarning, match="a better detector cannot be used, and the next best judges"):
        assert load(tmp_path).checkpoint.config.model == "ganomaly"


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (noise(0), r"of the shape \(40, 30, 3\) is no list of pictures. Give a list"),
        ([noise(0) / 255], r"picture 0 is float64 of the shape \(40, 30, 3\); uint8 of the shape \(H, W, 3\)"),
        ([noise(0), noise(0)[:, :, :2]], r"picture 1 is uint8 of the shape \(40, 30, 2\)"),
        (["nowhere.png"], "nowhere.png is no file or folder"),
    ],
)
def test_what_is_no_picture_is_said(detector, pictures, message):
    with pytest.raises(InputError, match=message):
        detector.judge(pictures)


def test_each_category_gets_the_detector_that_load_takes(make_checkpoint, tmp_path):
    output = Output(str(tmp_path))
    for category, model, val_auc in (("cap", "mean_image", 0.8), ("cap", "ganomaly", 0.9), ("bottle", "ganomaly", 0.7)):
        row, files = make_checkpoint(model, job={"category": category}, val_auc=val_auc)
        output.write_checkpoint(row.job_id, files)
        output.write_job(row)
    for names in ({}, {"model": "ganomaly"}, {"threshold_at": "recall=0.9"}):
        for detector in (found := load_each(tmp_path, **names)):
            own = load(tmp_path, category=detector.checkpoint.config.category, **names)
            assert (detector.checkpoint.config, detector.meaning) == (own.checkpoint.config, own.meaning)
        assert [detector.checkpoint.config.category for detector in found] == ["bottle", "cap"]
    (named,) = load_each(tmp_path, category=["cap", "cap"])
    assert named.checkpoint.config.category == "cap"
    with pytest.raises(InputError, match="category 'cup' does not exist"):
        load_each(tmp_path, category=["cup"])
    with pytest.raises(InputError, match="model 'mean_image' does not exist"):
        load_each(tmp_path, model="mean_image")


def learned_from_grey(detector):
    """The same, of pictures of a brightness of a half."""
    known = looks.quantiles({"brightness": np.linspace(0.45, 0.55, 50)})
    config = dataclasses.replace(detector.checkpoint.config, looks=known)
    return dataclasses.replace(detector, checkpoint=dataclasses.replace(detector.checkpoint, config=config))


def test_another_light_is_warned_of_once_picture_by_picture_or_in_one_call(detector, recwarn):
    dark, grey = np.full((32, 32, 3), 30, np.uint8), np.full((32, 32, 3), 128, np.uint8)
    one_by_one = learned_from_grey(detector)
    for _ in range(19):
        one_by_one.judge([dark])
    assert not recwarn
    with pytest.warns(UserWarning, match="from 0 on, 20 of 20 pictures are darker"):
        one_by_one.judge([dark])
    one_by_one.judge([dark] * 30)
    learned_from_grey(detector).judge([grey] * 30 + [dark] * 4)
    assert not recwarn
    with pytest.warns(UserWarning, match="from 0 on, 5 of 5 pictures are darker"):
        learned_from_grey(detector).judge([dark] * 5)


def test_a_checkpoint_is_one_detector_already(output):
    with pytest.raises(InputError, match="--checkpoint names one detector"):
        load(checkpoint="anywhere", model="ganomaly")
