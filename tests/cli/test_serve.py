"""`serve`: what it refuses, before Ray is started."""

import importlib.util

import pytest

from orchestrator.cli import main
from orchestrator.deploy import listening
from orchestrator.results.output import Output


@pytest.fixture(scope="module")
def output(make_checkpoint, tmp_path_factory) -> Output:
    output = Output(str(tmp_path_factory.mktemp("results")))
    for category in ("bottle", "cap"):
        row, files = make_checkpoint("mean_image", job={"category": category}, val_auc=0.9)
        output.write_checkpoint(row.job_id, files)
        output.write_job(row)
    return output


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines in: say a --token TEXT too"),
        (["--token", ""], "--token: letters, digits and signs of ASCII are expected"),
        (["--replicas", "0"], "--replicas 0: a whole number from 1 on is expected."),
        (["--category", "botle"], "category 'botle' does not exist. Did you mean 'bottle'? There are: bottle, cap."),
        (["--model", "padim"], "model 'padim' does not exist."),
        (["--threshold-at", "much"], "--threshold-at 'much': fpr=X or recall=X"),
        (["--checkpoint", "{bottle}", "--model", "padim"], "--checkpoint names a detector: leave --dataset"),
        (["--checkpoint", "{bottle}", "--checkpoint", "{bottle}"], "the detectors are of bottle, bottle; one of each"),
    ],
)
def test_a_wrong_word_is_one_line(output, capsys, words, line):
    bottle = next(output.path("checkpoints", job.job_id) for job in output.jobs() if job.category == "bottle")
    words = [word.format(bottle=bottle) for word in words]
    assert main(["serve", "--output", output.root, "--port", "0", *words]) == 2
    (found,) = capsys.readouterr().err.splitlines()
    assert line in found


def test_a_taken_port_is_said_before_anything_starts(output, capsys):
    with listening.bound("localhost", 0) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--output", output.root, "--port", port]) == 2
    assert "Name another --port" in capsys.readouterr().err


def test_without_ray_serve_it_says_what_to_install(output, capsys, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    assert main(["serve", "--output", output.root]) == 2
    expected = "defectsweep: serve needs Ray Serve (uvicorn missing): pip install 'defectsweep[serve]'.\n"
    assert capsys.readouterr().err == expected
