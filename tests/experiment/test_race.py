"""The race: who goes on after the presets follows from the rows of all who race, whatever ended first."""

import dataclasses
import itertools
import random

import numpy as np
import pytest

from orchestrator.experiment import plan, race
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, jobs
from orchestrator.experiment.race import Goal
from orchestrator.results.rows import FAILED
from search_spaces.catalog import PRESETS

TRIALS = 8
BOTTLE = Category("mvtec_ad", "bottle", "/data", images=292, train_images=209, fingerprint="f" * 64)
MODELS = ("ganomaly", "egbad", "mean_image")
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


def goals(found_jobs, rows, ended=()) -> dict[str, Goal]:
    found = race.goals(found_jobs, {job.id: rows.get(job.model, {}) for job in found_jobs}, dict(ended))
    return {job.model: found[job.id] for job in found_jobs}


def trials(goal: Goal) -> tuple[int, int]:
    return goal.now, goal.most


def test_without_it_each_gets_all(racing, tried):
    plain = [dataclasses.replace(job, experiment=dataclasses.replace(job.experiment, race=False)) for job in racing]
    rows = {"ganomaly": tried(racing[0], 2, 1.0), "egbad": tried(racing[1], 4, 0.5)}
    assert [goal.most for goal in goals(plain, rows).values()] == [TRIALS, TRIALS, 1]
    assert all(goal.is_final and goal.why is None for goal in goals(plain, rows).values())


def test_each_tries_its_presets_and_nobody_goes_on_before_all_have(racing, tried):
    assert goals(racing, {}) == {model: Goal(HEATS[model], min(TRIALS, 1 if model == "mean_image" else TRIALS))
                                 for model in MODELS}  # fmt: skip
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.9)}
    assert goals(racing, rows)["ganomaly"] == Goal(HEATS["ganomaly"], TRIALS)


def test_who_is_beaten_beyond_the_interval_gets_no_more_and_is_told_why(racing, tried):
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.96), "mean_image": tried(racing[2], 1, 0.6),
            "egbad": tried(racing[1], HEATS["egbad"], 0.7)}  # fmt: skip
    found = goals(racing, rows)
    assert trials(found["ganomaly"]) == (race.SECOND_LAP, TRIALS), "the leader goes on to the end of the next lap"
    out = found["egbad"]
    assert trials(out) == (HEATS["egbad"],) * 2
    assert out.why == "its validation AUROC of 0.700 (95 % up to 0.850) is below the leader's 0.960"
    assert trials(found["mean_image"]) == (1, 1), "one trial is all that was asked for"


def test_who_lies_within_the_interval_goes_on(racing, tried):
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.85), "mean_image": tried(racing[2], 1, 0.6),
            "egbad": tried(racing[1], HEATS["egbad"], 0.82)}  # fmt: skip
    assert trials(goals(racing, rows)["egbad"]) == (race.SECOND_LAP, TRIALS)


def test_the_laps_end_at_twice_as_many_trials_each(racing, tried):
    alone = [dataclasses.replace(racing[0], trials=20)]
    ends = [goals(alone, {"ganomaly": tried(racing[0], count, *[0.7, 0.8] * 10)})["ganomaly"].now
            for count in range(20)]
    assert HEATS["ganomaly"] == 2 and ends == [2] * 2 + [4] * 2 + [8] * 4 + [16] * 8 + [20] * 4


def test_what_a_lap_decided_no_later_row_undoes(racing, tried):
    """The trials of the next lap may end before or after a rival's of this one: only those of the lap count."""
    rows = {"ganomaly": tried(racing[0], TRIALS, *[0.85] * HEATS["ganomaly"], 0.99),
            "mean_image": tried(racing[2], 1, 0.6),
            "egbad": tried(racing[1], HEATS["egbad"], 0.82)}  # fmt: skip
    assert trials(goals(racing, rows)["egbad"]) == (race.SECOND_LAP, TRIALS)


def test_who_is_expected_to_add_nothing_is_out_within_the_interval(racing, tried):
    """It came near the leader once, whom few images cannot tell apart from it, but never again."""
    rows = {"ganomaly": tried(racing[0], 4, 0.9, 0.9, 0.82, 0.87), "mean_image": tried(racing[2], 1, 0.6),
            "egbad": tried(racing[1], 4, 0.86, 0.85, 0.8, 0.79)}  # fmt: skip
    found = goals(racing, rows)
    assert trials(found["egbad"]) == (4, 4) and trials(found["ganomaly"]) == (TRIALS, TRIALS)
    assert found["egbad"].why == (
        "4 more trials are expected to add 0.0011 at most to the leader's validation AUROC of 0.900"
    )


def test_a_leader_that_was_never_wrong_ends_the_race_itself_included(racing, tried):
    rows = {model: tried(job, HEATS[model], value)
            for job, model, value in zip(racing, MODELS, (1.0, 0.98, 0.6), strict=True)}  # fmt: skip
    assert {model: trials(goal) for model, goal in goals(racing, rows).items()} == {
        model: (HEATS[model],) * 2 for model in MODELS
    }


@pytest.mark.parametrize("lead", [0.6, 0.9, 0.99])
def test_the_gain_is_what_a_draw_from_the_values_adds_on_average(racing, tried, lead):
    """Of many draws of a normal distribution, cut off at an AUROC of 1."""
    rows = list(tried(racing[0], 200, *np.random.default_rng(0).normal(0.9, 0.05, 200)).values())
    draws = np.random.default_rng(1).normal(0.9, 0.05, 100_000)
    assert race.gain(rows, lead) == pytest.approx(np.maximum(np.minimum(draws, 1) - lead, 0).mean(), abs=0.004)


def test_where_half_of_the_trials_fail_the_gain_is_half(racing, tried):
    sound = tried(racing[0], 4, 0.8, 0.9)
    broken = tried(racing[0], 8, 0.8, 0.9, 0.9, 0.9, None)
    assert race.gain(list(broken.values()), 0.85) == pytest.approx(race.gain(list(sound.values()), 0.85) / 2)


def test_presets_that_all_fail_are_out(racing, tried):
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.9), "mean_image": tried(racing[2], 1, 0.6),
            "egbad": tried(racing[1], HEATS["egbad"], None)}  # fmt: skip
    why = goals(racing, rows)["egbad"].why
    assert why == f"none of its first {HEATS['egbad']} trials could be trained, and a rival's could"


def test_where_nobodys_presets_could_be_trained_all_go_on(racing, tried):
    rows = {job.model: tried(job, HEATS[job.model], None) for job in racing}
    assert trials(goals(racing, rows)["ganomaly"]) == (race.SECOND_LAP, TRIALS)


def test_a_lead_on_forged_anomalies_puts_nobody_out(tried):
    found = jobs(Experiment(model=MODELS, trials=TRIALS, race=True, protocol="synthetic"), [BOTTLE], 1)
    rows = {"ganomaly": tried(found[0], HEATS["ganomaly"], 0.96), "egbad": tried(found[1], HEATS["egbad"], 0.7)}
    assert goals(found, rows)["egbad"] == Goal(TRIALS, TRIALS)


def test_a_job_that_has_ended_holds_nobody_up_though_its_trials_rows_are_lost(racing, tried):
    rows = {"ganomaly": tried(racing[0], HEATS["ganomaly"], 0.9), "mean_image": tried(racing[2], 1, 0.6)}
    found = goals(racing, rows, ended={racing[1].id: TRIALS})
    assert trials(found["ganomaly"]) == (race.SECOND_LAP, TRIALS)


def test_a_job_that_ended_when_fewer_trials_were_asked_for_has_laps_to_run(racing, tried):
    rows = {job.model: tried(job, min(4, job.trials), 0.8, 0.85) for job in racing}
    found = goals(racing, rows, ended={job.id: min(4, job.trials) for job in racing})
    assert trials(found["egbad"]) == (TRIALS, TRIALS)
    rows["ganomaly"] = tried(racing[0], TRIALS, 0.8, 0.85)
    assert not plan.finished(found["egbad"], None)


@pytest.fixture
def mixed():
    """An untrained and a trained model."""
    return jobs(Experiment(model=("padim", "ganomaly"), trials=TRIALS), [BOTTLE], 1)


def test_models_that_take_no_training_wait_for_nobody_that_does(mixed, tried):
    rows = {"padim": tried(mixed[0], 4, 0.8, 0.9)}
    assert trials(goals(mixed, rows)["padim"]) == (TRIALS, TRIALS)


def test_the_others_may_try_their_presets_before_these_are_through_and_no_more(mixed, tried):
    rows = {"padim": tried(mixed[0], 4, 0.8, 0.9), "ganomaly": tried(mixed[1], HEATS["ganomaly"], 0.6)}
    assert goals(mixed, rows)["ganomaly"] == Goal(HEATS["ganomaly"], TRIALS)
    rows["padim"] = tried(mixed[0], TRIALS, 0.8, 0.9)
    out = goals(mixed, rows)["ganomaly"]
    assert out.is_final and out.now == HEATS["ganomaly"] and out.why.endswith("is below the leader's 0.900")


def test_categories_and_seeds_race_apart(tried):
    cable = dataclasses.replace(BOTTLE, name="cable")
    found = jobs(Experiment(model=MODELS[:2], trials=TRIALS, race=True, seed=(0, 1)), [BOTTLE, cable], 1)
    rows = {job.id: {} for job in found}
    rows[found[0].id] = tried(found[0], HEATS["ganomaly"], 0.96)
    rows[found[1].id] = tried(found[1], HEATS["egbad"], 0.7)
    out = [id for id, goal in race.goals(found, rows, {}).items() if goal.why]
    assert out == [found[1].id]


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_every_order_of_finishing_on_any_number_of_slots_gives_the_same_trials(racing, make_trial, slots):
    def value(job, index: int) -> float:
        return {"ganomaly": 0.90, "egbad": 0.72, "mean_image": 0.6}[job.model] + 0.005 * index

    for order in map(random.Random, range(4)):
        rows, running = {job.id: {} for job in racing}, []
        while True:
            while len(running) < slots:
                busy = {job.id: {task.index for task in running if task.job == job} for job in racing}
                task = plan.next_trial(racing, rows, busy, race.goals(racing, rows, {}), 1)
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
        assert done == {"ganomaly": TRIALS, "egbad": HEATS["egbad"], "mean_image": 1}
