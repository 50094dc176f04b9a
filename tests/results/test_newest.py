"""Of several states of a category's pictures, that of the job that began last."""

from types import SimpleNamespace

from orchestrator.results.newest import is_older, newest_data


def job(category: str, data_hash: str | None, began: str | None):
    return SimpleNamespace(dataset="folder", category=category, data_hash=data_hash, started_at=began)


def test_each_category_has_its_own_newest_and_a_failure_no_say():
    jobs = [job("a", "one", "2026-01-02"), job("a", "two", "2026-01-03"), job("b", "one", "2026-01-01")]
    failed = job("a", None, "2026-01-09")
    newest = newest_data([*jobs, failed])
    assert newest == {("folder", "a"): "two", ("folder", "b"): "one"}
    assert [is_older(one, newest) for one in [*jobs, failed]] == [True, False, False, False]


def test_a_time_that_nobody_knows_is_before_all_others():
    assert newest_data([job("a", "two", None), job("a", "one", "2026-01-01")]) == {("folder", "a"): "one"}
