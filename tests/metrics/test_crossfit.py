"""Cross-fitting: who is judged had no say in the choice of who judges."""

import numpy as np
import pytest

from orchestrator.metrics import crossfit, image

RNG = np.random.default_rng(0)
LABELS = np.array([0, 1] * 30)
FOLDS = np.repeat(np.arange(5), 12)


def noise(count: int) -> np.ndarray:
    return RNG.standard_normal((count, 60))


def midway(labels: np.ndarray, scores: np.ndarray) -> float:
    return (scores[labels == 0].mean() + scores[labels == 1].mean()) / 2


def test_aurocs_are_those_of_each_candidate_and_none_of_one_that_is_not_finite():
    candidates = np.round(noise(4), 1)  # some are equal
    candidates[2, 7] = np.nan
    found = crossfit.aurocs(LABELS, candidates)
    assert found[[0, 1, 3]] == pytest.approx([image.auroc(LABELS, candidates[i]) for i in (0, 1, 3)])
    assert found[2] == -np.inf


def test_one_candidate_is_judged_as_it_is():
    candidates = noise(1) + LABELS
    found = crossfit.judge(LABELS, FOLDS, candidates, 0, midway)
    assert np.array_equal(found.scores, candidates[0]) and found.chosen == (0,) * 5
    for fold in range(5):
        others = FOLDS != fold
        assert set(found.thresholds[FOLDS == fold]) == {midway(LABELS[others], candidates[0, others])}


def test_the_best_of_many_that_know_nothing_is_at_chance_and_not_at_its_luck():
    found = [crossfit.judge(LABELS, FOLDS, noise(100), 0, midway) for _ in range(40)]
    lucky = np.mean([max(one.values) for one in found])
    assert lucky > 0.65 and np.mean([image.auroc(LABELS, one.scores) for one in found]) == pytest.approx(0.5, abs=0.04)


def test_a_fold_has_no_say_in_its_own_judge():
    candidates = noise(2)
    knows_first = np.where(FOLDS == 0, 20.0 * LABELS, 0.0)
    candidates[1] += knows_first  # the best of all, by what it says of fold 0 alone
    candidates[0] += 0.8 * LABELS
    found = crossfit.judge(LABELS, FOLDS, candidates, 1, midway)
    assert found.chosen[0] == 0


def test_candidates_of_other_scales_are_brought_to_that_of_the_deployed_one():
    one = noise(1)[0] + 3 * LABELS
    candidates = np.stack([one, 100 * one - 7])
    candidates[0, (FOLDS == 3) & (LABELS == 1)] -= 3  # so that folds but the fourth prefer the second
    found = crossfit.judge(LABELS, FOLDS, candidates, 0, midway)
    assert set(found.chosen) == {0, 1}
    assert abs(found.scores).max() < 20 and abs(found.thresholds).max() < 20


def test_verdicts_do_not_depend_on_the_scale():
    candidates = np.stack([noise(1)[0] + LABELS, noise(1)[0] + LABELS])
    small, large = (crossfit.judge(LABELS, FOLDS, scale * candidates, 0, midway) for scale in (1.0, 1e3))
    assert np.array_equal(small.scores >= small.thresholds, large.scores >= large.thresholds)
