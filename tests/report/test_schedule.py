"""Rows -> what ran when, side by side, without a slot's name in any row."""

import pandas as pd
import pytest

from orchestrator.report import schedule


def rows(*spans: tuple[str | None, str | None], **columns) -> pd.DataFrame:
    """Trials of these minutes."""
    times = [[None if minute is None else f"2026-01-01T00:{minute}:00.000+00:00" for minute in span] for span in spans]
    plain = {"index": range(len(spans)), "status": "completed", "gpu_s": 36.0, "device": "cpu x1", "wall_s": 1e6}
    names = {"contest": "bottle", "model": "ganomaly", "seed": 0}
    return pd.DataFrame(times, columns=["started_at", "finished_at"]).assign(**{**plain, **names, **columns})


NOTHING = rows().drop(columns="index")


def test_runs_that_do_not_overlap_share_a_lane():
    assert schedule.lanes([(0, 2), (2, 4), (5, 6)]) == [0, 0, 0]


def test_there_are_as_many_lanes_as_ran_at_once():
    assert schedule.lanes([(0, 9), (1, 3), (2, 4), (3, 5), (4, 9), (9, 10)]) == [0, 1, 2, 1, 2, 0]


def test_a_run_takes_the_lowest_free_lane():
    assert schedule.lanes([(0, 5), (0, 2), (0, 1), (3, 4)]) == [0, 1, 2, 1]


def test_trials_and_refits_are_in_the_order_of_their_starts():
    found = schedule.runs(rows(("02", "03")).drop(columns="index"), rows(("04", "05"), ("01", "02"), status="pruned"))
    assert list(found.kind) == ["pruned", "refit", "pruned"] and list(found.lane) == [0, 0, 0]


def test_what_has_no_times_is_left_out():
    odd = rows((None, "03"), ("01", None), ("05", "04"), ("06", "07"))
    odd.loc[len(odd)] = odd.iloc[3].replace("2026-01-01T00:06:00.000+00:00", "yesterday")
    assert len(schedule.runs(NOTHING, odd)) == 1


def test_the_share_that_was_busy():
    use = schedule.use(schedule.runs(NOTHING, rows(("00", "10"), ("00", "05"))))
    assert (use.lanes, use.devices) == (2, ["cpu x1"])
    assert use.busy_share == pytest.approx(0.75) and use.busy_h == pytest.approx(0.25)
    assert use.gpu_h == pytest.approx(0.02)


def test_earlier_parts_of_a_resumed_trial_are_not_drawn():
    (bar,) = schedule.gantt(schedule.runs(NOTHING, rows(("00", "01"))))["data"]
    assert bar["x"] == [60_000] and bar["base"] == ["2026-01-01 00:00:00.000"]


def test_runs_that_took_no_time_have_a_use():
    assert schedule.use(schedule.runs(NOTHING, rows(("00", "00")))).busy_share == 1.0
