"""What a finished job has left beside its row is there, or is named."""

import pytest

from orchestrator.results.compaction import compact, merge_job
from orchestrator.results.output import Output
from orchestrator.results.parts import damaged


@pytest.fixture
def finished(tmp_path, make_job, make_trial, make_measured, make_picture):
    """An output, and the row of a job of three trials whose parts are there; the trials still have own files."""
    output, job = Output(str(tmp_path)), make_job(trials=3)
    output.write_checkpoint(job.id, {"weights.pt": b"1234", "config.json": b"56"})
    row, scores = make_measured(job, [0, 1], [0.1, 0.9], checkpoint_bytes=6)
    for index in range(3):
        output.write_trial(make_trial(job, index, [0.5]))
    output.write_scores(row, scores)
    output.write_pictures(row, [make_picture(job)])
    return output, row


def test_rows_count_wherever_they_are(finished):
    output, row = finished
    assert damaged(output, [row]) == {}
    merge_job(output, row.dataset, row.category, row.model, row.job_id)
    assert damaged(output, [row]) == {}
    list(compact(output))
    assert damaged(output, [row]) == {}


def test_of_trials_each_has_to_be_there(finished, tmp_path):
    output, row = finished
    next(tmp_path.glob("trials/**/*-t0001.parquet")).write_bytes(b"PAR1")
    assert damaged(output, [row]) == {row.job_id: "trials"}
    merge_job(output, row.dataset, row.category, row.model, row.job_id)
    assert damaged(output, [row]) == {row.job_id: "trials"}


def test_all_that_is_lost_is_named(finished, tmp_path):
    output, row = finished
    for file in [*tmp_path.glob("[ps]*/**/*.parquet"), *tmp_path.glob("checkpoints/*/weights.pt")]:
        file.unlink()
    assert damaged(output, [row]) == {row.job_id: "scores, pictures, checkpoint"}


def test_a_row_too_old_to_say_what_it_left_is_taken_as_it_is(finished, make_job, make_job_row):
    output, row = finished
    output.delete_folder("trials")
    assert damaged(output, [row]) and damaged(output, [make_job_row(make_job(trials=3))]) == {}
