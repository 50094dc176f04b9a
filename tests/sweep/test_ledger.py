"""What a run knows of its jobs, by the rows of an output."""

import pytest

from orchestrator.results.output import Output
from orchestrator.results.rows import FAILED
from orchestrator.sweep.ledger import Ledger


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(str(tmp_path))


def test_a_finished_job_is_skipped_and_the_trials_of_the_others_are_there(output, make_job, make_trial, make_job_row):
    done, begun, other = (make_job(name, trials=2) for name in ("bottle", "cable", "pill"))
    for job in (done, begun, other):
        output.write_trial(make_trial(job, 0, [0.5]))
    output.write_job(make_job_row(done))
    ledger = Ledger.read([done, begun], output)
    assert (ledger.skipped, ledger.todo, ledger.resumed_trials) == (1, [begun], 1)
    assert [row.job_id for row in ledger.trial_rows()] == [begun.id] and not ledger.is_over()


def test_a_failed_trial_of_a_failed_job_is_to_be_done_again(output, make_job, make_trial, make_job_row):
    job = make_job(trials=2)
    output.write_trial(make_trial(job, 0, [0.5]))
    output.write_trial(make_trial(job, 1, [], status=FAILED))
    assert [row.index for row in Ledger.read([job], output).searched_rows(job)] == [0, 1]
    output.write_job(make_job_row(job, None, status=FAILED, error="ValueError", epochs=0))
    ledger = Ledger.read([job], output)
    assert [row.index for row in ledger.searched_rows(job)] == [0] and len(ledger.failed_jobs()) == 1


def test_rows_that_come_are_counted_and_a_job_that_another_sweep_closed_is_told_apart(
    output, make_job, make_trial, make_job_row
):
    mine, shared = make_job(trials=1), make_job("cable", trials=1)
    ledger = Ledger([mine, shared])
    ledger.add(make_trial(mine, 0, [0.5]))
    ledger.close(make_job_row(mine))
    output.write_trial(make_trial(shared, 0, [0.7]))
    output.write_job(make_job_row(shared))
    ledger.read_again(shared, output)
    assert ledger.is_finished(shared) and [row.val_auc for row in ledger.searched_rows(shared)] == [0.7]
    ledger.close(ledger.job_rows[shared.id], elsewhere=True)
    assert ledger.is_over() and ledger.closed_elsewhere == {shared.id} and ledger.failed_jobs() == []
