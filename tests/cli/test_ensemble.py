"""`ensemble`, as a person types it."""

from datasets.readers.synthetic import write_files
from orchestrator.cli import main
from orchestrator.results.output import Output

RUN = ["--backend", "local", "--dataset", "folder", "--size-px", "32", "--trials", "1", "--epochs", "1"]


def test_detectors_of_a_run_judge_together_are_ranked_and_predict(tmp_path, capsys):
    write_files(tmp_path / "data", 32)
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    where = ["--data-root", data, "--output", out]
    models = ["--model", "patch_gaussian", "--model", "padim"]
    assert main(["run", *RUN, *where, "--category", "fabric", *models]) == 0
    for _ in range(2):  # the second takes the first one's place
        capsys.readouterr()
        assert main(["ensemble", *where]) == 0
        printed = capsys.readouterr().out
        assert "fabric / seed 0: of " in printed and "1 ensemble · rows in" in printed
    (row,) = [row for row in Output(out).jobs() if row.model == "ensemble"]
    assert len(Output(out).jobs()) == 3
    assert main(["run", *RUN, *where, "--category", "fabric", *models]) == 0
    assert "nothing to do" in capsys.readouterr().out
    to = ["--to", str(tmp_path / "judged"), "--export", str(tmp_path / "ensemble.pt2")]
    assert main(["predict", data + "/fabric/test", "--output", out, "--model", "ensemble", *to]) == 0
    printed = capsys.readouterr().out
    assert row.job_id in printed and "0 verdicts" in printed
    assert main(["report", "--output", out]) == 0


def test_an_output_without_two_of_a_kind_is_told_in_one_line(tmp_path, capsys):
    assert main(["ensemble", "--output", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no two finished detectors of one run that may judge together" in line and "defectsweep run" in line
