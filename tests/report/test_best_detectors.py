"""Ranked lines -> which detector is best, how good, how sure."""

import pytest

from orchestrator.report import best_detectors


def test_a_lead_that_is_told_apart_is_better(ranked_lines):
    (leader,) = best_detectors.leaders(ranked_lines())
    assert leader.is_told_apart and leader.lead == "better than mean_image (+0.300; +0.100 to +0.400)"
    assert leader.control_auc == 0.6 and leader.warning == ""


def test_a_lead_that_all_comparisons_together_leave_open_is_not_told_apart(ranked_lines):
    (leader,) = best_detectors.leaders(ranked_lines(lead_p=0.06))
    assert not leader.is_told_apart and leader.lead.startswith("not told apart from mean_image")


def test_a_detector_within_reach_of_the_control_is_marked(ranked_lines):
    (leader,) = best_detectors.leaders(ranked_lines(test_auc=[0.9, 0.85]))
    assert leader.warning == "not clearly better than the mean image"
    (leader,) = best_detectors.leaders(ranked_lines(model=["mean_image", "ganomaly"]))
    assert leader.warning == "no detector beats the mean image"


def test_a_ranking_without_a_result_has_no_winner(ranked_lines):
    assert best_detectors.leaders(ranked_lines(test_auc=float("nan"))) == []


def test_sizes_are_one_ranking_and_the_leader_is_named_with_its_own(ranked_lines):
    two = ranked_lines(model="ganomaly", size_px=[64, 32], contest=["c · 64 px", "c · 32 px"])
    (leader,) = best_detectors.leaders(two)
    assert (leader.contest, leader.test_auc) == ("c · 64 px", 0.9)
    (said,) = best_detectors.overall(two)
    assert "(protocol holdout, 64 px)" in said


def test_the_mean_over_categories_in_one_sentence(ranked_lines):
    (said,) = best_detectors.overall(ranked_lines())
    assert said.startswith("ganomaly has the highest mean test AUROC, 0.900 (95 % 0.800 to 0.950), over the only")


def test_the_scale_holds_every_interval(ranked_lines):
    assert best_detectors.scale(best_detectors.leaders(ranked_lines(test_auc_low=[0.83, 0.5]))) == pytest.approx(0.8)
    assert best_detectors.scale([]) <= 0.5
