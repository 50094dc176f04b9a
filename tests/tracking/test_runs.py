"""What a server keeps of a row, as plain data."""

import json

import pytest

from orchestrator.tracking import runs
from orchestrator.tracking.runs import Point

TIMES = {"started_at": "2026-01-01T00:00:00+00:00", "finished_at": "2026-01-01T00:00:40+00:00"}
BEGAN_MS = 1767225600000


def figures(run: runs.Run) -> dict[str, float]:
    return {point.name: point.value for point in run.points}


def test_a_trial_has_its_curve_by_epoch_at_the_times_of_its_epochs(make_job, make_trial):
    run = runs.of_trial(make_trial(make_job(), 0, [0.5, None, 0.75, float("nan")], **TIMES))
    assert [point for point in run.points if point.name == "val_auc"] == [
        Point("val_auc", 0.5, step=1, at_ms=BEGAN_MS + 10_000),
        Point("val_auc", 0.75, step=3, at_ms=BEGAN_MS + 30_000),
    ]
    assert (run.started_ms, run.ended_ms) == (BEGAN_MS, BEGAN_MS + 40_000)


def test_a_trial_has_its_parameters_and_at_its_last_epoch_its_losses_and_its_best(make_job, make_trial):
    losses = json.dumps({"context": 0.25, "odd:name": 1.0, "nothing": float("inf")})
    run = runs.of_trial(make_trial(make_job(), 3, [0.5, 0.75], params={"lr": 0.001, "pool": "max"}, losses=losses))
    assert run.params == {"lr": "0.001", "pool": "max"}
    at_the_end = {point.name: point.value for point in run.points if point.step == 2}
    assert at_the_end == {"val_auc": 0.75, "loss/context": 0.25, "loss/odd_name": 1.0, "best_val_auc": 0.75,
                          "best_epoch": 2.0}  # fmt: skip


def test_a_job_has_every_figure_with_its_interval_and_says_what_they_were_made_on(make_job, make_job_row):
    measured = {"test_auc_low": 0.8, "test_auc_high": 0.95, "threshold": 0.5, "recall": None, "score_ms": 1.5}
    run = runs.of_job(make_job_row(make_job(), 0.9, wall_s=40.0, **measured))
    expected = {"test_auc": 0.9, "test_auc_low": 0.8, "test_auc_high": 0.95, "threshold": 0.5, "wall_s": 40.0}
    assert expected.items() <= figures(run).items() and "recall" not in figures(run)
    assert run.tags["mlflow.note.content"].startswith("val_auc chose, on split val. All other figures")
    assert run.tags["mlflow.note.content"].endswith("on which nothing was chosen.")


def test_a_job_of_the_paper_protocol_says_that_its_test_images_chose(make_job, make_job_row):
    note = runs.of_job(make_job_row(make_job(protocol="paper"))).tags["mlflow.note.content"]
    assert "on split test" in note and note.endswith("better than on new ones.")


def test_the_tags_say_what_made_the_row(make_job, make_trial):
    run = runs.of_trial(make_trial(make_job(size_px=32, seed=(7,)), 0, [0.5], git_commit="abc", device="cpu x1"))
    expected = {"dataset": "mvtec_ad", "category": "bottle", "model": "sa_skip_ganomaly", "seed": "7", "size_px": "32",
                "protocol": "holdout", "status": "completed", "device": "cpu x1", "git_commit": "abc",
                "mlflow.source.git.commit": "abc"}  # fmt: skip
    assert expected.items() <= run.tags.items() and "error" not in run.tags


def test_a_failure_is_a_failed_run_with_its_error(make_job, make_trial, make_job_row):
    trial = runs.of_trial(make_trial(make_job(), 2, [], status="failed"))
    assert trial.failed and trial.tags["error"] == "ValueError: no luck in trial 2" and trial.points == []
    job = runs.of_job(make_job_row(make_job(), None, status="failed", error="all 2 trials failed"))
    assert job.failed and job.tags["mlflow.note.content"] == "all 2 trials failed"
    pruned = runs.of_trial(make_trial(make_job(), 0, [0.5], status="pruned"))
    assert not pruned.failed and pruned.tags["status"] == "pruned"


def test_what_is_too_long_for_a_server_is_cut(make_job, make_trial):
    run = runs.of_trial(make_trial(make_job(), 0, [0.5], params={"n" * 300: "v" * 9000}, note="w" * 9000))
    ((name, value),) = run.params.items()
    assert (len(name), len(value), len(run.tags["note"])) == (250, 5000, 5000) and value.endswith("v…")


@pytest.mark.parametrize(("columns", "is_equal"), [({}, True), ({"wall_s": 2.0}, False)])
def test_the_digest_is_that_of_the_row(make_job, make_trial, columns, is_equal):
    first, second = (make_trial(make_job(), 0, [0.5], **{"wall_s": 1.0, **more}) for more in ({}, columns))
    assert (runs.of_trial(first).digest == runs.of_trial(second).digest) == is_equal
