"""A snapshot of a sweep: what is done, what is under way, who is best, and how long the rest takes."""

import math
import time

import pytest

from orchestrator.display import snapshot
from orchestrator.display.snapshot import BestLine, JobLine
from orchestrator.estimate.schedule import Place
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, jobs
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.ledger import Ledger
from orchestrator.sweep.sweep import Sweep


@pytest.fixture
def begin(tmp_path):
    def build(*jobs, slots: int = 1, deadline: float = math.inf, **place) -> Sweep:
        output = Output(str(tmp_path))
        return Sweep(Ledger.read(jobs, output), output, Claims(output), Place(slots, **place), deadline)

    return build


@pytest.fixture
def record(make_trial):
    def run(sweep: Sweep, value: float, wall_s: float = 60.0) -> None:
        task = sweep.next_trial()
        sweep.record(task, make_trial(task.job, task.index, [value], wall_s=wall_s, params=dict(task.params)))

    return run


def test_nothing_has_begun(begin, make_job):
    seen = snapshot.take(begin(make_job(trials=2), make_job("cable", trials=3), slots=4))
    assert (seen.jobs, seen.trials, seen.slots) == ((0, 2), (0, 5), (0, 4))
    assert (seen.lines, seen.best, seen.epoch, seen.left_s) == ((), (), "", None)


def test_trials_under_way_with_their_epochs_and_the_best_of_rows_and_epochs(begin, record, make_job):
    sweep = begin(make_job(trials=4), slots=2, parallel_trials=2)
    record(sweep, 0.7)
    first, second = sweep.next_trial(), sweep.next_trial()
    sweep.progressed(first, 3, 0.8)
    sweep.progressed(second, 7, 0.6)
    seen = snapshot.take(sweep)
    assert seen.lines == (JobLine("bottle", "sa_skip_ganomaly", "0", "1/4", "3-7/20", "0.800"),)
    assert seen.best == (BestLine("bottle", "0.800", "sa_skip_ganomaly"),)
    assert seen.slots == (2, 2) and seen.epoch == "3-7/20" and seen.left_s > 0


def test_a_model_is_told_with_its_size_where_there_are_several(begin, record, make_job):
    sweep = begin(*jobs(Experiment(model=("sagan",), size_px=(32, 64), trials=2), [make_job().category], 1))
    record(sweep, 0.7)
    sweep.next_trial()
    seen = snapshot.take(sweep)
    assert seen.best == (BestLine("bottle", "0.700", "sagan at 64 px"),), "the larger begins"
    assert [line.model for line in seen.lines] == ["sagan at 64 px"]


def test_a_refit_holds_a_slot(begin, record, make_job):
    sweep = begin(make_job(trials=1))
    record(sweep, 0.7, wall_s=600.0)
    assert snapshot.take(sweep).slots == (0, 1)
    sweep.next_refit()
    seen = snapshot.take(sweep)
    assert (seen.slots, seen.refits, seen.lines[0].epoch) == ((1, 1), 1, "refit")
    assert 0 < seen.left_s < 600, "its trial's ten minutes, less what it has had"


def test_the_best_model_of_each_category_in_their_order(begin, record, make_job):
    jobs = [make_job(name, model=(model,), trials=1) for name in "ab" for model in ("ganomaly", "sagan")]
    sweep = begin(*jobs)
    for value in (0.5, 0.9, 0.8, 0.7):
        record(sweep, value)
    assert snapshot.take(sweep).best == (BestLine("a", "0.900", "sagan"), BestLine("b", "0.800", "ganomaly"))


def test_categories_of_one_name_have_their_datasets(begin, record, make_job):
    places = [Category(dataset, "carpet", "/data", 90, 60, "f" * 64) for dataset in ("mvtec_ad", "folder")]
    sweep = begin(*(make_job(place, trials=1) for place in places), make_job("cable", trials=1))
    for _ in range(3):
        record(sweep, 0.5)
    assert {line.category for line in snapshot.take(sweep).best} == {"mvtec_ad/carpet", "folder/carpet", "cable"}


def test_a_job_that_another_sweep_holds_is_its_work(begin, record, make_job):
    mine, shared = make_job(trials=2), make_job("cable", trials=2)
    sweep = begin(mine, shared)
    record(sweep, 0.5, wall_s=100.0)
    (held,) = [job for job in sweep.ledger.todo if not sweep.ledger.rows[job.id]]
    sweep.elsewhere[held.id] = "another sweep, process 7 on far"
    seen = snapshot.take(sweep)
    assert seen.elsewhere == ("another sweep, process 7 on far",) and seen.lines[-1].epoch == "elsewhere"
    assert seen.left_s == pytest.approx(200), "a trial and a refit of its own"


def test_jobs_race_until_their_last_lap_is_known(begin, record, make_job):
    sweep = begin(make_job(trials=9), make_job("cable", trials=9, race=False))
    assert snapshot.take(sweep).is_racing
    for _ in range(18):
        record(sweep, 0.5)
    assert not snapshot.take(sweep).is_racing


def test_no_more_is_left_than_the_time_budget(begin, record, make_job):
    sweep = begin(make_job(trials=9), deadline=time.monotonic() + 150.0)
    record(sweep, 0.5, wall_s=100.0)
    assert snapshot.take(sweep).left_s <= 150.0
    sweep.deadline = time.monotonic() + 99.0
    assert sweep.out_of_time() and snapshot.take(sweep).left_s == pytest.approx(99, abs=1), "its refit alone"
