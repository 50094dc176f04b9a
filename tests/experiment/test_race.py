"""The race: who goes on after the presets follows from the rows of all who race, whatever ended first."""

import dataclasses
import itertools
import random

import pytest

from orchestrator.experiment import plan, race
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, jobs
from orchestrator.experiment.race import Goal
from orchestrator.results.rows import FAILED
from search_spaces.catalog import PRESETS

TRIALS = 8
BOTTLE = Category("mvtec_ad", "bottle", "/data", images=292, train_images=209, fingerprint="f" * 64)
MODELS = ("ganomaly", "sa_skip_ganomaly", "mean_image")
HEATS = {model: min(TRIALS, len(PRESETS[model])) for model in MODELS}
CHOSEN_ON = {"val_images": 42, "val_normals": 10}


@pytest.fixture
def racing():
    """The jobs of MODELS on bottle, in that order."""
    return jobs(Experiment(model=MODELS, trials=TRIALS, race=True), [BOTTLE], 1)


@pytest.fixture
def tried(make_trial):
    """Rows of a job's trials, by index; of so many, with these validation AUROCs, the last one's again and again."""

    def rows(job, count: int, *val_aucs: float | None) -> dict:
        reached = itertools.chain(val_aucs, itertools.repeat(val_aucs[-1]))
        params = next(iter(PRESETS[job.model].values()), {})
        return {
            index: make_trial(job, index, [value], status=FAILED if value is None else "completed", params=params,
                              **CHOSEN_ON)
            for index, value in zip(range(count), reached, strict=False)
        }  # fmt: skip

    return rows


def goals(found_jobs, rows, ended=(), parallel_trials=1) -> dict[str, Goal]:
    found = race.goals(found_jobs, {job.id: rows.get(job.model, {}) for job in found_jobs}, ended, parallel_trials)
    return {job.model: found[job.id] for job in found_jobs}


def test_without_it_each_gets_all(racing, tried):
    plain = [dataclasses.replace(job, experiment=dataclasses.replace(job.experiment, race=False)) for job in racing]
    rows = {"ganomaly": tried(racing[0], 2, 1.0), "sa_skip_ganomaly": tried(racing[1], 4, 0.5)}
    assert [goal.most for goal in goals(plain, rows).values()] == [TRIALS, TRIALS, 1]
    assert all(goal.is_final and goal.why is None for goal in goals(plain, rows).values())


def test_each_tries_its_presets_and_nobody_goes_on_before_all_have(racing, tried):
    assert goals(racing, {}) == {model: Goal(HEATS[model], min(TRIALS, 1 if model == "mean_image" else TRIALS))
                                 for model in MODELS}  # fmt: skip
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.9)}
    assert goals(racing, rows)["ganomaly"] == Goal(HEATS["ganomaly"], TRIALS)


def test_who_is_beaten_beyond_the_interval_gets_no_more_and_is_told_why(racing, tried):
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.96), "mean_image": tried(racing[2], 1, 0.6),
            "sa_skip_ganomaly": tried(racing[1], HEATS["sa_skip_ganomaly"], 0.7)}  # fmt: skip
    found = goals(racing, rows)
    assert found["ganomaly"] == Goal(TRIALS, TRIALS), "the leader goes on"
    out = found["sa_skip_ganomaly"]
    assert (out.now, out.most) == (HEATS["sa_skip_ganomaly"],) * 2
    assert out.why == "its validation AUROC of 0.700 (95 % up to 0.850) is below the leader's"
    assert found["mean_image"] == Goal(1, 1), "one trial is all that was asked for"


def test_who_lies_within_the_interval_goes_on(racing, tried):
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.85), "mean_image": tried(racing[2], 1, 0.6),
            "sa_skip_ganomaly": tried(racing[1], HEATS["sa_skip_ganomaly"], 0.8)}  # fmt: skip
    assert goals(racing, rows)["sa_skip_ganomaly"] == Goal(TRIALS, TRIALS)


def test_who_is_out_is_so_before_the_others_are_through_and_stays_so(racing, tried):
    rows = {"sa_skip_ganomaly": tried(racing[1], HEATS["sa_skip_ganomaly"], 0.7), "ganomaly": tried(racing[0], 1, 0.96)}
    early = goals(racing, rows)["sa_skip_ganomaly"]
    rows |= {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.96, 0.99), "mean_image": tried(racing[2], 1, 0.6)}
    late = goals(racing, rows)["sa_skip_ganomaly"]
    assert early.is_final and (early.now, late.now) == (HEATS["sa_skip_ganomaly"],) * 2


def test_later_trials_of_the_leader_put_nobody_out(racing, tried):
    """They may end before or after a rival's: only presets decide."""
    rows = {"ganomaly": tried(racing[0], TRIALS, *[0.85] * HEATS["ganomaly"], 0.99),
            "mean_image": tried(racing[2], 1, 0.6),
            "sa_skip_ganomaly": tried(racing[1], HEATS["sa_skip_ganomaly"], 0.8)}  # fmt: skip
    assert goals(racing, rows)["sa_skip_ganomaly"] == Goal(TRIALS, TRIALS)


def test_who_takes_no_training_waits_for_nobody_and_is_never_out(tried):
    found = jobs(Experiment(model=("padim", "ganomaly"), trials=TRIALS, race=True), [BOTTLE], 1)
    rows = {"padim": tried(found[0], 2, 0.6)}
    assert goals(found, rows)["padim"] == Goal(TRIALS, TRIALS)
    rows |= {"ganomaly": tried(found[1], HEATS["ganomaly"], 0.96)}
    assert goals(found, rows)["padim"] == Goal(TRIALS, TRIALS)
    rows = {"padim": tried(found[0], 2, 0.96), "ganomaly": tried(found[1], HEATS["ganomaly"], 0.6)}
    assert goals(found, rows)["ganomaly"].now == HEATS["ganomaly"], "its lead counts"


@pytest.mark.parametrize(("parallel_trials", "trials"), [(1, 1), (2, 2), (3, 3)])
def test_after_a_trial_that_was_never_wrong_no_other_begins(racing, tried, parallel_trials, trials):
    found = goals(racing, {"ganomaly": tried(racing[0], 1, 1.0)}, parallel_trials=parallel_trials)["ganomaly"]
    assert (found.now, found.most, found.why) == (trials, trials, "its validation AUROC is 1, which none can beat")


def test_presets_that_all_fail_are_out(racing, tried):
    rows = {"ganomaly": tried(racing[0], 1, 0.9), "sa_skip_ganomaly": tried(racing[1], HEATS["sa_skip_ganomaly"], None)}
    why = goals(racing, rows)["sa_skip_ganomaly"].why
    assert why == "none of its presets could be trained, and a rival's could"


def test_a_lead_on_forged_anomalies_puts_nobody_out(tried):
    found = jobs(Experiment(model=MODELS, trials=TRIALS, race=True, protocol="synthetic"), [BOTTLE], 1)
    rows = {"ganomaly": tried(found[0], HEATS["ganomaly"], 0.96), "sa_skip_ganomaly": tried(found[1], 4, 0.7)}
    assert goals(found, rows)["sa_skip_ganomaly"] == Goal(TRIALS, TRIALS)


def test_a_job_that_has_ended_holds_nobody_up_though_its_trials_rows_are_lost(racing, tried):
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.9), "mean_image": tried(racing[2], 1, 0.6)}
    assert goals(racing, rows, ended={racing[1].id})["ganomaly"] == Goal(TRIALS, TRIALS)


def test_categories_and_seeds_race_apart(tried):
    cable = dataclasses.replace(BOTTLE, name="cable")
    found = jobs(Experiment(model=MODELS[:2], trials=TRIALS, race=True, seed=(0, 1)), [BOTTLE, cable], 1)
    rows = {job.id: {} for job in found}
    rows[found[0].id] = tried(found[0], HEATS["ganomaly"], 0.96)
    rows[found[1].id] = tried(found[1], HEATS["sa_skip_ganomaly"], 0.7)
    decided = [goal.is_final for goal in race.goals(found, rows, (), 1).values()]
    assert sum(decided) == 2


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_every_order_of_finishing_on_any_number_of_slots_gives_the_same_trials(racing, make_trial, slots):
    def value(job, index: int) -> float:
        return {"ganomaly": 0.90, "sa_skip_ganomaly": 0.72, "mean_image": 0.6}[job.model] + 0.005 * index

    for order in map(random.Random, range(4)):
        rows, running = {job.id: {} for job in racing}, []
        while True:
            while len(running) < slots:
                busy = {job.id: {task.index for task in running if task.job == job} for job in racing}
                task = plan.next_trial(racing, rows, busy, race.goals(racing, rows, (), 1), 1)
                if task is None:
                    break
                running.append(task)
            if not running:
                break
            task = running.pop(order.randrange(len(running)))
            curve = [value(task.job, task.index)]
            row = make_trial(task.job, task.index, curve, params=dict(task.params), **CHOSEN_ON)
            rows[task.job.id][task.index] = row
        done = {job.model: len(rows[job.id]) for job in racing}
        assert done == {"ganomaly": TRIALS, "sa_skip_ganomaly": HEATS["sa_skip_ganomaly"], "mean_image": 1}
