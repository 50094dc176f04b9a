"""anomalib's models in a whole run: searched, refitted, ranked, gone on with, used."""

from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.results.output import Output

pytest.importorskip("anomalib")
MODELS = ("anomalib:padim", "anomalib:stfpm")


def test_they_are_tuned_ranked_skipped_when_finished_and_used(few_images, tmp_path, capsys):
    flags = [word for model in MODELS for word in ("--model", model)]
    out = str(tmp_path / "out")
    run = ["run", "--backend", "local", "--dataset", "folder", "--data-root", str(few_images), "--output", out, *flags,
           "--size-px", "64", "--trials", "2", "--epochs", "2", "--steps-per-epoch", "2", "--batch", "4"]  # fmt: skip
    assert main(run) == 0
    assert {row.model: row.status for row in Output(out).jobs()} == dict.fromkeys(MODELS, "completed")
    assert main(run) == 0 and "2 finished before" in capsys.readouterr().out
    picture = next(Path(few_images, "fabric", "test").rglob("*.png"))
    judged = ["predict", str(picture), "--output", out, "--category", "fabric", "--to", str(tmp_path / "judged")]
    for model in MODELS:
        assert main([*judged, "--model", model]) == 0
