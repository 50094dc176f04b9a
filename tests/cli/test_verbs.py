"""The command line as a user meets it: what it prints, its exit status, and one clear line for every mistake."""

import importlib
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from datasets.readers.synthetic import write_files
from model import anomalib_names
from orchestrator.cli import main
from orchestrator.results.output import Output

SMALL = ["--backend", "local", "--model", "mean_image", "--size-px", "32", "--trials", "1", "--epochs", "1"]


@pytest.fixture
def data(tmp_path) -> Path:
    """A user's folder of one category."""
    write_files(tmp_path / "all", 32)
    first = sorted((tmp_path / "all").iterdir())[0]
    shutil.copytree(first, tmp_path / "data" / "brackets")
    return tmp_path / "data"


def complaint(capsys, *argv: str) -> str:
    """The one line that a wrong command prints; nothing else, and exit status 2."""
    assert main(list(argv)) == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err + printed.out
    (line,) = printed.err.splitlines()
    assert line.startswith("defectsweep: ")
    return line


def own(data: Path, output: Path) -> list[str]:
    return ["run", *SMALL, "--dataset", "folder", "--data-root", str(data), "--output", str(output)]


def test_the_main_job_on_a_users_folder_prints_a_leaderboard_with_its_circumstances(data, tmp_path, capsys):
    assert main(own(data, tmp_path / "out")) == 0
    printed = capsys.readouterr().out
    assert "brackets" in printed and "mean_image" in printed
    assert "protocol holdout · chosen on val · 32 px · seed 0 · cpu" in printed


def test_the_protocol_that_auto_comes_to_is_what_the_rows_say_and_is_not_done_again(data, tmp_path, capsys):
    assert main([*own(data, tmp_path / "out"), "--protocol", "auto"]) == 0
    assert "protocol auto: holdout, as there are 10 or more good and defective" in capsys.readouterr().out
    (row,) = Output(str(tmp_path / "out")).jobs()
    assert row.protocol == json.loads(row.choices)["protocol"] == "holdout"
    assert main([*own(data, tmp_path / "out"), "--protocol", "holdout"]) == 0
    assert "nothing to do, 1 finished before" in capsys.readouterr().out
    assert Output(str(tmp_path / "out")).jobs() == [row]


def test_finished_work_is_skipped_until_asked_afresh(data, tmp_path, capsys):
    out = tmp_path / "out"
    main(own(data, out))
    (row,) = Output(str(out)).jobs()
    assert main(own(data, out)) == 0
    assert "nothing to do, 1 finished before" in capsys.readouterr().out
    assert Output(str(out)).jobs() == [row]
    assert main([*own(data, out), "--fresh"]) == 0
    (again,) = Output(str(out)).jobs()
    assert again.finished_at > row.finished_at and again.test_auc == row.test_auc


@pytest.mark.parametrize(
    ("damaged", "what"),
    [
        ("trials/**/*.parquet", "trials"),
        ("scores/**/*.parquet", "scores"),
        ("pictures/**/*.parquet", "pictures"),
        ("checkpoints/*/weights.pt", "checkpoint"),
        ("checkpoints/*/config.json", "checkpoint"),
    ],
)
@pytest.mark.parametrize("share", [None, 0.0, 0.6], ids=["deleted", "empty", "cut short"])
def test_the_same_command_makes_again_what_is_damaged(data, tmp_path, capsys, damaged, what, share):
    out = tmp_path / "out"
    main(own(data, out))
    (row,) = Output(str(out)).jobs()
    (file,) = out.glob(damaged)
    whole = file.read_bytes()
    file.unlink() if share is None else file.write_bytes(whole[: int(share * len(whole))])
    capsys.readouterr()
    assert main(["plan", *own(data, out)[1:]]) == 0 and "nothing is left" not in capsys.readouterr().out
    assert main(own(data, out)) == 0
    printed = capsys.readouterr().out
    assert f"{row.job_id}: its {what} cannot be read whole; what is lost is made again" in printed
    assert "1 job done" in printed and abs(file.stat().st_size - len(whole)) < 99  # times are longer or shorter
    assert [one.test_auc for one in Output(str(out)).jobs()] == [row.test_auc]
    assert [one.trial_id for one in Output(str(out)).trials()] == [row.best_trial]
    assert main(own(data, out)) == 0 and "nothing to do" in capsys.readouterr().out


def test_rows_that_compaction_has_merged_are_missing_only_where_the_merged_file_is_torn(data, tmp_path, capsys):
    out = tmp_path / "out"
    main(own(data, out))
    main(["compact", "--output", str(out)])
    assert not list(out.glob("scores/dataset*/**/*.parquet")) and not list(out.glob("trials/dataset*/**/*.parquet"))
    capsys.readouterr()
    assert main(own(data, out)) == 0 and "nothing to do" in capsys.readouterr().out
    (merged,) = out.glob("trials/merged-*.parquet")
    merged.write_bytes(merged.read_bytes()[:-9])
    assert main(own(data, out)) == 0
    printed = capsys.readouterr()
    assert "its trials cannot be read whole" in printed.out and f"skipped trials/{merged.name}" in printed.err
    assert len(Output(str(out)).trials()) == 1


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_what_cannot_be_built_is_refused_before_the_run(data, tmp_path, capsys, verb):
    line = complaint(capsys, verb, *own(data, tmp_path / "out")[1:], "--model", "ganomaly", "--size-px", "7")
    assert "--size-px 7: ganomaly cannot be built" in line and not (tmp_path / "out").exists()


def test_changed_images_are_another_job(data, tmp_path):
    out = tmp_path / "out"
    main(own(data, out))
    next((data / "brackets" / "train" / "good").iterdir()).unlink()
    main(own(data, out))
    assert len(Output(str(out)).jobs()) == 2


def test_leaderboard_in_every_format_and_by_sql(data, tmp_path, capsys):
    out = str(tmp_path / "out")
    main(own(data, tmp_path / "out"))
    capsys.readouterr()
    assert main(["leaderboard", "--output", out, "--format", "json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert line["model"] == "mean_image" and 0 <= line["test_auc"] <= 1
    for view in ("job", "category", "model"):
        for form in ("table", "csv", "markdown"):
            assert main(["leaderboard", "--output", out, "--by", view, "--format", form]) == 0
            assert "mean_image" in capsys.readouterr().out
    sql = "SELECT l.model, count(*) AS images FROM leaderboard l JOIN scores USING (job_id) GROUP BY ALL"
    assert main(["leaderboard", "--output", out, "--sql", sql, "--format", "json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert line["images"] == Output(out).jobs()[0].test_images


def test_sql_wants_rows_and_a_query(data, tmp_path, capsys):
    nowhere = ("leaderboard", "--output", str(tmp_path / "nowhere"), "--sql", "SELECT count(*) FROM leaderboard")
    assert "nowhere holds no rows" in complaint(capsys, *nowhere)
    main(own(data, tmp_path / "out"))
    capsys.readouterr()
    assert "holds no query" in complaint(capsys, "leaderboard", "--output", str(tmp_path / "out"), "--sql", "")
    main(["leaderboard", "--output", str(tmp_path / "out"), "--sql", "SELECT 1e30 AS a, '=1+1' AS \"@b\", -2 AS c"])
    assert "1e+30" in capsys.readouterr().out
    sql = "SELECT '=1+1' AS \"@b\", -2 AS c"
    main(["leaderboard", "--output", str(tmp_path / "out"), "--sql", sql, "--format", "csv"])
    assert capsys.readouterr().out == "'@b,c\n'=1+1,-2\n"


def test_a_report_takes_the_place_of_no_picture(data, tmp_path, capsys):
    main(own(data, tmp_path / "out"))
    capsys.readouterr()
    picture = next((data / "brackets" / "train" / "good").iterdir())
    before = picture.read_bytes()
    line = complaint(capsys, "report", "--output", str(tmp_path / "out"), "--to", str(picture))
    assert "a name that ends in .html or .htm is expected" in line and picture.read_bytes() == before


def test_figures_need_nothing_but_the_rows(data, tmp_path, capsys):
    main(own(data, tmp_path / "out"))
    shutil.rmtree(data)
    shutil.rmtree(tmp_path / "out" / "checkpoints")
    capsys.readouterr()
    assert main(["figures", "--output", str(tmp_path / "out")]) == 0
    assert "wrote" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert names == {"figure_8.png", "figure_8.svg", "figure_9_brackets.png", "figure_9_brackets.svg"}
    assert main(["figures", "--output", str(tmp_path / "out"), "--to", str(tmp_path / "to")]) == 0
    assert {path.name for path in (tmp_path / "to").iterdir()} == names


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_line_of_the_docs_reads_the_rows(library, data, tmp_path, checkout, monkeypatch):
    main(own(data, tmp_path / "results"))
    (row,) = Output(str(tmp_path / "results")).jobs()
    (line,) = re.findall(rf"^{library}\..*$", (checkout / "docs/columns.md").read_text(), re.M)
    monkeypatch.chdir(tmp_path)
    table = eval(line, {library: importlib.import_module(library)})
    assert [list(table[name]) for name in ("job_id", "test_auc")] == [[row.job_id], [row.test_auc]]


def test_plan_names_the_jobs_and_writes_nothing(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["plan", "--model", "sa_skip_ganomaly", "--trials", "5", "--output", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "sa_skip_ganomaly" in printed and "15 trials" in printed and "time: not measured" in printed
    assert not out.exists()


def test_plan_expects_the_times_of_the_rows_that_there_are(data, tmp_path, capsys):
    main(own(data, tmp_path / "out"))
    capsys.readouterr()
    longer = ["--epochs", "2", "--steps-per-epoch", "50"]
    assert main(["plan", *own(data, tmp_path / "out")[1:], *longer]) == 0
    printed = capsys.readouterr().out
    assert "1 job, 0 finished; left: 1 trial and 1 refit" in printed
    assert "at most: 0 optimisation steps" in printed and "CPU-core-hours" in printed
    assert f"by 1 trial row of {tmp_path / 'out'} at 32 px on cpu" in printed
    assert main(["plan", *own(data, tmp_path / "out")[1:]]) == 0
    assert "1 job, 1 finished; left: 0 trials and 0 refits" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["datasets", "models"])
def test_lists(verb, capsys):
    assert main([verb]) == 0
    printed = capsys.readouterr().out
    assert "mvtec_ad" in printed if verb == "datasets" else "sa_skip_ganomaly" in printed


def test_anomalibs_models_are_listed_with_what_is_searched_or_why_they_do_not_run(capsys):
    assert main(["models", "anomalib"]) == 0
    printed = capsys.readouterr().out
    assert "anomalib:padim" in printed and "n_features" in printed
    assert "anomalib:winclip" in printed and "refused: it needs a text prompt" in printed


@pytest.mark.parametrize(("name", "pixels"), [("synthetic", "32 x 32"), ("synthetic_long", "32 x 80")])
def test_a_generated_dataset_as_files_passes_its_own_check(name, pixels, tmp_path, capsys):
    assert main(["datasets", "make", name, "--data-root", str(tmp_path), "--size-px", "32"]) == 0
    assert main(["datasets", "check", "folder", "--data-root", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert pixels in printed and "every image can be read" in printed


def test_doctor_on_a_sound_machine_and_on_a_wrong_path(tmp_path, capsys):
    fine = ["--backend", "local", "--output", str(tmp_path / "out")]
    assert main(["doctor", *fine]) == 0
    assert "WRONG" not in capsys.readouterr().out
    assert main(["doctor", *fine, "--dataset", "mvtec_ad", "--data-root", str(tmp_path / "none")]) == 2
    assert "WRONG  data" in capsys.readouterr().out


# -- mistakes


def test_a_missing_folder(tmp_path, capsys):
    out = tmp_path / "out"
    assert "nowhere" in complaint(capsys, *own(tmp_path / "nowhere", out))
    assert not out.exists(), "nothing is half-written"


def test_an_empty_folder(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert "empty" in complaint(capsys, *own(tmp_path / "empty", tmp_path / "out"))


def test_a_category_that_does_not_exist_names_those_that_do(data, tmp_path, capsys):
    line = complaint(capsys, *own(data, tmp_path / "out"), "--category", "bracket")
    assert "'bracket' does not exist" in line and "brackets" in line


def test_a_typo_in_a_flag_names_the_nearest(capsys):
    assert "Did you mean --trials?" in complaint(capsys, "run", "--trails", "3")


def test_a_typo_in_a_yaml_key_names_the_nearest(tmp_path, capsys):
    (tmp_path / "sweep.yaml").write_text("epocs: 3\n")
    assert "Did you mean 'epochs'?" in complaint(capsys, "run", "--config", str(tmp_path / "sweep.yaml"))


def test_a_text_file_with_an_images_name_is_named_and_can_be_skipped(data, tmp_path, capsys):
    (data / "brackets" / "train" / "good" / "notes.png").write_text("not a picture")
    line = complaint(capsys, *own(data, tmp_path / "out"))
    assert "notes.png" in line and "--skip-unreadable" in line
    assert main([*own(data, tmp_path / "out"), "--skip-unreadable"]) == 0
    (row,) = Output(str(tmp_path / "out")).jobs()
    assert row.unreadable_images == 1


def test_two_images_worth_of_truncated_jpeg(data, tmp_path, capsys):
    good = data / "brackets" / "train" / "good"
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (64, 64), "red").save(good / name, quality=95)
        (good / name).write_bytes((good / name).read_bytes()[:-200])
    line = complaint(capsys, *own(data, tmp_path / "out"))
    assert "a.jpg" in line and "b.jpg" in line and "2 of" in line


def test_a_learning_rate_of_zero(capsys):
    assert "lr" in complaint(capsys, "run", "--set", "lr=0")


def test_more_gpus_than_there_are(tmp_path, capsys):
    line = complaint(capsys, "run", *SMALL, "--gpus-per-trial", "64", "--output", str(tmp_path))
    assert "--gpus-per-trial 64" in line


def test_an_output_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert "cannot be written" in complaint(capsys, "run", *SMALL, "--output", str(tmp_path / "file" / "out"))


def test_an_address_where_no_cluster_answers(tmp_path, capfd):
    run = ["run", "--address", "127.0.0.1:9", "--model", "mean_image", "--size-px", "32", "--output", str(tmp_path)]
    assert main(run) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "--address 127.0.0.1:9: no Ray cluster answers" in line


def test_too_few_defects_to_choose_and_to_report(data, tmp_path, capsys):
    defects = [path for path in (data / "brackets" / "test").iterdir() if path.name != "good"]
    for folder in defects:
        shutil.rmtree(folder)
    line = complaint(capsys, *own(data, tmp_path / "out"))
    assert "--protocol synthetic" in line


def test_a_leaderboard_where_there_is_none(tmp_path, capsys):
    assert "holds no leaderboard" in complaint(capsys, "leaderboard", "--output", str(tmp_path))


def test_figures_where_there_is_nothing_to_draw(tmp_path, capsys):
    assert "holds no finished job" in complaint(capsys, "figures", "--output", str(tmp_path))


def test_a_leaderboard_beside_the_paper_without_its_datasets(data, tmp_path, capsys):
    main(own(data, tmp_path / "out"))
    capsys.readouterr()
    line = complaint(capsys, "leaderboard", "--output", str(tmp_path / "out"), "--paper")
    assert "no finished job on mvtec_ad or kolektor_sdd" in line


@pytest.mark.parametrize("other", [["--by", "model"], ["--sql", "SELECT 1"], ["--sort", "f1"]])
def test_a_leaderboard_beside_the_paper_that_is_to_be_something_else_too(other, tmp_path, capsys):
    assert other[0] in complaint(capsys, "leaderboard", "--output", str(tmp_path), "--paper", *other)


@pytest.mark.parametrize("share", ["--at-fpr", "--at-recall"])
def test_a_share_that_is_none_or_goes_with_another_view(share, tmp_path, capsys):
    line = complaint(capsys, "leaderboard", "--output", str(tmp_path), share, "5")
    assert f"{share} 5: a share above 0 and below 1 is expected" in line
    assert share in complaint(capsys, "leaderboard", "--output", str(tmp_path), "--sql", "SELECT 1", share, "0.5")


def test_sql_that_is_wrong(data, tmp_path, capsys):
    main(own(data, tmp_path / "out"))
    capsys.readouterr()
    line = complaint(capsys, "leaderboard", "--output", str(tmp_path / "out"), "--sql", "SELECT nothing FROM nowhere")
    assert "tables: leaderboard, trials, scores" in line


def test_starting_afresh_loses_nothing_while_the_data_is_wrong(data, tmp_path, capsys):
    out = tmp_path / "out"
    main(own(data, out))
    kept = Output(str(out)).jobs()
    (data / "brackets" / "train" / "good" / "notes.png").write_text("not a picture")
    capsys.readouterr()
    complaint(capsys, *own(data, out), "--fresh")
    assert Output(str(out)).jobs() == kept


def test_asked_for_more_slots_later_a_study_goes_on_with_as_many_trials_at_once_as_it_began(data, tmp_path):
    out = tmp_path / "out"
    main(own(data, out))
    notes = [path for path in (out / "experiments").iterdir() if path.name.startswith("parallel-trials")]
    main([*own(data, out), "--trials", "7"])
    again = [path for path in (out / "experiments").iterdir() if path.name.startswith("parallel-trials")]
    assert len(notes) == 1 and again == notes


def test_a_trivial_cue_is_named_by_the_check_the_run_and_the_report(data, tmp_path, capsys):
    for path in [*(data / "brackets" / "test").rglob("*.png"), *(data / "brackets" / "ground_truth").rglob("*.png")]:
        if "good" not in path.parts:  # every defective picture was taken by another camera
            picture = Image.open(path)
            picture.resize((picture.width + 8, picture.height)).save(path)
    assert main(["datasets", "check", "folder", "--data-root", str(data)]) == 0
    (said,) = re.findall("trivial cue in brackets: .*width in pixels", capsys.readouterr().out)
    out = tmp_path / "out"
    assert main(own(data, out)) == 0
    before, after = capsys.readouterr().out.split("test_auc", 1)
    assert before.count(said) == 1 and after.count(said) == 1
    assert main(own(data, out)) == 0
    assert capsys.readouterr().out.count(said) == 1, "nothing was decoded; it was kept"
    assert main(["report", "--output", str(out)]) == 0
    assert said in (out / "report.html").read_text()


def test_a_model_of_anomalib_that_cannot_be_run_is_refused_before_the_run(capsys, monkeypatch):
    line = complaint(capsys, "run", "--backend", "local", "--model", "anomalib:winclip")
    assert "--model anomalib:winclip: it needs a text prompt" in line
    assert "Did you mean 'anomalib:padim'?" in complaint(capsys, "run", "--model", "anomalib:padm")
    monkeypatch.setattr(anomalib_names, "is_installed", lambda: False)
    for words in (["run", "--model", "anomalib:padim"], ["models", "anomalib:padim"],
                  ["run", "--set", "anomalib:padim.levels=8"]):  # fmt: skip
        assert "pip install 'defectsweep[anomalib]'" in complaint(capsys, *words)
