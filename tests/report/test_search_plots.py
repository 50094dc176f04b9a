"""A job's trial rows -> its search in figures, and the importance of its hyper-parameters by Optuna."""

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from orchestrator.report import search_plots
from search_spaces.catalog import SPACES


def trials(count: int, fixed: dict | None = None, model: str = "ganomaly") -> pd.DataFrame:
    """Trials whose validation AUROC depends on the learning rate alone."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        params = {
            "lr": 10 ** rng.uniform(-4.6, -2.8),
            **{f"w_{name}": rng.uniform(1, 9) for name in ("adv", "con", "lat")},
        }
        params = {**params, **(fixed or {}), "amp": True}
        rows.append({"index": i, "val_auc": 0.9 + 0.1 * np.log10(params["lr"]) / 5, "params": json.dumps(params)})
    plain = {"model": model, "status": "completed", "preset": None, "error": None}
    return pd.DataFrame(rows).assign(**plain).astype({"preset": object, "error": object})


def shown(figure: dict) -> go.Figure:
    """By plotly's own class, which knows every property."""
    return go.Figure(figure["data"], figure["layout"])


def test_importance_finds_the_parameter_that_mattered():
    shares = search_plots.of_job(trials(30))["importance"]["data"]
    assert [trace["name"] for trace in shares] == ["PED-ANOVA", "fANOVA"]
    for trace in shares:
        assert dict(zip(trace["y"], trace["x"], strict=True))["lr"] > 0.5


def test_the_same_trials_give_the_same_figures():
    assert search_plots.of_job(trials(12)) == search_plots.of_job(trials(12)[::-1])


def test_what_was_fixed_was_not_searched():
    found = search_plots.of_job(trials(12, {"w_adv": 1.0}))
    assert list(found["slices"]) == ["lr", "w_con", "w_lat"]


def test_too_few_trials_are_a_sentence():
    found = search_plots.of_job(trials(7))
    assert found["importance"] is None and found["why"].startswith("7 trials with a value are too few")


def test_equal_values_are_a_sentence():
    assert "no hyper-parameter mattered" in search_plots.of_job(trials(12).assign(val_auc=0.5))["why"]


def test_failed_trials_do_not_count_and_stopped_ones_do():
    rows = trials(9)
    rows.loc[0, "status"] = "pruned"
    assert search_plots.of_job(rows)["importance"]
    rows.loc[1, "status"] = "failed"
    assert search_plots.of_job(rows)["importance"]
    rows.loc[2, "status"] = "failed"
    assert search_plots.of_job(rows)["why"].startswith("7 trials")


def test_rows_outside_the_space_do_not_count():
    rows = trials(9)
    rows.loc[0, "params"] = json.dumps({**json.loads(rows.params[0]), "lr": 5.0})
    rows.loc[1, "params"] = json.dumps({**json.loads(rows.params[1]), "lr": "fast"})
    assert search_plots.of_job(rows)["why"].startswith("7 trials")


def test_a_model_of_another_tree_has_its_history_only():
    found = search_plots.of_job(trials(9, model="unknown"))
    assert found["history"] and not found["slices"] and found["parallel"] is None
    assert found["why"].startswith("Fewer than two hyper-parameters were searched")


def test_each_kind_of_trial_has_its_own_mark():
    rows = trials(4)
    rows["preset"] = ["paper", None, None, None]
    rows["status"] = ["completed", "completed", "pruned", "failed"]
    rows.loc[3, ["val_auc", "error"]] = [None, "ValueError: <b>no</b>"]
    history = search_plots.of_job(rows)["history"]["data"]
    assert [trace["name"] for trace in history] == [
        "best so far", "starting point", "chosen by the search", "stopped early", "failed",
    ]  # fmt: skip
    assert len({trace["marker"]["symbol"] for trace in history[1:]}) == 4
    assert [trace["x"] for trace in history[1:]] == [[0], [1], [2], [3]]
    assert "&lt;b&gt;no" in history[-1]["text"][0]


def test_a_stopped_trial_is_never_the_best_so_far():
    rows = trials(3).assign(val_auc=[0.5, 0.9, 0.6], status=["completed", "pruned", "completed"])
    assert search_plots.of_job(rows)["history"]["data"][0]["y"] == [0.5, 0.5, 0.6]


def test_every_figure_is_one_that_plotly_knows():
    found = search_plots.of_job(trials(12))
    for figure in (found["history"], found["parallel"], found["importance"], *found["slices"].values()):
        assert shown(figure).data


def test_every_space_can_be_drawn():
    for model, space in SPACES.items():
        both = {name: getattr(own, "choices", None) or (own.low, own.high) for name, own in space.items()}
        ends = [{name: values[end] for name, values in both.items()} for end in (0, -1)]
        rows = trials(2, model=model).assign(params=[json.dumps(end) for end in ends])
        assert list(search_plots.of_job(rows)["slices"]) == list(space)
