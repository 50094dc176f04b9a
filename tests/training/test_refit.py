"""A refit is its winner again; it goes on exactly; its threshold is validation's, its figures the test part's."""

import dataclasses
import io
import json

import numpy as np
import pytest
import torch

from orchestrator.experiment import plan
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import jobs
from orchestrator.experiment.preflight import survey
from orchestrator.metrics import image, looks
from orchestrator.metrics.thresholds import for_false_alarms
from orchestrator.results.output import Output
from orchestrator.results.storage import Storage
from orchestrator.training import checkpoint, refit, saved_state, scoring
from orchestrator.training.data_parallel import Alone
from orchestrator.training.selection import Selections

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images(fabric):
    return fabric


@pytest.fixture(scope="module")
def job() -> plan.Job:
    experiment = Experiment(
        model=("sa_skip_ganomaly",), category=("fabric",), size_px=(32,), epochs=3, steps_per_epoch=4, batch=16,
        set=("width=16",),
    )  # fmt: skip
    return jobs(experiment, survey(experiment, None), 1)[0]


@pytest.fixture(scope="module")
def winner(job, images, train):
    return train(plan.trial_task(job, 0, {}, 1), images)


@pytest.fixture(scope="module")
def refitted(job, images, winner):
    return refit.refit(refit.refit_task(job, [winner]), images, Selections(CPU), 0.0)


def test_it_is_the_winner_again_up_to_its_best_epoch(winner, refitted):
    result, _ = refitted
    assert result.row.val_auc == winner.val_auc
    assert result.row.epochs == winner.best_epoch
    assert result.row.steps == 4 * winner.best_epoch and 0 < result.row.train_s < result.row.wall_s
    assert result.row.best_trial == winner.trial_id


def test_every_test_image_is_scored_once_and_the_figures_follow_from_the_scores(images, refitted):
    row, scores = refitted[0].row, refitted[0].scores
    assert len({score.path for score in scores}) == len(scores) == row.test_images
    labels = np.array([score.label for score in scores])
    values = np.array([score.score for score in scores])
    assert row.test_auc == image.auroc(labels, values)
    assert row.test_auc_low <= row.test_auc <= row.test_auc_high
    assert row.accuracy == np.mean((values >= row.threshold) == labels)
    assert 0 <= row.au_pro <= 1 and 0 <= row.pixel_auroc <= 1


def test_its_pictures_are_of_the_test_part_and_agree_with_its_scores(refitted):
    result, _ = refitted
    scores = {score.path: (score.label, score.defect, score.score) for score in result.scores}
    assert {score.defect for score in result.scores} == {row.defect for row in result.pictures if row.why == "example"}
    for row in result.pictures:
        assert (row.label, row.defect, row.score) == scores[row.path]
        assert (row.threshold, row.job_id) == (result.row.threshold, result.row.job_id)


def test_it_keeps_how_normal_images_look_that_were_not_tested(images, refitted):
    result, files = refitted
    known = json.loads(files[checkpoint.CONFIG])["looks"]
    assert set(known) == set(looks.KINDS)
    tested = {score.path for score in result.scores}
    own = [i for i, sample in enumerate(images.samples) if sample.label == 0 and sample.path not in tested]
    brightness = looks.of_pictures(images.pixels[own], [images.native_sizes[i] for i in own])["brightness"]
    assert known["brightness"] == looks.quantiles({"": brightness})[""]


def test_the_threshold_and_the_range_of_maps_come_from_validation_alone(job, images, refitted, saved_detector):
    data = Selections(CPU).of(job, images)
    scores, maps = scoring.score(saved_detector.detector(CPU), data.val)
    assert refitted[0].row.threshold == for_false_alarms(data.val_labels, scores, 0.05).value
    assert saved_detector.config.map_low == maps.min()
    assert np.mean(maps > saved_detector.config.map_high) == pytest.approx(1e-3, rel=0.01)


@pytest.fixture(scope="module")
def saved_detector(refitted, tmp_path_factory) -> checkpoint.Checkpoint:
    """The checkpoint, read again."""
    output = Output(str(tmp_path_factory.mktemp("out")))
    return checkpoint.load(output, output.write_checkpoint("job", refitted[1]))


def test_a_kept_checkpoint_lies_where_the_row_says(refitted, tmp_path):
    result, files = refitted
    kept = refit.with_checkpoint(result, files)
    refit.keep(Output(str(tmp_path)), kept)
    assert {file.name: file.read_bytes() for file in (tmp_path / kept.row.checkpoint).iterdir()} == files
    assert kept.row.checkpoint_bytes == sum(map(len, files.values()))
    assert dataclasses.replace(kept.row, checkpoint=None, checkpoint_bytes=None) == result.row
    assert kept.scores == result.scores


class Killed(Exception):
    """What ends a training in the middle of a test."""


class Mortal(Alone):
    """A process that is killed at the end of an epoch."""

    def __init__(self, dies_in: int | None):
        self.epochs, self.dies_in = 0, dies_in

    def end_epoch(self, detector):
        self.epochs += 1
        if self.epochs == self.dies_in:
            raise Killed


def test_it_goes_on_from_a_saved_state_to_the_very_same_weights(job, images, winner, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_state, "MOST_SHARE", float("inf"))  # it saves after each step
    task = refit.refit_task(job, [dataclasses.replace(winner, best_epoch=2)])  # of three
    whole, expected_files = refit.refit(task, images, Selections(CPU), 0.0)
    saved = refit.saved_state(Storage(str(tmp_path)), task, every_s=0.0)
    with pytest.raises(Killed):
        refit.refit(task, images, Selections(CPU), 0.0, saved, Mortal(dies_in=2))
    again = Mortal(dies_in=None)
    result, files = refit.refit(task, images, Selections(CPU), 0.0, saved, again)
    assert again.epochs == 1, "the first epoch is not trained again, nor any after the best"
    expected, found = (torch.load(io.BytesIO(f[checkpoint.WEIGHTS])) for f in (expected_files, files))
    for name, network in expected.items():
        for key, tensor in network.items():
            assert torch.equal(tensor, found[name][key]), (name, key)
    assert result.scores == whole.scores
    assert result.row.steps == whole.row.steps == 2 * 4


def test_it_does_not_go_on_from_the_state_of_another_winner(job, images, winner, tmp_path):
    other = refit.refit_task(job, [dataclasses.replace(winner, trial_id=job.trial_id(7), index=7)])
    refit.refit(other, images, Selections(CPU), 0.0, refit.saved_state(Storage(str(tmp_path)), other, every_s=0.0))
    task = refit.refit_task(job, [winner])
    saved = refit.saved_state(Storage(str(tmp_path)), task, every_s=0.0)
    assert saved.load(CPU) is None


def test_it_keeps_the_batch_of_a_winner_that_ran_out_of_memory(job, images, winner):
    halved = dataclasses.replace(winner, batch=8, best_epoch=1, note="out of memory with batch 16: trained with 8")
    result, _ = refit.refit(refit.refit_task(job, [halved]), images, Selections(CPU), 0.0)
    assert (result.row.batch, result.row.note) == (8, halved.note)
    assert result.row.images_per_s * result.row.train_s == pytest.approx(4 * 8)


def test_its_checkpoint_is_the_detector_that_was_measured(images, refitted, saved_detector):
    row, scores = refitted[0].row, refitted[0].scores
    by_path = {sample.path: i for i, sample in enumerate(images.samples)}
    test = [by_path[score.path] for score in scores]
    again, _ = scoring.score(saved_detector.detector(CPU), scoring.to_device(images.pixels[test], CPU))
    assert again.tolist() == [score.score for score in scores]
    config = saved_detector.config
    assert (config.threshold, config.val_auc, config.job_id) == (row.threshold, row.val_auc, row.job_id)
    assert config.selection_split == row.selection_split == "val"


def test_without_a_completed_trial_there_is_nothing_to_refit(job, make_trial):
    assert refit.refit_task(job, [make_trial(job, 0, [], status="failed")]) is None


def test_a_row_notes_that_its_space_had_no_more_points(job, winner, images):
    small = dataclasses.replace(job, trials=1, experiment=dataclasses.replace(job.experiment, trials=8))
    result, _ = refit.refit(refit.refit_task(small, [winner]), images, Selections(CPU), 0.0)
    assert result.row.note == "its search space has 1 point, and got no more trials"


# -- cross-fitting


@pytest.fixture(scope="module")
def crossfitted(job, images, train):
    """A job under crossfit, two trials of it, and their refit."""
    asked = dataclasses.replace(job.experiment, protocol="crossfit", folds=3, steps_per_epoch=2)
    job = dataclasses.replace(job, experiment=asked)
    rows = [train(plan.trial_task(job, index, {}, 9), images) for index in (0, 1)]
    return rows, refit.refit(refit.refit_task(job, rows), images, Selections(CPU), 0.0)[0]


def test_under_crossfit_trials_keep_all_their_scores_and_under_others_none(crossfitted, winner, images):
    rows, _ = crossfitted
    labelled = np.array([sample.part == "test" for sample in images.samples])
    labels = images.labels[labelled]
    for row in rows:
        scores = np.reshape(row.val_scores, (row.epochs, len(labels)))
        assert [image.auroc(labels, own) for own in scores] == row.curve
    assert winner.val_scores is None


def test_under_crossfit_the_row_is_of_the_choice_on_every_labelled_image(crossfitted, images):
    rows, result = crossfitted
    row, scores = result.row, result.scores
    assert row.test_images == len(scores) == int(sum(sample.part == "test" for sample in images.samples))
    columns = ("label", "score", "threshold")
    labels, values, thresholds = (np.array([getattr(score, name) for score in scores]) for name in columns)
    assert row.test_auc == image.auroc(labels, values) and row.test_auc <= row.val_auc
    assert row.recall == ((values >= thresholds) & (labels == 1)).sum() / (labels == 1).sum()
    folds = json.loads(row.folds)
    assert len(folds) == 3 and {fold["trial"] for fold in folds} <= {trial.trial_id for trial in rows}
    assert row.selection_split == "other folds" and row.pixel_auroc is not None


def test_under_other_protocols_no_fold_is_told(refitted):
    result, _ = refitted
    assert result.row.folds is None and {score.threshold for score in result.scores} == {result.row.threshold}
