"""What `plan` says: a line a job, or a model where there are many; totals; and where the times come from."""

import dataclasses

import pytest

from orchestrator import forecast
from orchestrator.cost import Left, Measured, Pace
from orchestrator.plan import Category

PACE = Pace(image_s=0.01, validation_s=2.0)


@pytest.fixture
def lefts(make_job):
    """Two trials and a refit each, of one epoch of 10 steps with 10 images: 3 s of training, 8 s of validation."""

    def make(*names: str, model: str = "skip_ganomaly", **options) -> list[Left]:
        options = {"epochs": 1, "steps_per_epoch": 10, "batch": 10, **options}
        return [Left(make_job(name, model=(model,), **options), trials=2, refits=1) for name in names]

    return make


def measured(**paces: Pace) -> Measured:
    return Measured(paces, rows=7, device="NVIDIA H100", held=0.5, unit="GPU")


def say(lefts, known, slots: int = 1) -> list[str]:
    return forecast.sentences(lefts, known, 64, 10, slots, "results")


def test_few_jobs_are_a_line_each_without_what_is_the_same_in_all(lefts):
    names, cells = forecast.table(lefts("bottle", "cable"), measured(skip_ganomaly=PACE))
    assert names == ["category", "model", "trials", "steps each", "a step", "at most"]
    assert cells == [
        ["bottle", "skip_ganomaly", "2", "10", "100 ms", "11 s"],
        ["cable", "skip_ganomaly", "2", "10", "100 ms", "11 s"],
    ]


def test_seeds_are_told_where_there_are_several(lefts):
    names, cells = forecast.table([*lefts("bottle"), *lefts("bottle", seed=(5,))], None)
    assert [line[names.index("seed")] for line in cells] == ["0", "5"]


def test_the_dataset_is_told_where_a_name_is_not_enough(lefts, make_job):
    same = Category("folder", "bottle", "/parts", images=40, train_images=20, fingerprint="e" * 64)
    names, cells = forecast.table([*lefts("bottle"), Left(make_job(same), 2, 1)], None)
    assert names[:2] == ["dataset", "category"]
    assert [line[:2] for line in cells] == [["mvtec_ad", "bottle"], ["folder", "bottle"]]
    other = dataclasses.replace(same, name="bracket")
    assert "dataset" not in forecast.table([*lefts("bottle"), Left(make_job(other), 2, 1)], None)[0]


def test_a_finished_job_is_called_so(lefts, make_job):
    names, cells = forecast.table([*lefts("bottle"), Left(make_job("cable"), trials=0, refits=0)], None)
    assert [line[names.index("trials")] for line in cells] == ["2", "finished"]


def test_many_jobs_are_a_line_a_model(lefts):
    few = lefts("toothbrush", model="mean_image", steps_per_epoch=None, batch=100)  # 209 images: 3 steps
    many = [left for model in ("skip_ganomaly", "mean_image") for left in lefts(*map(str, range(15)), model=model)]
    names, cells = forecast.table([*many, *few], measured(skip_ganomaly=PACE))
    assert names == ["model", "categories", "jobs", "trials", "steps each", "a step", "at most"]
    assert cells == [
        ["skip_ganomaly", "15", "15", "30", "10", "100 ms", "2 min 45 s"],
        ["mean_image", "16", "16", "32", "3-10", "-", "not measured"],
    ]


def test_totals_times_and_their_source(lefts, make_job):
    done = Left(make_job("done"), trials=0, refits=0)
    assert say([*lefts("bottle", "cable"), done], measured(skip_ganomaly=PACE)) == [
        "3 jobs, 1 finished; left: 4 trials and 2 refits",
        "to train, at most: 60 optimisation steps, 600 images at 64 px in batches of at most 10",
        "time, at most: 0.0031 GPU-hours, 22 s on one slot",
        "by 7 trial rows of results at 64 px on NVIDIA H100, validation included",
    ]


def test_slots_divide_the_wall_time_and_not_the_gpu_hours(lefts):
    slow = measured(skip_ganomaly=Pace(image_s=36.0, validation_s=0.0))  # 300 images: 3 h on half a GPU
    assert "time, at most: 1.5 GPU-hours, 3 h 00 min on one slot" in say(lefts("bottle"), slow)
    assert "time, at most: 1.5 GPU-hours, 45 min 00 s on 4 slots" in say(lefts("bottle"), slow, slots=4)


def test_what_is_not_measured_is_named_and_left_out(lefts):
    both = [*lefts("bottle"), *lefts("bottle", model="mean_image")]
    assert say(both, measured(skip_ganomaly=PACE))[2:] == [
        "time of what is measured, at most: 0.0015 GPU-hours, 11 s on one slot",
        "by 7 trial rows of results at 64 px on NVIDIA H100, validation included",
        "not measured there, so the whole takes longer: mean_image",
    ]
    assert say(both, None)[2:] == ["time: not measured, since results holds no finished trial of these models at 64 px"]
