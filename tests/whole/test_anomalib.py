"""anomalib's models in a whole run: searched, refitted, ranked, gone on with, used."""

from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.results.output import Output

pytest.importorskip("anomalib")
MODELS = ("anomalib:padim", "anomalib:stfpm", "anomalib:dfm")
NO_PROGRAM = "anomalib:dfm"  # torch.export cannot follow it


def test_they_are_tuned_ranked_skipped_when_finished_and_used(few_images, tmp_path, capsys):
    flags = [word for model in MODELS for word in ("--model", model)]
    out = str(tmp_path / "out")
    run = ["run", "--backend", "local", "--dataset", "folder", "--data-root", str(few_images), "--output", out, *flags,
           "--category", "fabric", "--size-px", "64", "--trials", "2", "--epochs", "2", "--steps-per-epoch", "2",
           "--batch", "4"]  # fmt: skip
    assert main(run) == 0
    assert {row.model: row.status for row in Output(out).jobs()} == dict.fromkeys(MODELS, "completed")
    assert main(run) == 0 and "3 finished before" in capsys.readouterr().out
    picture = next(Path(few_images, "fabric", "test").rglob("*.png"))
    judged = ["predict", str(picture), "--output", out, "--category", "fabric", "--to", str(tmp_path / "judged")]
    capsys.readouterr()
    for model in MODELS:
        program = tmp_path / f"{model.partition(':')[2]}.pt2"
        assert main([*judged, "--model", model]) == 0
        assert main([*judged, "--model", model, "--export", str(program)]) == (model == NO_PROGRAM)
        assert program.is_file() == (model != NO_PROGRAM)
    assert f"torch.export cannot make a program of {NO_PROGRAM}" in capsys.readouterr().err
