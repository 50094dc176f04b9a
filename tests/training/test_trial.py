"""A trial: epochs, then a row; never an exception. And what it may see: never the test part."""

import dataclasses
import json

import pytest
import torch

from datasets.masks import Masks
from datasets.split import split
from model import skip_ganomaly
from model.catalog import MODELS, TRAINING_FREE
from orchestrator.experiment import plan
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import epoch_steps, jobs
from orchestrator.experiment.preflight import survey
from orchestrator.results.rows import MEASURED
from orchestrator.results.storage import Storage
from orchestrator.training import saved_state, trial
from orchestrator.training.selection import Selections

CPU = torch.device("cpu")
LONG = {"alad", "f_anogan"}  # to train; no run has them unless asked to
EACH = [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in MODELS]
EACH_TRAINED = [param for param in EACH if param.values[0] not in TRAINING_FREE]


@pytest.fixture(scope="module")
def images(fabric):
    return fabric


def job(model: str = "mean_image", **settings) -> plan.Job:
    experiment = Experiment(model=(model,), category=("fabric",), **{"size_px": (32,), **settings})
    return jobs(experiment, survey(experiment, None), 1)[0]


def task(of: plan.Job, **changes) -> plan.TrialTask:
    return dataclasses.replace(plan.trial_task(of, 0, {}, 1), **changes)


def small(images, train: int):
    """The same category with fewer training images, so that an epoch is short."""
    keep = [i for i, sample in enumerate(images.samples) if sample.part == "test"]
    keep += [i for i, sample in enumerate(images.samples) if sample.part == "train"][:train]
    return dataclasses.replace(
        images,
        pixels=images.pixels[keep],
        masks=Masks.of([images.masks[i] for i in keep]),
        samples=tuple(images.samples[i] for i in keep),
        content=tuple(images.content[i] for i in keep),
        pixel_hash=tuple(images.pixel_hash[i] for i in keep),
        native_sizes=tuple(images.native_sizes[i] for i in keep),
        data_hash=f"{images.data_hash}-{train}",
    )


def test_a_row_says_what_was_done_and_on_what(images, train):
    mine = job("skip_ganomaly", epochs=2)
    row = train(task(mine), images)
    parts = split(images, "holdout", 0)
    assert (row.status, row.error, row.epochs, len(row.curve)) == ("completed", None, 2, 2)
    assert row.val_auc == max(row.curve)
    assert (row.train_images, row.val_images) == (len(parts.train), len(parts.val))
    assert (row.data_hash, row.split_hash) == (images.data_hash, parts.hash)
    assert row.job_id == mine.id and row.trial_id == mine.trial_id(0)
    assert 0 < row.train_s < row.wall_s and row.images_per_s > 0 and row.device.startswith("cpu")
    assert row.steps == mine.steps(2, row.train_images)


def test_a_model_that_takes_no_step_has_a_row_of_one_epoch_and_no_step(images, train):
    row = train(task(job("patch_gaussian", epochs=5)), images)
    assert (row.status, row.error, row.epochs, row.steps, row.best_epoch) == ("completed", None, 1, 0, 1)
    assert row.curve == [row.val_auc] and row.images_per_s > 0


def test_steps_are_counted_as_asked(images, train):
    row = train(task(job("skip_ganomaly", epochs=2, steps_per_epoch=5)), images)
    assert (row.status, row.epochs, row.steps) == ("completed", 2, 10)
    assert row.images_per_s * row.train_s == pytest.approx(10 * 16), "full batches"


@pytest.mark.parametrize("protocol", ["holdout", "synthetic"])
def test_nothing_that_a_trial_holds_depends_on_the_test_part(images, protocol, train):
    parts = split(images, protocol, 0)
    poisoned = dataclasses.replace(images, pixels=images.pixels.copy(), data_hash=f"poisoned-{protocol}")
    poisoned.pixels[parts.test] = 255
    rows = [train(task(job(protocol=protocol, epochs=1)), source) for source in (images, poisoned)]
    assert rows[0].curve == rows[1].curve


def test_a_model_of_phases_is_not_judged_before_its_last(images, train):
    """f-AnoGAN's encoder is trained in the last third: before, there is nothing to score with, and no bar stops it."""
    phased = job("f_anogan", epochs=3, batch=2)
    mine = task(phased, bars=((1, 2.0), (2, 2.0)))
    row = train(mine, small(images, train=4))
    assert (row.status, row.curve[:2]) == ("completed", [None, None])
    assert row.val_auc == row.last_val_auc == row.curve[2] and row.best_epoch == 3


def test_the_same_task_gives_the_same_row(images, train):
    few = small(images, 8)
    mine = task(job("sa_skip_ganomaly", epochs=2))
    first, second = (train(mine, few) for _ in range(2))
    assert first.curve == second.curve and first.losses == second.losses


def test_another_seed_draws_other_weights(images, train):
    few = small(images, 8)
    of = job("sa_skip_ganomaly", epochs=1)
    losses = {train(task(of, seed=seed), few).losses for seed in (1, 2)}
    assert len(losses) == 2


def test_a_trial_below_its_bar_stops_itself_and_says_so(images, train):
    row = train(task(job("skip_ganomaly", epochs=5), bars=((2, 1.1),)), images)
    assert (row.status, row.epochs) == ("pruned", 2)


def test_a_trial_at_its_bar_goes_on(images, train):
    of = job("skip_ganomaly", epochs=3)
    free = train(task(of), images)
    row = train(task(of, bars=((2, max(free.curve[:2])),)), images)
    assert (row.status, row.epochs) == ("completed", 3)


def test_a_diverging_trial_is_a_row_with_its_reason(images, train):
    of = job("sa_skip_ganomaly", epochs=2)
    params = {**dict(task(of).params), "lr": 1e30}
    row = train(task(of, params=tuple(params.items())), small(images, 8))
    assert row.status == "failed"
    assert "diverged" in row.error
    assert json.loads(row.params)["lr"] == 1e30


def test_a_model_that_refuses_its_parameters_is_a_row_with_its_reason(images, train):
    of = job("sa_skip_ganomaly", epochs=2)
    row = train(task(of, params=(("lr", 0.0),)), images)
    assert row.status == "failed" and "lr" in row.error and row.curve == []


# -- out of memory


@pytest.fixture
def hungry(monkeypatch):
    """Makes skip_ganomaly want more memory than any machine has for a batch of more than `most` images."""

    def install(most: int) -> None:
        class Hungry(MODELS["skip_ganomaly"]):
            def step(self, images, progress):
                if len(images) > most:
                    torch.empty(2**60)
                return super().step(images, progress)

        monkeypatch.setattr(skip_ganomaly, "SkipGanomaly", Hungry)

    return install


def test_a_trial_without_memory_for_its_batch_is_trained_with_half_of_it_and_says_so(images, hungry, train):
    hungry(most=8)
    row = train(task(job("skip_ganomaly", epochs=2, batch=16)), images)
    assert (row.status, row.error, row.epochs) == ("completed", None, 2)
    assert (row.batch, row.note) == (8, "out of memory with batch 16: trained with 8")
    assert row.steps == 2 * epoch_steps(row.train_images, 8, None)


def test_the_batch_is_halved_until_it_fits_and_the_next_trial_begins_there(images, hungry, train):
    hungry(most=3)
    mine = job("skip_ganomaly", epochs=1, batch=16, trials=9)
    row = train(task(mine), images)
    assert (row.status, row.batch, row.note) == ("completed", 2, "out of memory with batch 16: trained with 2")
    second = plan.trial_task(mine, 1, {0: row}, 1)
    assert second.batch == 2 and plan.trial_task(mine, 1, {0: row}, 2).batch == 16, "which does not see the first"
    row = train(second, images)
    assert (row.batch, row.note) == (2, "batch 2, as earlier trials were out of memory with 16")


@pytest.mark.parametrize("batch", [8, 1])
def test_without_memory_for_a_single_image_the_trial_has_failed(images, hungry, batch, train):
    hungry(most=0)
    row = train(task(job("skip_ganomaly", epochs=2, batch=batch)), images)
    assert (row.status, row.batch, row.epochs) == ("failed", 1, 0)
    assert "can't allocate memory" in row.error


def test_any_other_failure_is_not_tried_again(images, monkeypatch, train):
    calls = []

    class Broken(MODELS["skip_ganomaly"]):
        def step(self, images, progress):
            calls.append(len(images))
            raise ValueError("no such layer")

    monkeypatch.setattr(skip_ganomaly, "SkipGanomaly", Broken)
    row = train(task(job("skip_ganomaly", epochs=2)), images)
    assert row.status == "failed" and row.error.startswith("ValueError: no such layer (test_trial.py:")
    assert len(calls) == 1 and row.note is None


# -- cut short


def pieces(of: plan.TrialTask, images, storage, epochs_each: int, every_s: float = 0.0):
    """Trains a trial in pieces, each by a run that knows nothing of the one before but what lies in the storage."""
    while True:
        run = trial.train(of, images, Selections(CPU), 0.0, trial.saved_state(storage, of, every_s))
        try:
            seen = [next(run).epoch for _ in range(epochs_each)]
        except StopIteration as end:
            return end.value
        run.close()
        assert seen[0] <= of.job.experiment.epochs


@pytest.mark.parametrize("model", EACH)
def test_a_trial_cut_short_after_every_epoch_leaves_the_row_of_one_that_was_not(model, images, tmp_path, train):
    few, of = small(images, 8), task(job(model, epochs=3, batch=4))
    if model == "anogan":
        of = dataclasses.replace(of, params=(*of.params, ("latent_steps", 2)))
    whole = train(of, few)
    row = pieces(of, few, Storage(str(tmp_path)), epochs_each=1)
    assert {k: v for k, v in dataclasses.asdict(row).items() if k not in MEASURED} == {
        k: v for k, v in dataclasses.asdict(whole).items() if k not in MEASURED
    }
    assert row.status == "completed" and row.wall_s > row.train_s > 0


def test_a_trial_that_dies_goes_on_from_the_state_it_saved_last(images, tmp_path):
    storage, few, of = Storage(str(tmp_path)), small(images, 8), task(job("skip_ganomaly", epochs=4))
    run = trial.train(of, few, Selections(CPU), 0.0, trial.saved_state(storage, of, 0.0))
    assert [next(run).epoch, next(run).epoch] == [1, 2]
    run = None  # noqa: F841 - closed, as by the clock
    again = trial.train(of, few, Selections(CPU), 0.0, trial.saved_state(storage, of, 0.0))
    assert next(again).epoch == 3


class Killed(BaseException):
    """As by `kill -9`: nobody catches it."""


@pytest.mark.parametrize("model", EACH_TRAINED)
def test_a_trial_killed_within_an_epoch_goes_on_from_a_step_to_the_very_same_row(
    model, images, tmp_path, train, monkeypatch
):
    monkeypatch.setattr(saved_state, "MOST_SHARE", float("inf"))  # it saves after each step
    few, of = small(images, 8), task(job(model, epochs=2, batch=2))
    if model == "anogan":
        of = dataclasses.replace(of, params=(*of.params, ("latent_steps", 2)))
    whole = train(of, few)
    storage, steps, step = Storage(str(tmp_path)), [], MODELS[model].step

    def dies_at_the_third_step_of_the_second_epoch(self, images, progress):
        steps.append(progress)
        if len(steps) == 7:
            raise Killed
        return step(self, images, progress)

    monkeypatch.setattr(MODELS[model], "step", dies_at_the_third_step_of_the_second_epoch)
    run = trial.train(of, few, Selections(CPU), 0.0, trial.saved_state(storage, of, 0.0))
    assert next(run).epoch == 1
    with pytest.raises(Killed):
        next(run)
    row = pieces(of, few, storage, epochs_each=2)
    assert len(steps) == 9, "no step is taken again but the one that died"
    assert {k: v for k, v in dataclasses.asdict(row).items() if k not in MEASURED} == {
        k: v for k, v in dataclasses.asdict(whole).items() if k not in MEASURED
    }


def test_a_trial_stopped_at_its_bar_is_not_taken_up_behind_it(images, tmp_path):
    of = task(job("skip_ganomaly", epochs=4), bars=((2, 1.1),))
    row = pieces(of, images, Storage(str(tmp_path)), epochs_each=1)
    assert (row.status, row.epochs) == ("pruned", 2)


def test_another_suggestion_of_the_same_index_starts_from_the_beginning(images, tmp_path):
    storage, few, of = Storage(str(tmp_path)), small(images, 8), task(job("skip_ganomaly", epochs=3))
    run = trial.train(of, few, Selections(CPU), 0.0, trial.saved_state(storage, of, 0.0))
    next(run)
    run.close()
    other = dataclasses.replace(of, params=tuple({**dict(of.params), "lr": 1e-5}.items()))
    assert next(trial.train(other, few, Selections(CPU), 0.0, trial.saved_state(storage, other, 0.0))).epoch == 1
