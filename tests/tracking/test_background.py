"""A sweep beside a server that does not answer: it goes on, and says how to send what is missing."""

import subprocess
import sys

import pytest

from orchestrator.estimate.schedule import Place
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.ledger import Ledger
from orchestrator.sweep.sweep import Sweep
from orchestrator.tracking import background
from orchestrator.tracking.background import Tracking
from orchestrator.training.refit import Refitted


@pytest.fixture
def swept(tmp_path, make_job, make_trial, make_job_row):
    """Does a sweep of one trial while `address` is told of it; returns the output and what was said."""

    def sweep_beside(address: str, ends=lambda: None) -> tuple[Output, list[str]]:
        job, said = make_job(trials=1), []
        output = Output(str(tmp_path / "out")).create()
        sweep = Sweep(Ledger.read([job], output), output, Claims(output), Place(1))
        with Tracking(f"mlflow:{address}", output.root).following(sweep, said.append):
            task = sweep.next_trial()
            sweep.record(task, make_trial(job, 0, [0.5]))
            sweep.next_refit()
            sweep.close(Refitted(make_job_row(job, status="failed", error="why"), [], []))
            ends()
        assert sweep.listeners == []
        return output, said

    return sweep_beside


@pytest.mark.parametrize(("server", "why"), [("closed_port", "Connection refused"), ("silent", "Read timed out")])
def test_a_server_that_does_not_answer_is_told_of_once_and_the_sweep_ends(request, swept, server, why):
    address = request.getfixturevalue(server)
    output, said = swept(address)
    assert len(output.jobs()) == 1 and len(output.trials()) == 1
    assert said == [
        f"--track mlflow:{address} does not answer: {why}. The sweep goes on; what is missing is sent later",
        f"1 job is not wholly at mlflow:{address}. To send what is missing:",
        f"  defectsweep track {output.root} mlflow:{address}",
    ]


def test_the_client_is_imported_before_the_sweep_goes_on(closed_port, tmp_path, checkout):
    """By a thread beside it, it failed a job: scikit-learn saw a half-imported polars."""
    code = f"""
import sys
from orchestrator.tracking.background import Tracking
assert "mlflow" not in sys.modules
Tracking("mlflow:{closed_port}", {str(tmp_path)!r})
assert "mlflow" in sys.modules"""
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True)


def test_a_sweep_that_is_interrupted_does_not_wait(swept, silent, monkeypatch):
    monkeypatch.setattr(Tracking, "_finish", pytest.fail)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(silent, ends=interrupt)


def test_the_end_waits_for_a_slow_server_no_longer_than_it_says(swept, silent, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "600")
    monkeypatch.setattr(background, "LAST_S", 0.01)
    output, said = swept(silent)
    assert len(output.jobs()) == 1 and len(said) == 2 and "not wholly" in said[0]
