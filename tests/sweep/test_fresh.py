"""What `--fresh` removes, and what it must leave alone."""

import pytest

from orchestrator.errors import InputError
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.fresh import forget
from orchestrator.sweep.ledger import Ledger


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(str(tmp_path))


def test_all_that_the_jobs_have_left_goes_and_the_jobs_are_claimed(output, make_job, make_trial, make_job_row):
    job, other = make_job(trials=2), make_job("cable", trials=2)
    for one in (job, other):
        output.write_trial(make_trial(one, 0, [0.5]))
    output.write_job(make_job_row(job))
    claims = Claims(output)
    forget([job], output, claims)
    assert output.jobs() == [] and [row.job_id for row in output.trials()] == [other.id]
    assert list(claims.mine) == [job.id]
    assert Ledger.read([job], output).trial_rows() == Ledger([job]).trial_rows() == []


def test_work_that_another_sweep_is_doing_cannot_be_forgotten(output, make_job, make_trial):
    free, held = make_job("cable", trials=2), make_job(trials=2)
    for job in (free, held):
        output.write_trial(make_trial(job, 0, [0.5]))
    assert Claims(output).take(held.id)
    with pytest.raises(InputError, match="--fresh: .* is being trained by another sweep, process"):
        forget([free, held], output, Claims(output))
    assert len(output.trials()) == 2
