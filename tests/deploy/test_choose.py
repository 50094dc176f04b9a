"""The detector that judges: the one of the highest validation AUROC, found by its job's id alone."""

import dataclasses

import pytest

from orchestrator.deploy import choose
from orchestrator.errors import InputError
from orchestrator.results.output import Output
from orchestrator.results.row_files import to_table


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(str(tmp_path / "out"))


@pytest.fixture
def finish(make_checkpoint, output):
    """Puts a finished job with its checkpoint into the output."""

    def finish(job_id: str, model: str = "mean_image", category: str = "bottle", job: dict | None = None, **columns):
        row, files = make_checkpoint(model, {"category": category, **(job or {})}, job_id=job_id, **columns)
        output.write_checkpoint(job_id, files)
        output.write_job(row)
        return row

    return finish


def test_the_highest_validation_auroc_wins_whatever_the_test_says(finish, output):
    finish("a", val_auc=0.8, test_auc=0.99)
    finish("b", val_auc=0.9, test_auc=0.5)
    finish("c", val_auc=0.95, status="failed")
    finish("d", val_auc=None)
    assert choose.best(output).config.job_id == "b"


def test_sizes_compete_by_validation_too(finish, output):
    finish("a", val_auc=0.8)
    finish("b", val_auc=0.9, job={"size_px": 64})
    assert choose.best(output).config.size_px == 64


def test_the_newest_data_is_preferred_to_a_higher_figure_on_older(finish, output):
    finish("a", val_auc=0.99, data_hash="one", started_at="2026-01-01T00:00:00.000+00:00")
    finish("b", val_auc=0.8, data_hash="two", started_at="2026-01-02T00:00:00.000+00:00")
    assert choose.best(output).config.job_id == "b"


def test_seeds_are_averaged_and_the_first_one_judges(finish, output):
    for seed, figures in enumerate([(0.8, 0.9), (0.99, 0.92)]):
        for model, val_auc in zip(("mean_image", "ganomaly"), figures, strict=True):
            finish(f"{model}-{seed}", model, job={"seed": (seed,)}, val_auc=val_auc)
    assert choose.best(output).config.job_id == "ganomaly-0", "(.9 + .92) / 2 against (.8 + .99) / 2"


def test_seeds_that_one_model_lacks_have_no_say(finish, output):
    finish("a", val_auc=0.8)
    finish("b", "ganomaly", val_auc=0.7)
    finish("c", "ganomaly", job={"seed": (1,)}, val_auc=1.0)
    assert choose.best(output).config.job_id == "a"


def test_detectors_that_were_chosen_on_different_images_are_not_compared(finish, output):
    finish("a", val_auc=0.8)
    finish("b", job={"protocol": "synthetic"}, val_auc=0.99, selection_split="synthetic")
    with pytest.raises(InputError, match="protocols holdout, synthetic: .* cannot be compared. Name one: --protocol"):
        choose.best(output)
    assert choose.best(output, protocol="holdout").config.job_id == "a"


def test_nor_are_detectors_without_a_common_seed(finish, output):
    finish("a", val_auc=0.8)
    finish("b", "ganomaly", job={"seed": (1,)}, val_auc=0.9)
    with pytest.raises(InputError, match="no seed in common.*ganomaly at 32 px, mean_image at 32 px"):
        choose.best(output)
    assert choose.best(output, model="ganomaly").config.job_id == "b"


def test_of_equals_the_first_by_id_wins(finish, output):
    for job_id, model in (("c", "mean_image"), ("a", "mean_image"), ("b", "ganomaly")):
        finish(job_id, model, val_auc=0.9)
    assert choose.best(output).config.job_id == "a"


def test_a_model_or_a_category_can_be_named(finish, output):
    finish("a", val_auc=0.9)
    finish("b", "ganomaly", val_auc=0.8)
    finish("c", category="cable", val_auc=0.7)
    assert choose.best(output, category="bottle", model="ganomaly").config.job_id == "b"
    assert choose.best(output, category="cable").config.category == "cable"


def test_of_several_categories_one_must_be_named(finish, output):
    finish("a")
    finish("b", category="cable")
    with pytest.raises(InputError, match="mvtec_ad / bottle, mvtec_ad / cable. Name one: --category"):
        choose.best(output)


def test_a_category_of_two_datasets_needs_the_dataset(finish, output):
    finish("a")
    finish("b", dataset="folder")
    with pytest.raises(InputError, match="folder / bottle, mvtec_ad / bottle. Name one: --dataset"):
        choose.best(output, category="bottle")


@pytest.mark.parametrize("column", ["dataset", "category", "model"])
def test_an_unknown_name_is_answered_with_those_that_there_are(finish, output, column):
    row = finish("a")
    with pytest.raises(InputError, match=f"{column} 'nothing' does not exist. There are: {getattr(row, column)}"):
        choose.best(output, **{column: "nothing"})


def test_an_output_without_a_finished_job_is_said(finish, output):
    finish("a", status="failed")
    with pytest.raises(InputError, match="holds no finished job"):
        choose.best(output)


def test_the_place_that_a_row_names_is_not_followed(finish, output):
    row = finish("a")
    output.write_job(dataclasses.replace(row, checkpoint="/somewhere/else"))
    assert choose.best(output).place == output.uri("checkpoints", "a")


@pytest.mark.parametrize("job_id", ["../../elsewhere", "..", "a/b"])
def test_a_row_whose_id_is_a_path_is_refused(make_checkpoint, output, job_id):
    row, _ = make_checkpoint(job_id=job_id)
    table = "leaderboard", "dataset=mvtec_ad", "category=bottle", "model=mean_image", "x.parquet"
    output.write_table(to_table(type(row), [row]), *table)
    with pytest.raises(InputError, match="a plain name is expected"):
        choose.best(output)


def test_the_checkpoint_of_another_job_is_refused(finish, make_checkpoint, output):
    finish("a")
    output.write_checkpoint("a", make_checkpoint(job_id="b")[1])
    with pytest.raises(InputError, match="is the checkpoint of 'b', another job"):
        choose.best(output)


def test_a_missing_checkpoint_is_said(finish, output):
    finish("a")
    output.delete_folder("checkpoints", "a")
    with pytest.raises(InputError, match="checkpoints/a holds no config.json"):
        choose.best(output)


def test_the_next_best_takes_the_place_of_one_that_is_damaged_and_that_is_told(finish, output):
    for job_id, val_auc, size_px in (("a", 0.9, 32), ("b", 0.8, 64), ("c", 0.7, 128)):
        finish(job_id, job={"size_px": size_px}, val_auc=val_auc)
    output.write(output.read("checkpoints", "a", "weights.pt")[:99], "checkpoints", "a", "weights.pt")
    output.delete("checkpoints", "b", "config.json")
    told = []
    assert choose.best(output, tell=told.append).config.job_id == "c"
    assert len(told) == 2 and "checkpoints/a: weights.pt is not the file" in told[0] and "no config.json" in told[1]


def test_a_detector_can_be_named_by_its_folder(finish, output):
    finish("a")
    assert choose.given(output.path("checkpoints", "a")).config.job_id == "a"
