"""What is said of time and cost: a line a job, or a model where there are many; totals; where the times come from; and
what a time budget buys."""

import dataclasses
import re
from typing import Any

import pytest

from orchestrator.estimate import in_words
from orchestrator.estimate.outlook import Outlook
from orchestrator.estimate.pace import Measured, Pace
from orchestrator.estimate.schedule import Place
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, Sized, jobs
from orchestrator.experiment.plan import Left

A, B = "skip_ganomaly", "ganomaly"
PACE = Pace(image_s=0.01, score_s=0.05)
EXPERIMENT = Experiment(size_px=(64,), batch=10, epochs=1)


@pytest.fixture
def lefts(make_job):
    """Two trials and a refit each, of one epoch of 10 steps with 10 images: 3 s of training, 8.25 s of scoring."""

    def make(*names: str, model: str = A, **options) -> list[Left]:
        options = {"epochs": 1, "steps_per_epoch": 10, "batch": 10, **options}
        return [Left(make_job(name, model=(model,), **options), trials=2, refits=1) for name in names]

    return make


def rows(**paces: Pace) -> Measured:
    return Measured(at_64_px(paces), "NVIDIA H100", held=0.5, unit="GPU", rows=7)


def probes(failed: dict[str, str] | None = None, **paces: Pace) -> Measured:
    return Measured(
        at_64_px(paces), "cpu x2", held=2.0, unit="CPU-core", probe_s=4.2, failed=at_64_px(failed or {})
    )


def at_64_px(by_model: dict) -> dict[Sized, Any]:
    return {Sized(model, 64): value for model, value in by_model.items()}


def outlook(lefts, *known: Measured, slots: int = 1) -> Outlook:
    return Outlook(lefts, known, Place(slots))


def say(lefts, *known: Measured, slots: int = 1) -> list[str]:
    return in_words.sentences(outlook(lefts, *known, slots=slots), EXPERIMENT, "results")


# -- the table


def test_few_jobs_are_a_line_each_without_what_is_the_same_in_all(lefts):
    names, cells = in_words.table(outlook(lefts("bottle", "cable"), rows(skip_ganomaly=PACE)))
    assert names == ["category", "model", "trials", "steps each", "a step", "at most"]
    assert cells == [
        ["bottle", A, "2", "10", "100 ms", "11 s"],
        ["cable", A, "2", "10", "100 ms", "11 s"],
    ]


def test_seeds_are_told_where_there_are_several(lefts):
    names, cells = in_words.table(outlook([*lefts("bottle"), *lefts("bottle", seed=(5,))]))
    assert [line[names.index("seed")] for line in cells] == ["0", "5"]


def test_sizes_are_told_where_there_are_several(lefts):
    two = [*lefts("bottle"), *lefts("bottle", size_px=128)]
    names, cells = in_words.table(outlook(two, rows(skip_ganomaly=PACE)))
    assert [line[names.index("px")] for line in cells] == ["64", "128"]
    assert [line[names.index("a step")] for line in cells] == ["100 ms", "-"], "a pace is of a size"
    many = [left for size_px in (64, 128) for left in lefts(*map(str, range(20)), size_px=size_px)]
    names, cells = in_words.table(outlook(many))
    assert names[:4] == ["model", "px", "categories", "jobs"]
    assert [line[:4] for line in cells] == [[A, "64", "20", "20"], [A, "128", "20", "20"]]


def test_the_dataset_is_told_where_a_name_is_not_enough(lefts, make_job):
    same = Category("folder", "bottle", "/parts", images=40, train_images=20, fingerprint="e" * 64)
    names, cells = in_words.table(outlook([*lefts("bottle"), Left(make_job(same), 2, 1)]))
    assert names[:2] == ["dataset", "category"]
    assert [line[:2] for line in cells] == [["mvtec_ad", "bottle"], ["folder", "bottle"]]
    other = dataclasses.replace(same, name="bracket")
    assert "dataset" not in in_words.table(outlook([*lefts("bottle"), Left(make_job(other), 2, 1)]))[0]


def test_a_finished_job_is_called_so(lefts, make_job):
    names, cells = in_words.table(outlook([*lefts("bottle"), Left(make_job("cable"), trials=0, refits=0)]))
    assert [line[names.index("trials")] for line in cells] == ["2", "finished"]


def test_many_jobs_are_a_line_a_model(lefts):
    few = lefts("toothbrush", model=B, steps_per_epoch=None, batch=100)  # 209 images: 3 steps
    many = [left for model in (A, B) for left in lefts(*map(str, range(15)), model=model)]
    names, cells = in_words.table(outlook([*many, *few], rows(skip_ganomaly=PACE)))
    assert names == ["model", "categories", "jobs", "trials", "steps each", "a step", "at most"]
    assert cells == [
        [A, "15", "15", "30", "10", "100 ms", "2 min 49 s"],
        [B, "16", "16", "32", "3-10", "-", "not measured"],
    ]


def test_the_memory_of_a_gpu_is_a_column_where_it_is_known(lefts):
    known = rows(skip_ganomaly=dataclasses.replace(PACE, memory_bytes=3 * 2**30))
    names, cells = in_words.table(outlook([*lefts("bottle"), *lefts("bottle", model=B)], known))
    assert names[-1] == "memory" and [line[-1] for line in cells] == ["3.0 GiB", "-"]


# -- the sentences


def test_totals_times_and_their_source(lefts, make_job):
    done = Left(make_job("done", model=(A,)), trials=0, refits=0)
    assert say([*lefts("bottle", "cable"), done], rows(skip_ganomaly=PACE)) == [
        "1 model x 3 categories x 1 seed = 3 jobs, 1 finished; left: 4 trials and 2 refits, of 1 epoch each",
        "to train, at most: 60 optimisation steps, 600 images at 64 px in batches of at most 10",
        "time, at most: 0.0031 GPU-hours, 23 s on one slot",
        "by 7 trial rows of results at 64 px on NVIDIA H100, validation included",
    ]


def test_of_several_sizes_each_is_named_with_what_is_known_of_it():
    both = dataclasses.replace(EXPERIMENT, model=(A,), size_px=(64, 128), steps_per_epoch=10)
    bottle = Category("mvtec_ad", "bottle", "/data", images=292, train_images=209, fingerprint="f" * 64)
    left = [Left(job, trials=2, refits=1) for job in jobs(both, [bottle], 1)]
    assert in_words.sentences(outlook(left, rows(skip_ganomaly=PACE)), both, "results") == [
        "1 model x 1 category x 2 sizes x 1 seed = 2 jobs, 0 finished; "
        "left: 4 trials and 2 refits, of 1 epoch each",
        "to train, at most: 60 optimisation steps, 600 images at 64 px, 128 px in batches of at most 10",
        "time of what is measured, at most: 0.0016 GPU-hours, 11 s on one slot",
        "by 7 trial rows of results at 64 px on NVIDIA H100, validation included",
        "not measured there, so the whole takes longer: skip_ganomaly at 128 px; add --probe (about 5 s)",
    ]


def test_slots_shorten_the_time_down_to_the_longest_job_and_leave_the_gpu_hours(lefts):
    slow = rows(skip_ganomaly=Pace(image_s=36.0, score_s=0.0))  # an hour a trial, 3 h a job, on half a GPU
    jobs = lefts("bottle", "cable", "pill")
    assert "time, at most: 4.5 GPU-hours, 9 h 00 min on one slot" in say(jobs, slow)
    assert "time, at most: 4.5 GPU-hours, 5 h 00 min on 2 slots" in say(jobs, slow, slots=2)
    many = say(jobs, slow, slots=40)
    assert "time, at most: 4.5 GPU-hours, 3 h 00 min on 40 slots" in many
    assert "on any number of slots: 3 h 00 min, as trials of bottle / skip_ganomaly wait for one another" in many


def test_very_long_times_are_days(lefts):
    slow = rows(skip_ganomaly=Pace(image_s=36.0 * 24, score_s=0.0))
    assert "time, at most: 108 GPU-hours, 9.0 days on one slot" in say(lefts("a", "b", "c"), slow)


def test_what_is_not_measured_is_named_and_left_out_and_how_to_measure_it(lefts):
    both = [*lefts("bottle"), *lefts("bottle", model=B)]
    assert say(both, rows(skip_ganomaly=PACE))[2:] == [
        "time of what is measured, at most: 0.0016 GPU-hours, 11 s on one slot",
        "by 7 trial rows of results at 64 px on NVIDIA H100, validation included",
        "not measured there, so the whole takes longer: ganomaly; add --probe (about 5 s)",
    ]
    assert say(both)[2:] == [
        "time: not measured, since results holds no finished trial of these models at 64 px; add --probe (about 10 s)"
    ]


def test_rows_and_a_probe_are_two_sources_and_their_units_are_not_added(lefts):
    both = [*lefts("bottle"), *lefts("bottle", model=B)]
    assert say(both, rows(skip_ganomaly=PACE), probes(ganomaly=PACE))[2:] == [
        "time, at most: 0.0016 GPU-hours and 0.0063 CPU-core-hours, 23 s on one slot",
        "by 7 trial rows of results at 64 px on NVIDIA H100, validation included",
        "by a probe of 1 model (4.20 s, with no other slot busy) at 64 px on cpu x2, validation included",
    ]


def test_a_model_that_could_not_be_probed_is_one_line(lefts):
    both = [*lefts("bottle"), *lefts("bottle", model=B)]
    lines = say(both, probes({A: "does not fit in batches of 10"}, ganomaly=PACE))
    assert lines[2].startswith("time of what is measured, at most: 0.0063 CPU-core-hours, 11 s")
    assert lines[-1] == "skip_ganomaly: does not fit in batches of 10" and "--probe" not in "".join(lines)
    assert say(lefts("bottle"), probes({A: "its worker died"}))[2:] == ["skip_ganomaly: its worker died"]


# -- a time budget; bottle and cable take 22.5 s on one slot, a trial 3.05 s


def bought(lefts, *known: Measured, left_s: float, slots: int = 1) -> list[str]:
    return in_words.budget(outlook(lefts, *known, slots=slots), EXPERIMENT, "results", left_s)


SOURCE = "by 7 trial rows of results at 64 px on NVIDIA H100, validation included"


def test_a_budget_is_enough_or_buys_a_share(lefts):
    jobs, known = lefts("bottle", "cable"), rows(skip_ganomaly=PACE)
    assert bought(jobs, known, left_s=60) == [
        "time budget: 1 min 00 s left, which is enough: the whole takes at most 23 s on one slot",
        SOURCE,
    ]
    assert bought(jobs, known, left_s=20) == [
        "time budget: 20 s left; the whole takes at most 23 s on one slot: "
        "about 37 % of the trials will be done before it is time for the refits",
        SOURCE,
    ]
    assert "23 s" not in bought(jobs, known, left_s=9, slots=2)[0]
    assert bought(jobs, known, left_s=-3)[0].startswith("time budget: 0 s left; ")


def test_where_trials_may_be_stopped_early_the_share_is_a_range(make_job):
    """Of 20 trials beyond the presets each takes 9 epochs, or one."""
    job = make_job("bottle", model=(A,), epochs=9, steps_per_epoch=10, batch=10, trials=30)
    left, known = [Left(job, trials=20, refits=1)], rows(skip_ganomaly=PACE)
    whole = outlook(left, known)
    left_s = whole.wall_s() / 4
    (line, _) = bought(left, known, left_s=left_s)
    least, most = map(int, re.search(r"(\d+) to (\d+) %, by how many are stopped early, of the trials", line).groups())
    assert 0 < least < 25 and most == 100
    plain = make_job("bottle", model=(A,), epochs=9, steps_per_epoch=10, batch=10, trials=30, scheduler="none")
    assert "about" in bought([Left(plain, trials=20, refits=1)], known, left_s=left_s)[0]


def test_a_budget_shorter_than_a_trial_may_leave_nothing(lefts):
    jobs = [*lefts("bottle", "cable"), *lefts("pill", epochs=3)]
    *_, warning = bought(jobs, rows(skip_ganomaly=PACE), left_s=5)
    assert warning == (
        "one trial of pill / skip_ganomaly takes 9 s, more than is left: 1 job may end with nothing. "
        "Lower --epochs, --steps-per-epoch or --size-px, or raise --time-budget."
    )
    *_, warning = bought(jobs, rows(skip_ganomaly=PACE), left_s=1)
    assert warning.startswith("one trial of pill") and "3 jobs may end with nothing" in warning


def test_what_could_not_be_measured_is_not_in_the_share(lefts):
    both = [*lefts("bottle"), *lefts("bottle", model=B)]
    first, second, _ = bought(both, probes({A: "does not fit"}, ganomaly=PACE), left_s=60)
    assert (first, second.partition(": the whole ")[2]) == (
        "skip_ganomaly: does not fit",
        "but for skip_ganomaly takes at most 11 s on one slot",
    )
    assert bought(lefts("bottle"), probes({A: "does not fit"}), left_s=60) == [
        "skip_ganomaly: does not fit",
        "time budget: 1 min 00 s left; what the whole takes is not measured",
    ]
