"""Rows as tables, with names for people."""

import numpy as np
import pandas as pd

from orchestrator.report import tables
from orchestrator.results.output import Output


def test_what_json_cannot_hold_is_missing():
    values = tables.numbers([0.123456, None, float("nan"), float("inf"), np.float64(1), pd.NA])
    assert values == [0.1235, None, None, None, 1.0, None]


def test_a_place_is_named_by_what_tells_it_apart():
    plain = {"dataset": "d", "category": "c", "protocol": "holdout", "size_px": 32, "settings": "s", "warm_start": None}
    plain |= {"choices": None, "started_at": None}
    two = pd.DataFrame([plain, {**plain, "size_px": 64, "settings": "t"}])
    assert list(tables.contests(two[:1]).values()) == ["c"]
    assert list(tables.contests(two).values()) == ["c · 32 px", "c · 64 px"]
    assert list(tables.contests(two.assign(size_px=32)).values()) == ["c · settings s", "c · settings t"]
    asked = two.assign(size_px=32, choices=[f'{{"format": 3, "epochs": {epochs}, "set": []}}' for epochs in (20, 9)])
    assert list(tables.contests(asked).values()) == ["c · 20 epochs", "c · 9 epochs"]
    assert list(tables.contests(two.assign(dataset=["d", "e"], size_px=32)).values()) == ["c · d", "c · e"]
    assert list(tables.contests(two.assign(warm_start=[None, "w"], size_px=32)).values()) == ["c · cold", "c · warm"]


def test_jobs_on_older_pictures_are_left_out_with_their_trials_and_counted(
    make_job, make_measured, make_trial, tmp_path
):
    output = Output(str(tmp_path))
    for i, (data_hash, started_at) in enumerate([("one", "2026-01-01"), ("two", "2026-01-02")]):
        job = make_job(batch=4 + i)
        row, scores = make_measured(job, [0, 0, 1, 1], [1.0, 2, 3, 4], data_hash=data_hash, started_at=started_at)
        output.write_trial(make_trial(job, 0, [0.5]))
        output.write_scores(row, scores)
        output.write_job(row)
    found = tables.read(output)
    assert found.older_jobs == 1 and found.jobs.data_hash.tolist() == ["two"]
    assert set(found.trials.job_id) == set(found.scores.job_id) == set(found.jobs.job_id)
