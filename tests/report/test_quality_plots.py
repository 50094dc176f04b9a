"""Finished jobs -> curves, histograms and intervals; names and figures as plotly and JSON take them."""

import pandas as pd
import plotly.graph_objects as go
import pytest

from orchestrator.report import plot_style, tables
from orchestrator.report import quality_plots as plots

MARKS = plot_style.marks(["ganomaly", "mean_image"])
LABELS = [0, 0, 0, 1, 1, 1]


def rows(scores: dict[str, list[float]], seeds: list[int]) -> tables.Tables:
    """A job a seed of ganomaly, with these scores by its id."""
    jobs = pd.DataFrame({"job_id": list(scores), "seed": seeds}).assign(
        contest="c", model="ganomaly", status="completed", test_auc=0.9, average_precision=0.8, threshold=0.45
    )
    parts = [pd.DataFrame({"job_id": job, "label": LABELS, "score": values}) for job, values in scores.items()]
    return tables.Tables(jobs, jobs[:0], pd.concat(parts))


def test_the_roc_curve_goes_through_the_threshold_points():
    own = plots.by_contest(rows({"a": [0.1, 0.2, 0.6, 0.5, 0.7, 0.8]}, [0]), MARKS)["c"]
    roc, curve = own["roc"]["data"][0], own["precision_recall"]["data"][0]
    assert (0.0, 0.6667) in zip(roc["x"], roc["y"], strict=True)
    assert (1.0, 0.75) in zip(curve["x"], curve["y"], strict=True)
    assert roc["name"] == "ganomaly 0.900" and curve["name"] == "ganomaly 0.800"


def test_each_seed_is_a_line_and_the_model_one_entry_of_the_legend():
    own = plots.by_contest(rows({"a": [0.1, 0.2, 0.6, 0.5, 0.7, 0.8], "b": [0, 0, 0, 1, 1, 1]}, [1, 0]), MARKS)["c"]
    assert [trace["showlegend"] for trace in own["roc"]["data"]] == [True, False]
    assert own["seeds"] == [0, 1] and list(own["histograms"]) == ["ganomaly, seed 0"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_have_no_curve(bad):
    assert plots.by_contest(rows({"a": [0.1, 0.2, 0.6, 0.5, 0.7, bad]}, [0]), MARKS) == {}


def test_the_histogram_counts_every_image_once_and_shows_the_threshold():
    scores = pd.DataFrame({"label": LABELS, "score": [0.1, 0.2, 0.6, 0.5, 0.7, 0.8]})
    good, defective, threshold = plots.histogram(scores, 0.45)["data"]
    assert (sum(good["y"]), sum(defective["y"])) == (3, 3)
    assert threshold["name"] == "threshold 0.45" and threshold["x"] == [0.45, 0.45]


@pytest.mark.parametrize("threshold", [None, float("nan")])
def test_equal_scores_and_no_threshold_have_a_histogram(threshold):
    scores = pd.DataFrame({"label": LABELS, "score": 1e9})
    assert len(plots.histogram(scores, threshold)["data"]) == 2


def test_the_front_joins_those_that_no_quicker_one_is_as_good_as():
    lines = pd.DataFrame({"contest": "c", "model": ["ganomaly", "mean_image", "ganomaly", "mean_image", "ganomaly"],
                          "score_ms": [1.0, 2.0, 3.0, 4.0, None], "test_auc": [0.6, 0.9, 0.8, 0.95, 1.0]})  # fmt: skip
    front, *marks = plots.against_ms(lines, MARKS)["c"]["data"]
    assert (front["x"], front["y"]) == ([1.0, 2.0, 4.0], [0.6, 0.9, 0.95])
    assert len(marks) == 4, "one whose time is not known has no place"


def test_one_detector_alone_is_no_choice():
    line = pd.DataFrame({"contest": ["c"], "model": ["ganomaly"], "score_ms": [1.0], "test_auc": [0.6]})
    assert plots.against_ms(line, MARKS) == {}


def test_every_figure_is_one_that_plotly_knows(ranked_lines):
    own = plots.by_contest(rows({"a": [0.1, 0.2, 0.6, 0.5, 0.7, 0.8]}, [0]), MARKS)["c"]
    for figure in (plots.auc(ranked_lines(), MARKS), own["roc"], own["precision_recall"], *own["histograms"].values()):
        assert go.Figure(figure["data"], figure["layout"]).data


def test_intervals_reach_from_low_to_high(ranked_lines):
    bar = plots.auc(ranked_lines(), MARKS)["data"][0]["error_x"]
    assert bar["array"] == [pytest.approx(0.05)] and bar["arrayminus"] == [pytest.approx(0.1)]
