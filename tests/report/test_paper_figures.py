"""From Parquet rows alone to files: which figures, from which rows, under which names."""

import dataclasses
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from orchestrator.errors import InputError
from orchestrator.experiment.job import Category
from orchestrator.report import paper_figures
from orchestrator.report.paper_figures import Wanted
from orchestrator.results.output import Output
from orchestrator.results.rows import FAILED, JobRow, arrow_schema


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(str(tmp_path / "out"))


@pytest.fixture
def leave(output, make_job, make_job_row, make_picture):
    """One finished job's rows, with pictures unless told otherwise."""

    def write(
        model: str = "sa_skip_ganomaly", category: str = "bottle", dataset: str = "mvtec_ad", auc: float = 0.9,
        pictures: bool = True, columns: dict | None = None, **options,
    ):  # fmt: skip
        found = Category(dataset, category, "/data", images=9, train_images=5, fingerprint="f")
        job = make_job(found, model=(model,), **options)
        figures_of_threshold = {"precision": 0.5, "recall": 0.5, "f1": 0.5}
        row = make_job_row(job, auc, **{**figures_of_threshold, "data_hash": category, **(columns or {})})
        output.write_pictures(row, [make_picture(job, "a"), make_picture(job, "b", "crack", score=0.7)] * pictures)
        output.write_job(row)

    return write


def draw(output: Output, folder: Path, **wanted) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as a layout that does not fit
        return list(paper_figures.write(output, folder, Wanted(**wanted)))


def stems(folder: Path) -> list[str]:
    assert all((folder / f"{path.stem}.svg").exists() for path in folder.glob("*.png"))
    return sorted(path.stem for path in folder.glob("*.png"))


def svg(folder: Path, stem: str) -> str:
    return (folder / f"{stem}.svg").read_text()


def test_every_figure_of_the_paper_as_png_and_svg(output, leave, tmp_path):
    leave()
    leave("mean_image", auc=0.5)
    leave(category="kolektor_sdd", dataset="kolektor_sdd")
    lines = draw(output, tmp_path / "to")
    assert stems(tmp_path / "to") == ["figure_10", "figure_8", "figure_9_bottle", "figure_9_kolektor_sdd"]
    assert sorted(lines) == sorted(f"wrote {path}" for path in (tmp_path / "to").iterdir())
    assert all(Image.open(path).width > 500 for path in (tmp_path / "to").glob("*.png"))


def test_the_same_rows_give_the_same_bytes(output, leave, tmp_path):
    leave()
    leave(category="kolektor_sdd", dataset="kolektor_sdd")
    for name in ("one", "two"):
        draw(output, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_figures_say_on_what_they_were_made_as_text(output, leave, tmp_path):
    leave(seed=(3,), size_px=32)
    draw(output, tmp_path)
    for stem in ("figure_8", "figure_9_bottle"):
        assert "protocol holdout · chosen on val · 32 px · seed 3" in svg(tmp_path, stem)


def test_what_has_no_rows_is_said(output, leave, tmp_path):
    leave(pictures=False)
    assert draw(output, tmp_path)[2:] == [
        "figure_9_bottle: no pictures in the rows of sa_skip_ganomaly; a run with --fresh leaves them",
        "figure_10: no finished job on kolektor_sdd",
    ]


def test_pairs_without_a_result_are_counted(output, leave, tmp_path):
    leave()
    leave("mean_image", "cable")
    draw(output, tmp_path)
    assert "2 of 4 pairs of model and category have no result" in svg(tmp_path, "figure_8")


# -- which rows


def test_jobs_of_different_settings_are_never_in_one_figure(output, leave, tmp_path):
    leave(size_px=32)
    leave(size_px=64)
    draw(output, tmp_path)
    names = stems(tmp_path)
    assert len(names) == 4 and all(name.startswith(("figure_8_holdout_", "figure_9_bottle_holdout_")) for name in names)
    assert {name.split("_holdout_")[1].split("_")[0] for name in names} == {"32px", "64px"}


def test_figure_9_shows_the_leader_and_the_papers_model(output, leave, tmp_path):
    leave("skip_ganomaly", auc=0.9)
    leave("mean_image", auc=0.7)
    leave("sa_skip_ganomaly", auc=0.6)
    draw(output, tmp_path)
    text = svg(tmp_path, "figure_9_bottle")
    assert "skip_ganomaly, AUROC 0.90" in text and "sa_skip_ganomaly, AUROC 0.60" in text and "mean_image" not in text


def test_figure_9_shows_the_models_asked_for(output, leave, tmp_path):
    leave("skip_ganomaly", auc=0.9)
    leave("mean_image", auc=0.7)
    draw(output, tmp_path, models=("mean_image",))
    assert "mean_image, AUROC 0.70" in svg(tmp_path, "figure_9_bottle")
    assert "skip_ganomaly" not in svg(tmp_path, "figure_9_bottle") + svg(tmp_path, "figure_8")


def test_figure_9_sets_only_models_of_the_same_images_side_by_side(output, leave, tmp_path):
    leave("skip_ganomaly", auc=0.9, seed=(1,), columns={"split_hash": "s1"})
    for seed, auc in ((0, 0.5), (1, 0.6)):
        leave(auc=auc, seed=(seed,), columns={"split_hash": f"s{seed}"})
    draw(output, tmp_path)
    text = svg(tmp_path, "figure_9_bottle")
    assert "sa_skip_ganomaly, AUROC 0.60" in text and "AUROC 0.50" not in text


def test_a_model_without_pictures_of_these_images_is_named(output, leave, tmp_path):
    leave("skip_ganomaly", auc=0.9)
    leave(auc=0.6, columns={"split_hash": "other"})
    draw(output, tmp_path)
    assert "sa_skip_ganomaly has left no pictures of these images" in " ".join(svg(tmp_path, "figure_9_bottle").split())


def test_a_filter_leaves_the_rest_out(output, leave, tmp_path):
    leave()
    leave(category="cable")
    leave(category="kolektor_sdd", dataset="kolektor_sdd")
    draw(output, tmp_path / "one", categories=("cable",))
    assert stems(tmp_path / "one") == ["figure_8", "figure_9_cable"]
    draw(output, tmp_path / "two", datasets=("kolektor_sdd",))
    assert stems(tmp_path / "two") == ["figure_10", "figure_8", "figure_9_kolektor_sdd"]


# -- names


@pytest.mark.parametrize("name", ["../../etc", "a/b", "$x_1^{2}$", "名", "a" * 60, "<b>&", "_a_", "a\x1b\n\0\u202eb"])
def test_categories_of_any_name_stay_inside_the_folder(output, leave, tmp_path, name):
    leave(category=name, dataset="folder")
    before = set(tmp_path.rglob("*"))
    lines = draw(output, tmp_path / "to")
    made = set(tmp_path.rglob("*")) - before
    assert {path.parent for path in made} == {tmp_path, tmp_path / "to"}
    assert sum(line.startswith("wrote ") for line in lines) == len(made) - 1 == 4


def test_categories_whose_safe_names_are_equal_do_not_overwrite_one_another(output, leave, tmp_path):
    leave(category="a b")
    leave(category="a/b")
    draw(output, tmp_path)
    assert stems(tmp_path) == ["figure_8", "figure_9_a_b", "figure_9_a_b_2"]


def test_rows_of_others_may_have_names_that_no_file_can_have(output, leave, tmp_path):
    leave()
    row = dataclasses.replace(output.jobs()[0], category="a" * 999, model="_" + "ä" * 999, job_id="../" * 99)
    table = pa.Table.from_pylist([dataclasses.asdict(row)], schema=arrow_schema(JobRow))
    pq.write_table(table, output.path("leaderboard", "other.parquet"))
    lines = draw(output, tmp_path / "to")
    assert stems(tmp_path / "to") == ["figure_8", "figure_9_bottle"]
    assert any(line.startswith(f"figure_9_{'a' * 191}: no pictures") for line in lines)


# -- mistakes


def complaint(output: Output, folder: Path, **wanted) -> str:
    with pytest.raises(InputError) as caught:
        draw(output, folder, **wanted)
    (line,) = str(caught.value).splitlines()
    return line


def test_nothing_to_draw_is_one_line(output, tmp_path, make_job, make_job_row):
    output.write_job(make_job_row(make_job(), None, status=FAILED, error="ValueError: no"))
    assert "holds no finished job" in complaint(output, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_name_that_no_row_has_names_those_that_there_are(output, leave, tmp_path):
    leave()
    assert "'botle' does not exist. Did you mean 'bottle'?" in complaint(output, tmp_path, categories=("botle",))


def test_filters_that_leave_nothing_are_one_line(output, leave, tmp_path):
    leave()
    leave("mean_image", "cable")
    line = complaint(output, tmp_path, categories=("cable",), models=("sa_skip_ganomaly",))
    assert "no finished job is of all that" in line


def test_a_folder_that_cannot_be_written_is_one_line(output, leave, tmp_path):
    leave()
    (tmp_path / "file").touch()
    assert complaint(output, tmp_path / "file" / "to").startswith(f"--to {tmp_path}/file/to cannot be written")
