"""The search is a function of rows: presets first, then a sampler that sees no more than it may; and when to stop."""

import itertools
import json
import random
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.experiment import search
from orchestrator.results.rows import COMPLETED, FAILED, PRUNED

SPACE = {"lr": FloatDistribution(1e-4, 1e-1, log=True), "w_con": FloatDistribution(0.0, 50.0)}
PRESETS = {"paper": {"lr": 2e-4, "w_con": 0.3}, "code": {"lr": 1e-3, "w_con": 50.0}}
SAMPLERS = ("gp", "tpe", "random")


@pytest.fixture(scope="module")
def row(make_job, make_trial):
    """The row of one trial, from its parameters and its curve."""
    job = make_job()
    return lambda index, params, curve, **columns: make_trial(job, index, curve, params=params, **columns)


@pytest.fixture(scope="module")
def history(row):
    """Twelve rows: completed, stopped and failed ones, of which two before their first epoch."""
    rng = np.random.default_rng(5)
    rows = []
    for index in range(12):
        params = {"lr": float(10 ** rng.uniform(-4, -1)), "w_con": float(rng.uniform(0, 50)), "not_searched": True}
        status = (COMPLETED, PRUNED, COMPLETED, FAILED)[index % 4]
        curve = [] if index in (3, 7) else rng.uniform(0.4, 1, 3).tolist()
        rows.append(row(index, params, curve, status=status))
    return rows


def suggested(rows, index, sampler="gp", space=SPACE, seed=1):
    return search.suggest(space, PRESETS, rows, index, seed, sampler)


# -- what a suggestion may see


def test_suggestion_i_sees_rows_0_to_i_minus_k(history):
    rows = {row.index: row for row in history}
    assert search.visible(rows, 5, 1) == history[:5]
    assert search.visible(rows, 5, 3) == history[:3]
    assert search.visible({}, 2, 3) == [], "the first k start at once"


def test_it_waits_while_a_row_that_it_sees_is_missing(history):
    rows = {row.index: row for row in history if row.index != 2}
    assert search.visible(rows, 2, 1) == history[:2]
    assert search.visible(rows, 3, 1) is None
    assert search.visible(rows, 4, 3) == history[:2]
    assert search.visible(rows, 11, 1) is None


def test_rows_are_seen_in_order_whatever_came_first_and_later_ones_not_at_all(history):
    arrived = random.Random(3).sample(history, len(history))
    assert search.visible({row.index: row for row in arrived}, 9, 2) == history[:8]


# -- suggestions


def test_presets_come_first_and_in_order():
    assert suggested([], 0) == ("paper", PRESETS["paper"])
    assert suggested([], 1) == ("code", PRESETS["code"])
    assert suggested([], 2)[0] is None


def test_a_preset_is_cut_to_the_space():
    assert suggested([], 0, space={"lr": SPACE["lr"]}) == ("paper", {"lr": 2e-4})


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_suggestion_is_a_pure_function_of_rows_index_and_seed(sampler, history):
    first = suggested(history, 12, sampler)
    np.random.seed(99)  # no global generator takes part
    assert suggested(list(history), 12, sampler) == first
    few = history[:4]  # of which no sampler is sure yet
    assert suggested(few, 4, sampler, seed=2) != suggested(few, 4, sampler) != suggested(few, 5, sampler)


@pytest.mark.parametrize("sampler", ("gp", "tpe"))
def test_a_sampler_learns_from_the_rows_values(sampler, history):
    upside_down = [replace(row, val_auc=row.val_auc and 1 - row.val_auc) for row in history]
    assert any(suggested(history, i, sampler) != suggested(upside_down, i, sampler) for i in (12, 13, 14))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_suggestions_stay_inside_the_space(sampler, history):
    space = {**SPACE, "depth": IntDistribution(2, 4), "narrow": FloatDistribution(0.5, 0.5)}
    rows = [replace(row, params=json.dumps({**json.loads(row.params), "depth": 3, "narrow": 0.5})) for row in history]
    for count in (0, 1, 12):
        for index in range(12, 15):
            _, params = suggested(rows[:count], index, sampler, space)
            assert list(params) == list(space)
            assert all(space[name]._contains(params[name]) for name in space)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_logarithmic_range_is_searched_by_decades(sampler):
    """The lower half of the decades is a thirtieth of the range."""
    rates = [suggested([], 2, sampler, seed=seed)[1]["lr"] for seed in range(40)]
    assert 10 <= sum(rate < 10**-2.5 for rate in rates) <= 30


def test_both_models_see_a_logarithmic_range_by_decades(row):
    """The best learning rate lies at a fiftieth of the range: what is suggested next keeps to its decade."""
    log_lrs = np.linspace(-4, -1, 16)
    rows = [row(i, {"lr": float(10**x)}, [float(0.9 - (x + 2.7) ** 2 / 5)]) for i, x in enumerate(log_lrs)]
    for sampler in ("gp", "tpe"):
        rates = [suggested(rows, 16, sampler, {"lr": SPACE["lr"]}, seed)[1]["lr"] for seed in range(9)]
        assert 1e-3 < median(rates) < 4e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_tried_point_by_point(sampler, row):
    space = {"levels": CategoricalDistribution(["8", "16"]), "depth": IntDistribution(2, 4)}
    rows = []
    for index in range(6):
        _, params = search.suggest(space, {}, rows, index, 1, sampler)
        rows.append(row(index, params, [0.5 + 0.1 * params["depth"]], status=FAILED if index == 1 else COMPLETED))
    assert len({own.params for own in rows}) == 6
    assert search.suggest(space, {}, rows, 6, 1, sampler)[1] in [json.loads(own.params) for own in rows], "all tried"


def test_what_was_new_is_suggested_as_ever(history, monkeypatch):
    found = suggested(history, 12)
    monkeypatch.setattr(search, "ASKED", 1)
    assert suggested(history, 12) == found


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_nothing_but_failures_is_a_history_too(sampler, row):
    rows = [row(i, {"lr": 0.01, "w_con": 1.0}, [], status=FAILED) for i in range(8)]
    assert suggested(rows, 8, sampler)[1].keys() == SPACE.keys()


@pytest.mark.parametrize("sampler", ("gp", "tpe"))
def test_a_sampler_learns_where_trials_fail(sampler, row):
    """The higher the learning rate the better, until trials diverge. Without these rows it would go there."""
    rng = np.random.default_rng(3)
    rows = []
    for index in range(16):
        log_lr = rng.uniform(-4, -2.5) if index % 2 else rng.uniform(-2, -1)
        curve, status = ([float(1.15 + log_lr / 10)], COMPLETED) if index % 2 else ([], FAILED)
        params = {"lr": float(10**log_lr), "w_con": float(rng.uniform(0, 50))}
        rows.append(row(index, params, curve, status=status))

    def rates(known):
        return [suggested(known, 16, sampler, seed=seed)[1]["lr"] for seed in range(8)]

    assert max(rates(rows)) < 1e-2 < min(rates([row for row in rows if row.status != FAILED]))


def test_beyond_a_hundred_trials_tpe_goes_on(history):
    assert suggested(history, search.GP_TRIALS) == suggested(history, search.GP_TRIALS, "tpe")
    assert suggested(history, search.GP_TRIALS - 1) != suggested(history, search.GP_TRIALS - 1, "tpe")


def study(row, sampler: str, seed: int, trials: int) -> float:
    """The best value that a sequential study of a smooth peak in the space's middle reaches; 1 is the peak."""
    rows = []
    for index in range(trials):
        _, params = search.suggest(SPACE, {}, rows, index, seed, sampler)
        value = 1 - (np.log10(params["lr"]) + 2.3) ** 2 / 4 - ((params["w_con"] - 33) / 50) ** 2
        rows.append(row(index, params, [float(value)]))
    return search.best(rows).val_auc


def test_the_gaussian_process_finds_a_peak_sooner_than_chance(row):
    regret = {name: median(1 - study(row, name, seed, 20) for seed in range(3)) for name in ("gp", "random")}
    assert regret["gp"] < regret["random"] / 4


def test_stopped_trials_teach_the_gaussian_process(row):
    """Half of the space was stopped early at a low value: it is left alone from then on."""
    rows = [
        row(i, {"lr": 0.01, "w_con": float(w)}, [0.9 if w > 25 else 0.5], status=COMPLETED if w > 25 else PRUNED)
        for i, w in enumerate(np.linspace(1, 49, 14))
    ]
    assert median(suggested(rows, 14 + i)[1]["w_con"] for i in range(9)) > 25


# -- when to stop


def test_rungs_are_powers_of_three_times_the_first_and_below_the_end():
    assert search.rungs(1) == []
    assert search.rungs(2) == [1]
    assert search.rungs(9) == [1, 3]
    assert search.rungs(10) == [1, 3, 9]
    assert search.rungs(20) == [2, 6, 18]
    assert search.rungs(100) == [11, 33, 99]


def test_the_bar_is_the_upper_third_of_the_best_values_so_far(row):
    rows = [row(i, {}, curve) for i, curve in enumerate([[0.2] * 9, [0.5, 0.1, 0.4] * 3, [0.8] * 9, [0.9, 0.95]])]
    found = search.bars(rows, 9, False, "asha")
    assert found[1] == pytest.approx(np.percentile([0.2, 0.5, 0.8, 0.9], 200 / 3))
    assert found[3] == pytest.approx(np.percentile([0.2, 0.5, 0.8], 200 / 3)), "a curve of two epochs has no third"


def test_epochs_after_which_a_model_could_not_score_yet_set_no_bar(row):
    rows = [row(0, {}, [None, None, 0.6, 0.7]), row(1, {}, [None, None, 0.9, 0.8])]
    found = search.bars(rows, 9, False, "asha")
    assert set(found) == {3} and found[3] == pytest.approx(np.percentile([0.6, 0.9], 200 / 3))
    assert search.best_so_far([None, None]) is None and search.best_so_far([None, 0.6, 0.4]) == 0.6


def test_presets_run_to_the_end_and_so_does_everything_without_a_scheduler(history):
    assert search.bars(history, 9, True, "asha") == {}
    assert search.bars(history, 9, False, "none") == {}
    assert search.bars([], 9, False, "asha") == {}
    assert search.bars(history, 9, False, "asha") != {}


def test_a_failed_row_sets_no_bar_so_that_something_always_completes(row):
    failed = [row(i, {}, [0.99, 0.99], status=FAILED) for i in range(2)]
    assert search.bars(failed, 9, False, "asha") == {}


@pytest.mark.parametrize("epochs", [2, 3, 9, 20, 27, 50])
def test_stops_are_those_of_ray_tunes_scheduler(epochs, row):
    """Trials one after the other, on random curves: AsyncHyperBandScheduler stops each at the same epoch."""
    from ray.tune.experiment import Trial
    from ray.tune.schedulers import TrialScheduler
    from ray.tune.schedulers.async_hyperband import _Bracket

    rng, stops = np.random.default_rng(epochs), 0
    for _ in range(10):
        bracket = _Bracket(max(1, epochs // search.ETA**2), epochs, search.ETA, 0)
        rows = []
        for index in range(15):
            running_best = np.maximum.accumulate(rng.uniform(0.3, 1, epochs)).tolist()
            preset = index < 2
            bars = search.bars(rows, epochs, preset, "asha")
            tune_trial = Trial("t", trial_id=str(index), stub=True)
            for epoch, value in enumerate(running_best[:-1], start=1):
                theirs = bracket.on_result(tune_trial, epoch, value) == TrialScheduler.STOP and not preset
                ours = value < bars.get(epoch, -1)
                assert ours == theirs, f"trial {index}, epoch {epoch}"
                if ours:
                    break
            stops += ours
            status = PRUNED if ours else COMPLETED
            rows.append(row(index, {}, running_best[: epoch if ours else epochs], status=status))
    assert 30 < stops < 130, "the curves try both"


# -- the winner


def test_the_best_is_the_earliest_completed_row_of_the_highest_value(row):
    rows = [
        row(0, {}, [0.7, 0.6]),
        row(1, {}, [0.8]),
        row(2, {}, [0.8]),
        row(3, {}, [0.99], status=PRUNED),
        row(4, {}, [0.99], status=FAILED),
    ]
    for order in itertools.permutations(rows):
        assert search.best(order).index == 1


def test_without_a_completed_row_there_is_no_best(row):
    assert search.best([row(0, {}, [0.9], status=PRUNED), row(1, {}, [], status=FAILED)]) is None
    assert search.best([]) is None
