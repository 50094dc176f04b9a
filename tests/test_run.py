"""A sweep from Python: the rows and the ranking of the command's, and docs/python.md as it is written."""

import re

import pytest

from orchestrator import cli
from orchestrator.errors import InputError
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.run import sweep

SMALL = {"dataset": ("folder",), "category": ("fabric",), "model": ("mean_image",), "size_px": (32,), "trials": 1}


def test_the_frame_is_the_leaderboard_of_the_commands_rows(few_images, tmp_path, plain_rows, capsys):
    board = sweep(Experiment(**SMALL), Execution(data_root=str(few_images), backend="local", output=f"{tmp_path}/a"))
    words = "run --backend local --dataset folder --category fabric --model mean_image --size-px 32 --trials 1"
    assert cli.main([*words.split(), "--data-root", str(few_images), "--output", f"{tmp_path}/b"]) == 0
    assert plain_rows(f"{tmp_path}/a") == plain_rows(f"{tmp_path}/b")
    assert board[["rank", "model", "status"]].values.tolist() == [[1, "mean_image", "completed"]]
    assert f"test AUROC {board.test_auc[0]:.3f}" in capsys.readouterr().out


def test_what_is_finished_is_not_done_again_and_other_jobs_of_the_output_are_no_lines(few_images, tmp_path, capsys):
    where = Execution(data_root=str(few_images), backend="local", output=str(tmp_path))
    first = sweep(Experiment(**SMALL), where)
    sweep(Experiment(**{**SMALL, "seed": (1,)}), where)
    capsys.readouterr()
    assert sweep(Experiment(**SMALL), where).equals(first)
    assert "done" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"model": ("mean_imag",)}, "Did you mean 'mean_image'"), ({"set": ("lr=0",)}, "lr"),
     ({"category": ("nothing",)}, "'nothing' does not exist")],
)  # fmt: skip
def test_a_mistake_is_one_line_as_on_the_command_line_and_nothing_is_written(few_images, tmp_path, wrong, message):
    where = Execution(data_root=str(few_images), backend="local", output=f"{tmp_path}/out")
    with pytest.raises(InputError, match=message):
        sweep(Experiment(**{**SMALL, **wrong}), where)
    assert not (tmp_path / "out").exists()


def test_docs_python_does_what_it_says(checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in re.findall(r"^```python\n(.*?)^```$", (checkout / "docs/python.md").read_text(), re.M | re.S):
        exec(code, names)
    assert names["board"].model.tolist() == ["patch_gaussian", "mean_image"]
    assert names["detector"].checkpoint.config.model == "patch_gaussian"
    assert names["frame"].verdict.isin(["good", "defective"]).all()
    assert (tmp_path / "heat-map.png").exists()
