"""What MLflow holds of a job's rows, asked through its own client. Its store is a real one, without the network;
tests/whole/test_tracking.py has the server."""

from pathlib import Path

import pytest

from orchestrator.results.output import Output
from orchestrator.tracking.sender import Sender
from orchestrator.tracking.server import Server


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def begin(tmp_path, store, monkeypatch):
    """A sender of one output to the store, as each new process begins with; `sender.connected.client` is MLflow's."""
    monkeypatch.chdir(tmp_path)  # where this store puts its files
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)  # the tests share the store

    def build(folder: str = "out") -> Sender:
        output = Output(str(tmp_path / folder)).create()
        sender = Sender("mlflow:http://localhost", output, tell=pytest.fail)
        sender.connected = Server(store, **sender.identity())
        return sender

    return build


@pytest.fixture
def rows(make_job, make_checkpoint, make_trial, tmp_path):
    """A completed job's row and two trials; its checkpoint lies in the output."""
    row, files = make_checkpoint(job={"trials": 2})
    Output(str(tmp_path / "out")).create().write_checkpoint(row.job_id, files)
    job = make_job(model=("mean_image",), size_px=32, trials=2)
    assert row.job_id == job.id
    return row, [make_trial(job, index, [0.5, 0.75], params={"lr": index}) for index in (0, 1)]


def held(sender: Sender) -> dict[str, object]:
    """The runs that there are by their names: each name once."""
    server = sender.connected
    runs = server.client.search_runs([server.client.get_experiment_by_name(server.experiment).experiment_id])
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def parents(sender: Sender) -> set[str | None]:
    return {run.data.tags.get("mlflow.parentRunId") for name, run in held(sender).items() if "-t0" in name}


def test_a_job_is_a_run_with_its_trials_below_it_and_its_checkpoint(begin, rows):
    job, trials = rows
    sender = begin()
    assert sender.send(job, trials) == 3
    runs, client = held(sender), sender.connected.client
    assert runs.keys() == {job.job_id, *(row.trial_id for row in trials)}
    assert parents(sender) == {runs[job.job_id].info.run_id}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    curve = client.get_metric_history(runs[trials[1].trial_id].info.run_id, "val_auc")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.75)]
    assert runs[trials[1].trial_id].data.params == {"lr": "1"}
    assert runs[job.job_id].data.metrics["test_auc"] == job.test_auc
    files = {Path(file.path).name for file in client.list_artifacts(runs[job.job_id].info.run_id, "checkpoint")}
    assert files == {"weights.pt", "config.json", "MODEL_CARD.md"}


def test_trials_come_before_their_job_ends(begin, rows):
    job, trials = rows
    sender = begin()
    assert sender.send(None, trials[:1]) == 1
    assert held(sender)[job.job_id].info.status == "RUNNING"
    assert sender.send(job, trials) == 2
    assert held(sender)[job.job_id].info.status == "FINISHED"
    assert parents(sender) == {held(sender)[job.job_id].info.run_id}


def test_what_is_there_is_not_sent_again_by_anyone(begin, rows):
    first = begin()
    first.send(*rows)
    before = held(first)
    for sender in (first, begin()):
        assert sender.send(*rows) == 0
    assert {name: run.info.run_id for name, run in held(first).items()} == {
        name: run.info.run_id for name, run in before.items()
    }


def test_a_run_that_was_cut_off_is_written_anew(begin, rows):
    job, trials = rows
    sender = begin()
    sender.send(job, trials)
    for name in (job.job_id, trials[0].trial_id):  # as if killed before the end
        sender.connected.client.delete_tag(held(sender)[name].info.run_id, "defectsweep.row")
    assert begin().send(job, trials) == 2
    assert len(held(sender)) == 3 and parents(sender) == {held(sender)[job.job_id].info.run_id}


def test_another_row_of_the_same_job_takes_the_place_of_the_first(begin, rows, make_job_row, make_job):
    job, trials = rows
    begin().send(job, trials)
    again = make_job_row(make_job(model=("mean_image",), size_px=32, trials=2), 0.5, status="failed", error="why")
    sender = begin()
    assert again.job_id == job.job_id and sender.send(again, trials) == 1
    run = held(sender)[job.job_id]
    assert (run.info.status, run.data.tags["error"], run.data.metrics["test_auc"]) == ("FAILED", "why", 0.5)
    assert parents(sender) == {run.info.run_id}


def test_of_two_runs_that_were_made_at_the_same_moment_one_stays(begin, rows):
    job, trials = rows
    sender = begin()
    sender.send(None, trials)
    run = held(sender)[job.job_id]
    sender.connected.client.create_run(run.info.experiment_id, tags=run.data.tags)
    begin().send(job, trials)
    assert len(held(sender)) == 3 and parents(sender) == {held(sender)[job.job_id].info.run_id}


def test_a_moved_output_is_known_again(begin, rows, tmp_path):
    begin().send(*rows)
    (tmp_path / "out").rename(tmp_path / "moved")
    sender = begin("moved")
    assert sender.send(*rows) == 0 and len(held(sender)) == 3


def test_two_outputs_of_one_name_and_experiment_lie_apart(begin, rows, tmp_path):
    sender = begin()
    sender.send(None, rows[1])
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert begin().send(None, rows[1]) == 2
    server = sender.connected
    assert len(server.client.search_runs([server.experiment_id])) == 6
