"""The cost of what is left, worked out by hand from rows whose times are round numbers."""

import dataclasses

import pytest

from datasets.frame import Frame
from datasets.images import load
from datasets.split import split
from orchestrator.estimate import pace
from orchestrator.estimate.outlook import Outlook
from orchestrator.estimate.pace import Measured, Pace, Probed
from orchestrator.estimate.schedule import Place
from orchestrator.experiment import plan
from orchestrator.experiment.job import Category, Sized
from orchestrator.experiment.plan import Left
from orchestrator.results.output import Output
from orchestrator.results.rows import FAILED

A, B = "sa_skip_ganomaly", "skip_ganomaly"
AT_32, AT_64 = Sized(A, 32), Sized(A, 64)
TIMES = {  # of 2 epochs: 4 s of training at 100 images a second, 3 s a validation of 30 images
    "images_per_s": 100.0,
    "train_s": 4.0,
    "wall_s": 10.0,
    "gpu_s": 0.0,
    "val_images": 30,
    "device": "cpu x2",
}


@pytest.fixture
def row(make_job, make_trial):
    """A trial row of two epochs; keywords are columns."""

    def make(size_px: int = 32, **columns):
        job = make_job(size_px=size_px, batch=10)
        return dataclasses.replace(make_trial(job, 0, [0.5, 0.6]), **{**TIMES, **columns})

    return make


def measure(*rows, size_px: int = 32, batch: int = 10) -> Measured:
    (measured,) = pace.by_rows(rows, {Sized(A, size_px), Sized(B, size_px)}, batch)
    return measured


# -- what rows tell


def test_a_pace_is_training_and_scoring_an_image(row):
    assert measure(row()).paces == {AT_32: Pace(image_s=0.01, score_s=0.1)}


def test_of_many_rows_it_is_the_median(row):
    rows = [row(images_per_s=100.0 * k, wall_s=4.0 + 6 * k) for k in (1, 2, 50)]
    assert measure(*rows).paces[AT_32] == Pace(image_s=0.005, score_s=0.2)
    assert measure(*rows).rows == 3


def test_rows_that_measured_nothing_are_left_out(row, make_job, make_trial):
    useless = [
        make_trial(make_job(size_px=32), 1, [], status=FAILED),
        row(images_per_s=None, train_s=0.0, epochs=0),
        row(train_s=None),  # older than the column
        row(model="mean_image"),  # not asked for
        row(size_px=64),
    ]
    assert pace.by_rows(useless, {AT_32, Sized(B, 32)}, 10) == []
    assert measure(*useless, row()).rows == 1


def test_rows_of_the_same_batch_are_preferred_and_others_are_better_than_none(row):
    other = row(batch=20, images_per_s=200.0)
    assert measure(row(), other, other).paces[AT_32].image_s == 0.01
    assert measure(other).paces[AT_32].image_s == 0.005
    both = measure(row(), other, row(model=B, batch=20, images_per_s=50.0))
    assert {sized: pace.image_s for sized, pace in both.paces.items()} == {AT_32: 0.01, Sized(B, 32): 0.02}
    assert both.rows == 2


def test_a_model_has_a_pace_for_each_size(row):
    (both,) = pace.by_rows([row(), row(size_px=64, images_per_s=25.0)], {AT_32, AT_64}, 10)
    assert {sized: pace.image_s for sized, pace in both.paces.items()} == {AT_32: 0.01, AT_64: 0.04}


def test_devices_are_not_mixed_the_one_with_most_rows_counts(row):
    gpu = row(device="NVIDIA H100", images_per_s=1000.0, gpu_s=2.5)
    measured = measure(row(), gpu, gpu)
    assert (measured.device, measured.rows) == ("NVIDIA H100", 2)
    assert measured.paces[AT_32].image_s == 0.001


def test_what_a_trial_held_is_its_share_of_a_gpu_or_its_cores(row):
    gpu = measure(row(device="NVIDIA H100", gpu_s=2.5))
    assert (gpu.held, gpu.unit) == (0.25, "GPU")
    assert (measure(row()).held, measure(row()).unit) == (2, "CPU-core")


def test_the_memory_is_a_gpus_at_its_highest_that_of_a_process_says_nothing(row):
    gpu = {"device": "NVIDIA H100", "gpu_s": 2.5}
    peaks = [row(**gpu, peak_memory_bytes=bytes_) for bytes_ in (300, 500, 400)]
    assert measure(*peaks).paces[AT_32].memory_bytes == 500
    assert measure(row(peak_memory_bytes=500)).paces[AT_32].memory_bytes is None


# -- what probes tell


def test_probes_of_several_models_are_one_source_and_those_that_failed_say_why():
    good = Probed(Pace(0.01, 0.1), device="cpu x2", wall_s=3.0)
    measured = pace.by_probes({AT_32: good, AT_64: Probed(error="does not fit", device="cpu x2", wall_s=1.0)})
    failed = {AT_64: "does not fit"}
    assert measured == Measured({AT_32: good.pace}, "cpu x2", 2.0, "CPU-core", probe_s=4.0, failed=failed)
    gpu = pace.by_probes({AT_32: dataclasses.replace(good, device="NVIDIA H100", gpus=0.25)})
    assert (gpu.held, gpu.unit) == (0.25, "GPU")
    assert pace.by_probes({AT_32: Probed(error="its worker died")}).failed == {AT_32: "its worker died"}


# -- what is left


def test_trials_and_refit_train_in_full_and_a_refit_scores_validation_and_test(make_job):
    job = make_job(epochs=5, steps_per_epoch=7, batch=10)  # 35 steps, 350 images; 83 labelled: 41 choose
    left = Left(job, trials=3, refits=1)
    assert (left.steps(), left.images()) == (4 * 35, 4 * 350)
    pace = Pace(image_s=0.01, score_s=0.1)
    assert pace.trial_s(job) == pytest.approx(3.5 + 5 * 4.1)
    assert pace.refit_s(job) == pytest.approx(3.5 + 8.3)
    assert pace.slot_s(left) == pytest.approx(3 * pace.trial_s(job) + pace.refit_s(job))


def test_without_steps_per_epoch_an_epoch_is_every_image(make_job):
    left = Left(make_job(epochs=5, batch=10), trials=1, refits=0)  # 209 images: 21 steps
    assert (left.steps(), left.images()) == (5 * 21, 5 * 209)
    assert Pace(image_s=0.01, score_s=0.0).step_s(left.job) == pytest.approx(0.01 * 209 / 21)


def test_a_finished_job_costs_nothing(make_job):
    assert Pace(image_s=1.0, score_s=1.0).slot_s(Left(make_job(), trials=0, refits=0)) == 0


@pytest.mark.parametrize(("protocol", "images"), [("holdout", (41, 42)), ("paper", (83, 83)), ("synthetic", (84, 83))])
def test_the_protocol_says_how_many_images_choose_and_how_many_are_measured_on(make_job, protocol, images):
    assert pace.scored_images(make_job(protocol=protocol)) == images  # of 209 normal and 83 labelled images


@pytest.mark.parametrize("protocol", ["holdout", "paper", "synthetic"])
def test_which_is_as_many_as_a_split_puts_there(make_job, few_images, protocol):
    images = load("folder", str(few_images), "fabric", Frame(32, 32))
    normal = sum(sample.part == "train" for sample in images.samples)
    category = Category("folder", "fabric", str(few_images), len(images.samples), normal, "f" * 64)
    parts = split(images, protocol, 0)
    expected = pace.scored_images(make_job(category, protocol=protocol))
    assert expected == pytest.approx((len(parts.val) + len(parts.forge), len(parts.test)), abs=2)


def test_of_a_sweep_it_is_what_its_rows_do_not_hold(tmp_path, make_job, make_trial, make_job_row):
    output = Output(str(tmp_path))
    begun, finished, fresh = (make_job(name, trials=3) for name in ("bottle", "cable", "pill"))
    output.write_trial(make_trial(begun, 0, [0.5]))
    output.write_job(make_job_row(finished))
    closing = {row.job_id: row for row in output.jobs()}
    lefts = plan.left([begun, finished, fresh], closing, output.trials())
    assert lefts == [Left(begun, 2, 1), Left(finished, 0, 0), Left(fresh, 3, 1)]


# -- what it takes on slots: trials of 1 s, refits of 1 s


@pytest.fixture
def outlook(make_job):
    """Jobs of so many trials; a trial and a refit take a second each."""

    def make(*trials: int, known: bool = True, **place) -> Outlook:
        options = {"epochs": 1, "steps_per_epoch": 10, "batch": 10}
        lefts = [Left(make_job(str(i), **options), count, 1) for i, count in enumerate(trials)]
        paces = {AT_64: Pace(image_s=0.01, score_s=0.0)} if known else {}
        return Outlook(lefts, [Measured(paces, "cpu x2", 2.0, "CPU-core")], Place(**{"slots": 1, **place}))

    return make


def test_one_slot_takes_the_sum(outlook):
    assert outlook(3, 1).wall_s() == pytest.approx(6)
    assert outlook(3, 1, refit_start_s=10.0).wall_s() == pytest.approx(26)


def test_slots_share_the_jobs_and_the_longest_begins_first(outlook):
    assert outlook(1, 1, 4, slots=2).wall_s() == pytest.approx(5)  # (4 + 1) beside (1 + 1) + (1 + 1)
    assert outlook(3, 3, 3, slots=2).wall_s() == pytest.approx(6)


def test_a_jobs_trials_wait_for_one_another_on_however_many_slots(outlook):
    many = outlook(5, 1, slots=100)
    (longest, pace), _ = many.measured()
    assert many.wall_s() == pytest.approx(6) == many.chain_s(longest, pace)


def test_but_for_as_many_as_may_run_at_once(outlook):
    two = outlook(5, slots=100, parallel_trials=2)
    assert two.wall_s() == pytest.approx(3 + 1) == two.chain_s(*two.measured()[0])
    assert outlook(5, slots=1, parallel_trials=2).wall_s() == pytest.approx(6)


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
@pytest.mark.parametrize("trials", [(7, 1, 1, 3), (2,) * 9, (5, 4), (0, 6, 0, 2)])
def test_it_lies_between_the_two_bounds_that_any_schedule_keeps(outlook, trials, slots):
    it = outlook(*trials, slots=slots)
    total, longest = sum(trials) + len(trials), max(trials) + 1
    assert max(total / slots, longest) <= it.wall_s() + 1e-9
    assert it.wall_s() <= total / slots + longest * (1 - 1 / slots) + 1e-9  # Graham's


def test_what_is_not_measured_is_named_and_counts_for_nothing(outlook):
    assert outlook(3, known=False).unmeasured() == [AT_64]
    assert outlook(3, known=False).wall_s() == 0 == len(outlook(3, known=False).measured())
    assert outlook(3).unmeasured() == []


def test_what_is_held_is_paid_for(outlook):
    it = outlook(3, 1, slots=8)
    assert it.held_s(it.known[0]) == pytest.approx(2 * 6)  # seconds of a core


def test_a_share_of_the_trials_is_what_is_left_before_the_refits(outlook):
    one = outlook(10)
    ((left, pace),) = one.measured()
    kept_s, trial_s = 2 * pace.refit_s(left.job), pace.trial_s(left.job)
    assert [one.share(kept_s + trials * trial_s) for trials in (0, 5, 10, 11)] == pytest.approx([0, 0.5, 1, 1])
    assert one.share(0.0) == 0.0
