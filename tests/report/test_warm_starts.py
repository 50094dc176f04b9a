"""Rows -> how many trials a warm start saved."""

import pandas as pd
import pytest

from orchestrator.report import warm_starts


def search(job_id: str, values: list[float | None], warm_start: str | None = None, **columns) -> pd.DataFrame:
    """A job's trials; a trial without a value failed."""
    alike = {"dataset": "d", "category": "bottle", "model": "ganomaly", "seed": 0, "protocol": "holdout"}
    sizes = {"size_px": 32, "batch": 16, "epochs": 5}
    statuses = ["failed" if value is None else "completed" for value in values]
    preset = "warm:before" if warm_start else None
    begun = {"job_id": job_id, "warm_start": warm_start, "preset": preset}
    plain = {**begun, **alike, **sizes, "index": range(len(values))}
    return pd.DataFrame({"val_auc": pd.Series(values, dtype=float), "status": statuses}).assign(**{**plain, **columns})


JOBS = pd.DataFrame({"job_id": ["c", "w"], "test_auc": [0.7, 0.8]})
COLD = search("c", [0.5, None, 0.6, 0.9, 0.8])


def pairs(*searches: pd.DataFrame) -> list[warm_starts.Pair]:
    return warm_starts.pairs(JOBS, pd.concat(searches, ignore_index=True))


def test_how_many_trials_each_took_to_the_cold_searchs_best():
    (pair,) = pairs(COLD, search("w", [0.7, 0.9], "earlier"))
    assert (pair.cold_trials, pair.warm_trials) == (4, 2)
    assert (pair.cold.best, pair.warm.best) == (0.9, 0.9)
    assert (pair.cold.test_auc, pair.warm.test_auc) == (0.7, 0.8)


def test_a_best_that_the_warm_search_never_reached():
    (pair,) = pairs(COLD, search("w", [0.7, 0.8, 0.89], "earlier"))
    assert pair.warm_trials is None and pair.warm.trials == 3


def test_failed_and_stopped_trials_count_as_trials_but_not_as_a_best():
    warm = search("w", [None, 0.99, 0.9], "earlier")
    warm.loc[1, "status"] = "pruned"
    (pair,) = pairs(COLD, warm)
    assert pair.warm_trials == 3 and pair.warm.running_best == [None, None, 0.9]


@pytest.mark.parametrize("name", warm_starts.ALIKE)
def test_searches_that_differ_are_no_pair(name):
    other = "x" if isinstance(COLD[name][0], str) else 77
    assert pairs(COLD, search("w", [0.9], "earlier", **{name: other})) == []


def test_two_cold_or_two_warm_searches_are_no_pair():
    assert pairs(COLD, search("w", [0.9])) == []
    assert pairs(search("c", [0.9], "earlier"), search("w", [0.9], "earlier")) == []


def test_a_warm_search_that_found_nothing_to_begin_with_is_no_pair():
    assert pairs(COLD, search("w", [0.9], "earlier", preset="paper")) == []


def test_all_pairs_come_to_a_sentence():
    warm = [search("w", [0.7, 0.9], "earlier"), search("x", [0.4, 0.8], "earlier")]
    assert warm_starts.summary(pairs(COLD, *warm)) == (
        "After its first trial the warm search is ahead in 1 of 2 (mean validation AUROC 0.550, cold 0.500). "
        "It reaches the cold search's best in 1 of 2, there after 2 trials (median), where the cold search took 4."
    )


def test_a_search_without_a_completed_trial_is_no_pair():
    assert pairs(COLD, search("w", [None], "earlier")) == []


def test_trials_count_in_the_order_of_their_index():
    assert pairs(COLD[::-1], search("w", [0.9], "earlier"))[0].cold_trials == 4


def test_a_stopped_trial_does_not_shorten_a_search():
    cold = COLD.assign(epochs=[1, 0, 5, 5, 5], batch=[8, 16, 16, 16, 16])
    assert len(pairs(cold, search("w", [0.9], "earlier"))) == 1


def test_a_job_under_way_has_no_test_auroc_yet():
    cold = pairs(COLD.assign(job_id="not finished"), search("w", [0.9], "earlier"))[0].cold
    assert cold.test_auc is None
