"""A trial: epochs, then a row; never an exception. And what it may see: never the test part."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from datasets.images import load
from datasets.split import split
from orchestrator import plan, trial
from orchestrator.config import Experiment
from orchestrator.local_backend import finish
from orchestrator.preflight import survey

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images():
    return load("synthetic", None, "fabric", 32)


def job(model: str = "mean_image", **settings) -> plan.Job:
    experiment = Experiment(model=(model,), category=("fabric",), size_px=32, **settings)
    return plan.jobs(experiment, survey(experiment, None), 1)[0]


def task(of: plan.Job, **changes) -> plan.TrialTask:
    return dataclasses.replace(plan.trial_task(of, 0, {}, 1), **changes)


def small(images, train: int):
    """The same category with fewer training images, so that an epoch is short."""
    keep = [i for i, sample in enumerate(images.samples) if sample.part == "test"]
    keep += [i for i, sample in enumerate(images.samples) if sample.part == "train"][:train]
    return dataclasses.replace(
        images,
        pixels=images.pixels[keep],
        masks=images.masks[keep],
        samples=tuple(images.samples[i] for i in keep),
        content=tuple(images.content[i] for i in keep),
        pixel_hash=tuple(images.pixel_hash[i] for i in keep),
        data_hash=f"{images.data_hash}-{train}",
    )


def test_a_row_says_what_was_done_and_on_what(images):
    mine = job(epochs=2)
    row = finish(trial.train(task(mine), images, CPU, 0.0))
    parts = split(images, "holdout", 0)
    assert (row.status, row.error, row.epochs, len(row.curve)) == ("completed", None, 2, 2)
    assert row.val_auc == max(row.curve)
    assert (row.train_images, row.val_images) == (len(parts.train), len(parts.val))
    assert (row.data_hash, row.split_hash) == (images.data_hash, parts.hash)
    assert row.job_id == mine.id and row.trial_id == mine.trial_id(0)
    assert 0 < row.train_s < row.wall_s and row.images_per_s > 0 and row.device.startswith("cpu")
    assert row.steps == mine.steps(2, row.train_images)


def test_steps_are_counted_as_asked(images):
    row = finish(trial.train(task(job(epochs=2, steps_per_epoch=5)), images, CPU, 0.0))
    assert (row.status, row.epochs, row.steps) == ("completed", 2, 10)
    assert row.images_per_s * row.train_s == pytest.approx(10 * 16), "full batches"


@pytest.mark.parametrize("protocol", ["holdout", "synthetic"])
def test_nothing_that_a_trial_holds_depends_on_the_test_part(images, protocol):
    parts = split(images, protocol, 0)
    poisoned = dataclasses.replace(images, pixels=images.pixels.copy(), data_hash=f"poisoned-{protocol}")
    poisoned.pixels[parts.test] = 255
    rows = [
        finish(trial.train(task(job(protocol=protocol, epochs=1)), source, CPU, 0.0)) for source in (images, poisoned)
    ]
    assert rows[0].curve == rows[1].curve


def test_a_model_of_phases_is_not_judged_before_its_last(images):
    """f-AnoGAN's encoder is trained in the last third: before, there is nothing to score with, and no bar stops it."""
    phased = job("f_anogan", epochs=3, batch=2)
    mine = task(phased, bars=((1, 2.0), (2, 2.0)))
    row = finish(trial.train(mine, small(images, train=4), CPU, 0.0))
    assert (row.status, row.curve[:2]) == ("completed", [None, None])
    assert row.val_auc == row.last_val_auc == row.curve[2] and row.best_epoch == 3


def test_under_synthetic_the_anomalies_that_choose_are_forged_from_held_out_normals(images):
    data = trial.selection(images, "synthetic", 0, CPU)
    held_out = len(data.split.forge)
    assert data.val_labels.tolist() == [0] * held_out + [1] * held_out
    normal, forged = data.val[:held_out], data.val[held_out:]
    changed = (normal != forged).flatten(1).any(1)
    assert changed.all()
    assert not set(data.split.forge) & set(data.split.train)


def test_on_cpu_the_images_are_shared_and_not_copied(images):
    data = trial.selection(images, "holdout", 0, CPU)
    assert np.shares_memory(data.pixels.numpy(), images.pixels)


def test_the_same_task_gives_the_same_row(images):
    few = small(images, 8)
    mine = task(job("sa_skip_ganomaly", epochs=2))
    first, second = (finish(trial.train(mine, few, CPU, 0.0)) for _ in range(2))
    assert first.curve == second.curve and first.losses == second.losses


def test_another_seed_draws_other_weights(images):
    few = small(images, 8)
    of = job("sa_skip_ganomaly", epochs=1)
    losses = {finish(trial.train(task(of, seed=seed), few, CPU, 0.0)).losses for seed in (1, 2)}
    assert len(losses) == 2


def test_a_trial_below_its_bar_stops_itself_and_says_so(images):
    row = finish(trial.train(task(job(epochs=5), bars=((2, 1.1),)), images, CPU, 0.0))
    assert (row.status, row.epochs) == ("pruned", 2)


def test_a_trial_at_its_bar_goes_on(images):
    free = finish(trial.train(task(job(epochs=3)), images, CPU, 0.0))
    row = finish(trial.train(task(job(epochs=3), bars=((2, max(free.curve[:2])),)), images, CPU, 0.0))
    assert (row.status, row.epochs) == ("completed", 3)


def test_a_diverging_trial_is_a_row_with_its_reason(images):
    of = job("sa_skip_ganomaly", epochs=2)
    params = {**dict(task(of).params), "lr": 1e30}
    row = finish(trial.train(task(of, params=tuple(params.items())), small(images, 8), CPU, 0.0))
    assert row.status == "failed"
    assert "diverged" in row.error
    assert json.loads(row.params)["lr"] == 1e30


def test_a_model_that_refuses_its_parameters_is_a_row_with_its_reason(images):
    of = job("sa_skip_ganomaly", epochs=2)
    row = finish(trial.train(task(of, params=(("lr", 0.0),)), images, CPU, 0.0))
    assert row.status == "failed" and "lr" in row.error and row.curve == []
