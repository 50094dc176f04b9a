"""Protocol crossfit, from a run to its report and to new pictures."""

import json

import pytest

from orchestrator.cli import main
from orchestrator.results.output import Output


@pytest.fixture(scope="module")
def run(few_images, tmp_path_factory):
    """Runs it with so many trials a job, in an output of that name."""
    folder = tmp_path_factory.mktemp("crossfit")

    def run(name: str, trials: int) -> str:
        out = str(folder / name)
        asked = f"--dataset folder --data-root {few_images} --category fabric --size-px 32 --model patch_gaussian"
        asked += " --model ganomaly"
        budget = f"--epochs 3 --steps-per-epoch 2 --batch 4 --protocol crossfit --trials {trials} --no-race"
        assert main(["run", *asked.split(), *budget.split(), "--backend", "local", "--output", out]) == 0
        return out

    return run


def test_the_ranking_the_report_and_predict_say_what_its_figures_are(run, few_images, tmp_path, capsys):
    out = run("out", 2)
    assert "each of 5 folds of the labelled images is judged by what was best on the others" in capsys.readouterr().out
    assert main(["report", "--output", out, "--to", str(tmp_path / "report.html")]) == 0
    capsys.readouterr()
    assert main(["predict", f"{few_images}/fabric/test/good", "--output", out, "--to", str(tmp_path / "judged")]) == 0
    said = capsys.readouterr().out
    assert "by choosing on all folds of the labelled pictures but one" in said
    assert "chosen on all labelled pictures" in said


def test_more_trials_go_on_from_those_that_are_there_and_are_judged_anew(run, plain_rows):
    at_once, in_two = run("at-once", 4), run("in-two", 2)
    assert run("in-two", 4) == in_two
    found, expected = (plain_rows(out) for out in (in_two, at_once))
    for rows in (*found["trials"], *expected["trials"]):
        del rows["experiment"]  # whose number of trials differs
    assert found == expected
    (row,) = [row for row in Output(in_two).jobs() if row.model == "ganomaly"]
    own = {trial.trial_id: trial for trial in Output(in_two).trials() if trial.job_id == row.job_id}
    folds = json.loads(row.folds)
    assert row.trials == len(own) == 4 and len(folds) == 5
    for fold in folds:
        assert own[fold["trial"]].epochs >= fold["epoch"] and fold["others_auc"] >= 0.5
