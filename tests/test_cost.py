"""The cost of what is left, worked out by hand from rows whose times are round numbers."""

import dataclasses

import pytest

from orchestrator import cost
from orchestrator.cost import Left, Pace
from orchestrator.rows import FAILED

MODELS = ("sa_skip_ganomaly", "skip_ganomaly")
TIMES = {  # of 2 epochs: 4 s of training at 100 images a second, 3 s a validation
    "images_per_s": 100.0,
    "train_s": 4.0,
    "wall_s": 10.0,
    "gpu_s": 0.0,
    "device": "cpu x2",
}


@pytest.fixture
def row(make_job, make_trial):
    """A trial row of two epochs; keywords are columns."""

    def make(**columns):
        return dataclasses.replace(make_trial(make_job(size_px=32, batch=10), 0, [0.5, 0.6]), **{**TIMES, **columns})

    return make


def measure(*rows, size_px: int = 32, batch: int = 10) -> cost.Measured | None:
    return cost.measure(rows, MODELS, size_px, batch)


# -- what rows tell


def test_a_pace_is_training_an_image_and_validation_an_epoch(row):
    assert measure(row()).paces == {"sa_skip_ganomaly": Pace(image_s=0.01, validation_s=3.0)}


def test_of_many_rows_it_is_the_median(row):
    rows = [row(images_per_s=100.0 * k, wall_s=4.0 + 2 * k) for k in (1, 2, 50)]
    assert measure(*rows).paces["sa_skip_ganomaly"] == Pace(image_s=0.005, validation_s=2.0)
    assert measure(*rows).rows == 3


def test_rows_that_measured_nothing_are_left_out(row, make_job, make_trial):
    useless = [
        make_trial(make_job(size_px=32), 1, [], status=FAILED),
        row(images_per_s=None, train_s=0.0, epochs=0),
        row(train_s=None),  # older than the column
        row(model="mean_image"),  # not asked for
        row(size_px=64),
    ]
    assert measure(*useless) is None
    assert measure(*useless, row()).rows == 1


def test_rows_of_the_same_batch_are_preferred_and_others_are_better_than_none(row):
    other = row(batch=20, images_per_s=200.0)
    assert measure(row(), other, other).paces["sa_skip_ganomaly"].image_s == 0.01
    assert measure(other).paces["sa_skip_ganomaly"].image_s == 0.005
    both = measure(row(), other, row(model="skip_ganomaly", batch=20, images_per_s=50.0))
    assert {model: pace.image_s for model, pace in both.paces.items()} == {
        "sa_skip_ganomaly": 0.01,
        "skip_ganomaly": 0.02,
    }
    assert both.rows == 2


def test_devices_are_not_mixed_the_one_with_most_rows_counts(row):
    gpu = row(device="NVIDIA H100", images_per_s=1000.0, gpu_s=2.5)
    measured = measure(row(), gpu, gpu)
    assert (measured.device, measured.rows) == ("NVIDIA H100", 2)
    assert measured.paces["sa_skip_ganomaly"].image_s == 0.001


def test_what_a_trial_held_is_its_share_of_a_gpu_or_its_cores(row):
    gpu = measure(row(device="NVIDIA H100", gpu_s=2.5))
    assert (gpu.held, gpu.unit) == (0.25, "GPU")
    assert (measure(row()).held, measure(row()).unit) == (2, "CPU-core")


# -- what is left


def test_trials_and_refit_train_in_full_and_a_refit_scores_twice(make_job):
    job = make_job(epochs=5, steps_per_epoch=7, batch=10)  # 35 steps, 350 images
    left = Left(job, trials=3, refits=1)
    assert (left.steps(), left.images()) == (4 * 35, 4 * 350)
    assert Pace(image_s=0.01, validation_s=3.0).slot_s(left) == pytest.approx(4 * 350 * 0.01 + (3 * 5 + 2) * 3.0)


def test_without_steps_per_epoch_an_epoch_is_every_image(make_job):
    left = Left(make_job(epochs=5, batch=10), trials=1, refits=0)  # 209 images: 21 steps
    assert (left.steps(), left.images()) == (5 * 21, 5 * 209)
    assert Pace(image_s=0.01, validation_s=0.0).step_s(left.job) == pytest.approx(0.01 * 209 / 21)


def test_a_finished_job_costs_nothing(make_job):
    assert Pace(image_s=1.0, validation_s=1.0).slot_s(Left(make_job(), trials=0, refits=0)) == 0
