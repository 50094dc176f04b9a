"""The local backend: one trial after the other, each to its end or to the end of the time."""

import dataclasses

import pytest
import torch

from model.catalog import MODELS
from orchestrator.errors import RunError
from orchestrator.estimate.schedule import Place
from orchestrator.experiment import plan
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import jobs
from orchestrator.experiment.preflight import survey
from orchestrator.local_backend import LocalBackend
from orchestrator.results.output import Output
from orchestrator.results.rows import MEASURED
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.ledger import Ledger
from orchestrator.sweep.sweep import Listener, Sweep


@pytest.fixture
def job() -> plan.Job:
    experiment = Experiment(
        model=("sa_skip_ganomaly",), set=("width=8",), category=("fabric",), size_px=(32,), trials=2, epochs=3,
        steps_per_epoch=2, batch=4,
    )  # fmt: skip
    return jobs(experiment, survey(experiment, None), 1)[0]


@pytest.fixture
def run(job, fabric):
    """Runs the job on an output; `stop_after` epochs the time is up."""

    def to_the_end(root, stop_after: int | None = None) -> Sweep:
        output, epochs = Output(str(root)), []

        class Clock(Listener):
            def progressed(self, task, epoch, val_auc):
                epochs.append((task.index, epoch, val_auc))
                if len(epochs) == stop_after:
                    sweep.deadline = 0.0

        with Claims(output) as claims:
            sweep = Sweep(Ledger.read([job], output), output, claims, Place(1))
            sweep.listeners.append(Clock())
            LocalBackend(Execution(backend="local")).run(sweep, {job.decoding: fabric})
        sweep.heard = epochs
        return sweep

    return to_the_end


def plain(rows) -> list[dict]:
    return [{k: v for k, v in dataclasses.asdict(row).items() if k not in MEASURED} for row in rows]


def test_a_trial_under_way_when_the_time_is_up_leaves_no_row_and_the_next_run_goes_on_with_it(run, tmp_path, job):
    stopped = run(tmp_path / "out", stop_after=2)
    assert stopped.output.trials() == [] and not stopped.ledger.is_over()
    (state,) = stopped.output.files("resume")
    assert state.base_name == f"{job.trial_id(0)}.pt"
    saved = torch.load(state.path, weights_only=True)["state"]
    assert saved["record"]["epochs"] == 2
    again, whole = run(tmp_path / "out"), run(tmp_path / "whole")
    assert plain(again.output.trials()) == plain(whole.output.trials())
    assert plain(again.output.jobs()) == plain(whole.output.jobs())
    assert again.output.files("resume") == [] and again.ledger.is_over()
    told = [(row.index, epoch, v) for row in whole.output.trials() for epoch, v in enumerate(row.curve, start=1)]
    assert whole.heard == told and again.heard == told[2:], "each epoch as it ended"


def test_what_was_found_before_the_time_was_up_is_refitted(run, tmp_path, job):
    stopped = run(tmp_path, stop_after=4)  # in the second trial
    (row,) = stopped.output.jobs()
    assert (row.trials, row.best_trial, row.status) == (1, job.trial_id(0), "completed")
    assert (tmp_path / row.checkpoint / "weights.pt").is_file()
    assert [row.trials for row in run(tmp_path).output.jobs()] == [2]


def test_a_refit_that_fails_is_a_row_and_the_storages_fault_is_not(run, tmp_path, job, monkeypatch):
    def refuse(self, *args):
        raise RuntimeError("no such detector")

    monkeypatch.setattr(MODELS["sa_skip_ganomaly"], "reconstruct", refuse)
    (row,) = run(tmp_path / "a").output.jobs()
    assert row.status == "failed" and "no such detector" in row.error
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "checkpoints").write_text("a file where the folder should be")
    monkeypatch.undo()
    with pytest.raises(RunError, match="writing checkpoints/"):
        run(tmp_path / "b")
    assert Output(str(tmp_path / "b")).jobs() == [] and len(Output(str(tmp_path / "b")).trials()) == 2
