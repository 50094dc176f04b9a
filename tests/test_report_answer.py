"""Ranked lines -> which detector is best, how good, how sure."""

import pandas as pd
import pytest

from orchestrator.report import answer


def lines(**columns) -> pd.DataFrame:
    """Two models on one category, as leaderboard.jobs gives them."""
    plain = {
        "dataset": "d",
        "category": "c",
        "place": "c",
        "protocol": "holdout",
        "size_px": 32,
        "lead_over": "mean_image",
    }
    figures = {"rank": [1, 2], "test_auc": [0.9, 0.6], "test_auc_low": [0.8, 0.5], "test_auc_high": [0.95, 0.7]}
    leads = {"lead": 0.3, "lead_low": 0.1, "lead_high": 0.4, "categories": 1}
    return pd.DataFrame({"model": ["ganomaly", "mean_image"], **figures}).assign(**{**plain, **leads, **columns})


def test_a_lead_whose_interval_leaves_out_0_is_better():
    (winner,) = answer.winners(lines())
    assert winner.is_told_apart and winner.lead == "better than mean_image (+0.300; +0.100 to +0.400)"
    assert winner.control_auc == 0.6 and winner.warning == ""


def test_a_lead_whose_interval_holds_0_is_not_told_apart():
    (winner,) = answer.winners(lines(lead_low=-0.1))
    assert not winner.is_told_apart and winner.lead.startswith("not told apart from mean_image")


def test_a_detector_within_reach_of_the_control_is_marked():
    (winner,) = answer.winners(lines(test_auc=[0.9, 0.85]))
    assert winner.warning == "not clearly better than the mean image"
    (winner,) = answer.winners(lines(model=["mean_image", "ganomaly"]))
    assert winner.warning == "no detector beats the mean image"


def test_a_ranking_without_a_result_has_no_winner():
    assert answer.winners(lines(test_auc=float("nan"))) == []


def test_the_mean_over_categories_in_one_sentence():
    (said,) = answer.overall(lines())
    assert said.startswith("ganomaly has the highest mean test AUROC, 0.900 (95 % 0.800 to 0.950), over the only")


def test_the_scale_holds_every_interval():
    assert answer.scale(answer.winners(lines(test_auc_low=[0.83, 0.5]))) == pytest.approx(0.8)
    assert answer.scale([]) <= 0.5
