"""How sure a mean is, and whether one model beats another: on which images, seeds and categories that is decided."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestrator.metrics import image, intervals
from orchestrator.ranking import comparison
from orchestrator.results.rows import JobRow, ScoreRow, arrow_schema

A, B = "sa_skip_ganomaly", "skip_ganomaly"
LABELS = np.arange(60) % 2


def frame(rows: list, kind: type) -> pd.DataFrame:
    return pa.Table.from_pylist([vars(row) for row in rows], schema=arrow_schema(kind)).to_pandas()


def luck(*identity: int) -> np.ndarray:
    """(60,) noise of its own for every identity."""
    return np.random.default_rng(identity).normal(size=len(LABELS))


@pytest.fixture
def run(make_job, make_measured):
    """One job's row and scores. Of two models, what is common to a seed's images is `luck(seed)`."""

    def make(model: str, skill: float, seed: int = 0, category: str = "bottle", own_noise: float = 0.1, **columns):
        noise = luck(seed) + own_noise * luck(seed, len(model))
        return make_measured(
            make_job(category, model=(model,), seed=(seed,)), LABELS, skill * LABELS + noise, **columns
        )

    return make


def measured(*runs) -> tuple[pd.DataFrame, list]:
    return frame([row for row, _ in runs], JobRow), [score for _, scores in runs for score in scores]


def judged(*score_rows: list) -> comparison.Judged:
    return comparison.judged(frame([row for rows in score_rows for row in rows], ScoreRow))


def interval(*runs):
    rows, scores = measured(*runs)
    return comparison.interval(rows, judged(scores))


def lead(first: list, second: list) -> comparison.Lead | None:
    (rows_1, scores_1), (rows_2, scores_2) = measured(*first), measured(*second)
    return comparison.lead(rows_1, rows_2, judged(scores_1, scores_2))


# -- the scores


def test_scores_are_kept_by_job_in_the_order_of_paths_each_image_once(run):
    _, scores = run(A, 1.0)
    shuffled = [scores[i] for i in np.random.default_rng(0).permutation(len(scores))]
    (found,) = judged(shuffled, scores[:5]).values()
    assert found.scores.tolist() == [row.score for row in scores]
    assert found.labels.tolist() == LABELS.tolist()
    assert judged([]) == {}


# -- the interval of a mean


def test_a_single_run_has_the_interval_of_its_scores_and_without_them_its_rows_own(run):
    row, scores = run(A, 1.0, test_auc_low=0.123, test_auc_high=0.987)
    assert interval((row, [])) == (0.123, 0.987)
    assert interval((row, scores)) == intervals.auroc_interval(LABELS, np.array([own.score for own in scores]))


def test_several_seeds_have_the_interval_of_their_mean(run):
    runs = [run(A, 1.0, seed) for seed in (0, 1, 2)]
    low, high = interval(*runs)
    assert low < np.mean([row.test_auc for row, _ in runs]) < high


def test_seeds_on_the_same_images_share_their_luck_and_seeds_on_others_do_not(run):
    """Three runs of equal scores say as much as one; on images of their own they say more."""
    (_, scores) = first = run(A, 1.0)
    same = [run(A, 1.0, seed) for seed in (0, 1, 2)]
    same = [(row, [dataclasses.replace(s, job_id=row.job_id) for s in scores]) for row, _ in same]
    apart = [(row, [dataclasses.replace(s, path=f"{row.seed}/{s.path}") for s in own]) for row, own in same]

    def width(*runs):
        low, high = interval(*runs)
        return high - low

    alone = width(first)
    assert width(*same) == pytest.approx(alone)
    assert 0.9 * alone / np.sqrt(3) < width(*apart) < 0.7 * alone


def test_the_mean_over_categories_narrows_with_more_of_them(run):
    def width(categories):
        low, high = interval(*[run(A, 1.0, seed, name) for name in categories for seed in (0, 1)])
        return high - low

    assert width(["bottle", "cable", "screw", "pill"]) < 0.75 * width(["bottle"])


def test_categories_weigh_alike_however_many_seeds_they_have(run):
    perfect = [run(A, 99.0, seed) for seed in range(6)]
    low, high = interval(*perfect, run(A, -99.0, 0, "cable"))
    assert (low + high) / 2 == pytest.approx(0.5) and 0 < high - low < 0.15


def test_it_is_a_function_of_the_rows_whatever_their_order(run):
    runs = [run(A, 1.0, seed) for seed in (0, 1, 2)]
    assert interval(*runs) == interval(*runs[::-1])


def test_there_is_none_without_the_scores_of_every_run(run):
    (row, scores), other = run(A, 1.0, 0), run(A, 1.0, 1)
    assert interval((row, []), other) == (None, None)
    one_class = [score for score in scores if score.label]
    assert interval((row, one_class), other) == (None, None)
    rows, _ = measured(other)
    assert comparison.interval(rows[:0], {}) == (None, None)


# -- the lead


def test_a_small_lead_on_the_same_images_is_told_apart_though_the_intervals_overlap(run):
    better, worse = [run(A, 1.4, seed) for seed in (0, 1)], [run(B, 1.0, seed) for seed in (0, 1)]
    found = lead(better, worse)
    assert interval(*better)[0] < interval(*worse)[1], "each by itself is too unsure"
    assert 0 < found.low < found.difference < found.high
    assert found.difference == pytest.approx(
        np.mean([a.test_auc - b.test_auc for (a, _), (b, _) in zip(better, worse, strict=True)])
    )
    assert (found.jobs, found.categories) == (2, 1)


def test_equally_good_models_are_not_told_apart(run):
    found = lead([run(A, 1.0, s, own_noise=1.0) for s in (0, 1)], [run(B, 1.0, s, own_noise=1.0) for s in (0, 1)])
    assert found.low < 0 < found.high


def test_a_model_leads_itself_by_nothing_which_is_not_told_apart(run):
    runs = [run(A, 1.0, seed) for seed in (0, 1)]
    found = lead(runs, runs)
    assert (found.difference, found.p_value, found.jobs, found.categories) == (0.0, 1.0, 2, 1)
    assert found.low < 0 < found.high, "so few images show no equality"


def test_the_other_way_round_it_is_the_same_with_the_other_sign(run):
    first, second = [run(A, 1.4, seed) for seed in (0, 1)], [run(B, 1.0, seed) for seed in (0, 1)]
    forth, back = lead(first, second), lead(second, first)
    assert (back.difference, back.low, back.high) == pytest.approx((-forth.difference, -forth.high, -forth.low))


def test_only_seeds_and_categories_that_both_completed_are_compared(run):
    first = [run(A, 1.4, 0), run(A, 1.4, 1), run(A, 9.0, 0, "cable")]
    second = [run(B, 1.0, 1), run(B, 1.0, 2), run(B, -9.0, 0, "screw")]
    found = lead(first, second)
    assert (found.jobs, found.categories) == (1, 1)
    assert found.difference == pytest.approx(first[1][0].test_auc - second[0][0].test_auc)
    assert found == lead(first[1:2], second[:1])


@pytest.mark.parametrize(
    "columns", [{"split_hash": "another"}, {"data_hash": "another"}, {"split_hash": None}, {"data_hash": None}]
)
def test_models_measured_on_different_images_are_not_compared(run, columns):
    assert lead([run(A, 1.4)], [run(B, 1.0, **columns)]) is None


def test_nor_are_models_of_which_nobody_knows_the_images(run):
    assert lead([run(A, 1.4, split_hash=None)], [run(B, 1.0, split_hash=None)]) is None


def test_nor_are_models_whose_scores_name_different_images_or_are_missing(run):
    row, scores = run(B, 1.0)
    renamed = [dataclasses.replace(score, path="x" + score.path) for score in scores]
    assert lead([run(A, 1.4)], [(row, renamed)]) is None
    assert lead([run(A, 1.4)], [(row, [])]) is None


def test_its_width_is_that_of_a_paired_bootstrap(run):
    (a, scores_a), (b, scores_b) = run(A, 1.4), run(B, 1.0)
    found = lead([(a, scores_a)], [(b, scores_b)])
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(500):
        drawn = np.concatenate([rng.choice(np.flatnonzero(LABELS == label), 30) for label in (0, 1)])
        aucs = [image.auroc(LABELS[drawn], np.array([s.score for s in own])[drawn]) for own in (scores_a, scores_b)]
        differences.append(aucs[0] - aucs[1])
    assert (found.low, found.high) == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=0.015)


# -- all lines of a ranking


def standings(*lines: list) -> list[comparison.Standing]:
    measured_lines = [measured(*runs) for runs in lines]
    return comparison.standings([rows for rows, _ in measured_lines], judged(*(scores for _, scores in measured_lines)))


def test_lines_that_are_not_told_apart_share_their_places_and_others_do_not(run):
    best, second, last = [run(A, 1.42)], [run(B, 1.4, own_noise=0.5)], [run("mean_image", 0.1)]
    found = standings(best, second, last)
    assert [(place.best, place.worst) for place in found] == [(1, 2), (1, 2), (3, 3)]
    assert {place.comparisons for place in found} == {3}
    assert found[0].p_first is None and found[1].p_first > 0.05 > found[2].p_first


def test_more_comparisons_must_be_surer_of_each(run):
    pair = [run(A, 1.4)], [run(B, 1.2, own_noise=0.3)]
    alone = standings(*pair)[1].p_first
    assert alone == pytest.approx(lead(*pair).p_value)
    others = [[run(name, 1.2, own_noise=0.3)] for name in ("ganomaly", "sagan", "anogan")]
    assert standings(*pair, *others)[1].p_first >= 4 * alone


def test_what_cannot_be_compared_is_not_told_apart(run):
    first, second = [run(A, 9.0)], [run(B, 0.1, split_hash="another")]
    assert [(place.best, place.worst, place.comparisons) for place in standings(first, second)] == [(1, 2, 0)] * 2


def test_verdicts_are_by_each_images_own_threshold_and_by_the_jobs_where_it_has_none(run):
    row, scores = run(A, 1.0, threshold=0.5)
    rows = frame([row], JobRow)
    bare = [dataclasses.replace(score, threshold=None) for score in scores]
    same = [dataclasses.replace(score, threshold=0.5) for score in scores]
    own = [dataclasses.replace(score, threshold=-99.0 if score.label else 99.0) for score in scores]
    found = [comparison.verdict_intervals(rows, judged(one)) for one in (bare, same, own)]
    assert found[0] == found[1] and found[0]["recall"][1] < 1.0
    assert found[2]["recall"][1] == 1.0 and found[2]["false_alarm_rate"][0] == 0.0
