"""The paper's figures, and ours beside them: nothing of the paper's is made up, nothing of ours is left out."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from datasets.catalog import DATASETS
from orchestrator.experiment.job import Category
from orchestrator.ranking import paper, reading
from orchestrator.results.rows import arrow_schema
from orchestrator.training import refit

LABELS = np.arange(40) % 2


def frame(rows: list) -> pd.DataFrame:
    return pa.Table.from_pylist([vars(row) for row in rows], schema=arrow_schema(type(rows[0]))).to_pandas()


@pytest.fixture
def sweep(make_job, make_measured):
    """Rows and scores of (dataset, category, model, seed) jobs, each with luck of its own."""

    def make(*jobs: tuple[str, str, str, int], **options) -> tuple[pd.DataFrame, pd.DataFrame]:
        rows, scores = [], []
        for dataset, category, model, seed in jobs:
            place = Category(dataset, category, "/data", images=40, train_images=20, fingerprint="f" * 64)
            job = make_job(place, model=(model,), seed=(seed,), **options)
            noise = np.random.default_rng([seed, len(category), len(model)]).normal(size=len(LABELS))
            verdicts = {"precision": 0.6, "accuracy": 0.7, "recall": 0.5, "f1": 0.55}
            row, own = make_measured(job, LABELS, LABELS + noise, **verdicts)
            rows.append(row)
            scores += own
        return frame(rows), frame(scores)

    return make


def mvtec(*names: tuple[str, str, int]) -> list[tuple]:
    return [("mvtec_ad", *name) for name in names]


# -- what the paper says


def test_table_1_has_every_category_of_the_dataset_and_the_means_that_follow_from_it():
    assert set(paper.TABLE_1) == set(DATASETS["mvtec_ad"].categories)
    means = np.mean(list(paper.TABLE_1.values()), axis=0)
    assert means == pytest.approx([0.500, 0.782, 0.803, 0.795], abs=5e-4)
    assert paper.TABLE_1["bottle"] == (0.802, 0.791, 0.940, 0.954)
    assert paper.TABLE_1["metal_nut"] == (0.283, 0.695, 0.785, 0.545)


def test_what_table_2_calls_accuracy_is_precision_since_f1_follows_from_it_and_recall():
    precision, recall, f1 = (np.array(paper.TABLE_2[name]) for name in ("precision", "recall", "F1"))
    np.testing.assert_allclose(2 * precision * recall / (precision + recall), f1, atol=0.006)


# -- table 1


def test_ours_stand_beside_the_papers_in_its_order_and_what_is_missing_on_either_side_is_empty(sweep):
    rows, scores = sweep(
        *mvtec(("cable", "mean_image", 0), ("bottle", "sa_skip_ganomaly", 0), ("bottle", "mean_image", 0))
    )
    table = paper.tables(rows, scores)["table_1"]
    auc = rows.set_index(["category", "model"]).test_auc
    systems = ["anogan", "ganomaly", "skip_ganomaly", "sa_skip_ganomaly", "mean_image"]
    assert table.category.tolist() == ["bottle"] * 5 + ["cable"] * 5
    assert table.model.tolist() == systems * 2
    assert table.paper[:4].tolist() == list(paper.TABLE_1["bottle"]) and pd.isna(table.paper[4])
    assert table.ours.tolist()[3:5] == [auc["bottle", "sa_skip_ganomaly"], auc["bottle", "mean_image"]]
    assert table.ours.isna().tolist() == [True] * 3 + [False] * 2 + [True] * 4 + [False]


def test_every_figure_of_ours_has_its_protocol_size_seeds_and_interval(sweep):
    rows, scores = sweep(*mvtec(("bottle", "skip_ganomaly", 0), ("bottle", "skip_ganomaly", 1)), size_px=128)
    kolektor = sweep(("kolektor_sdd", "kolektor_sdd", "skip_ganomaly", 0))
    tables = paper.tables(pd.concat([rows, kolektor[0]]), pd.concat([scores, kolektor[1]]))
    for name, circumstances in {"table_1": (128, 2), "table_1_mean": (128, 2), "table_2": (64, 1)}.items():
        ours = tables[name][tables[name].ours.notna()]
        assert len(ours)
        assert set(zip(ours.protocol, ours.size_px, ours.seeds, strict=True)) == {("holdout", *circumstances)}
    (line,) = tables["table_1"].dropna(subset="ours").to_dict("records")
    assert line["ours"] == pytest.approx(rows.test_auc.mean())
    assert line["low"] < line["ours"] < line["high"]


def test_protocols_sizes_and_settings_are_lines_of_their_own(sweep):
    job = mvtec(("bottle", "skip_ganomaly", 0))
    sweeps = [sweep(*job), sweep(*job, protocol="paper"), sweep(*job, size_px=128), sweep(*job, epochs=99)]
    tables = paper.tables(*(pd.concat(parts) for parts in zip(*sweeps, strict=True)))
    for name in ("table_1", "table_1_mean"):
        ours = tables[name][tables[name].ours.notna()]
        assert len(ours) == 4 and ours.paper.nunique() == 1
        assert "settings" in paper.for_reading(tables[name])
        assert "settings" not in paper.for_reading(tables[name][:1])


def test_the_papers_mean_is_over_the_categories_that_we_ran(sweep):
    rows, scores = sweep(
        *mvtec(("bottle", "skip_ganomaly", 0), ("screw", "skip_ganomaly", 0), ("screw", "skip_ganomaly", 1)),
        *mvtec(("bottle", "ganomaly", 0), ("bottle", "mean_image", 0)),
    )
    means = paper.tables(rows, scores)["table_1_mean"].set_index("model")
    auc = rows.groupby(["model", "category"]).test_auc.mean()
    assert means.ours["skip_ganomaly"] == pytest.approx(auc["skip_ganomaly"].mean()), "a category weighs one"
    assert means.paper["skip_ganomaly"] == pytest.approx((0.940 + 1.0) / 2)
    assert means.paper["ganomaly"] == pytest.approx(0.791), "bottle is all that it has finished"
    assert means.paper["anogan"] == pytest.approx((0.802 + 0.121) / 2), "not run at all: over what others ran"
    assert means.paper_of_15["anogan"] == pytest.approx(0.500, abs=5e-4)
    assert pd.isna(means.paper["mean_image"]) and pd.isna(means.ours["anogan"])
    assert (means.categories["skip_ganomaly"], means.seeds["skip_ganomaly"]) == (2, 1)
    assert means.low["skip_ganomaly"] < means.ours["skip_ganomaly"] < means.high["skip_ganomaly"]


# -- table 2


def test_table_2_sets_precision_beside_the_papers_accuracy_and_shows_ours_too(sweep):
    rows, scores = sweep(("kolektor_sdd", "kolektor_sdd", "sa_skip_ganomaly", 0))
    tables = paper.tables(rows, scores)
    assert list(tables) == ["table_2"]
    table = tables["table_2"]
    own = table[table.model == "sa_skip_ganomaly"]
    assert own.figure.tolist() == ["AUROC", "precision", "accuracy", "recall", "F1"]
    assert dict(zip(own.figure, own.ours, strict=True)) == {
        "AUROC": rows.test_auc[0], "precision": 0.6, "accuracy": 0.7, "recall": 0.5, "F1": 0.55
    }  # fmt: skip
    papers = dict(zip(own.figure, own.paper, strict=True))
    assert pd.isna(papers.pop("accuracy")) and papers == {"AUROC": 0.89, "precision": 0.82, "recall": 0.80, "F1": 0.81}
    assert own.low.notna().tolist() == [True, False, False, False, False], "without a threshold"
    assert any("accuracy" in note and "harmonic" in note for note in paper.notes(rows))


def test_each_of_our_figures_has_its_own_interval(sweep):
    rows, scores = sweep(("kolektor_sdd", "kolektor_sdd", "sa_skip_ganomaly", 0))
    threshold = scores.score.median()
    flagged = scores.score >= threshold
    table = paper.tables(rows.assign(threshold=threshold), scores)["table_2"]
    own = table[table.model == "sa_skip_ganomaly"].set_index("figure")
    assert own.low["AUROC"] == rows.test_auc_low[0]
    for figure, value in (("recall", flagged[scores.label == 1].mean()), ("precision", scores.label[flagged].mean())):
        assert own.low[figure] < value < own.high[figure]


# -- what is reported on, and how it is said


def test_only_finished_jobs_on_the_papers_own_data_count(sweep, make_job):
    rows, scores = sweep(
        ("mvtec_ad", "fabric", "mean_image", 0),
        ("folder", "bottle", "mean_image", 0),
        *mvtec(("bottle", "mean_image", 0)),
    )
    failed = frame([refit.failed_row(make_job("cable", model=("mean_image",)), [], "RuntimeError: out of memory")])
    reported = paper.reported_on(pd.concat([rows, failed]))
    assert reported.category.tolist() == ["bottle", "cable"]
    assert set(paper.tables(reported, scores)["table_1"].category) == {"bottle"}
    notes = paper.notes(reported)
    assert "1 of 2 jobs failed and are in no figure." in notes
    assert "1 of the paper's 15 categories were run: bottle." in notes
    assert paper.tables(reported[reported.category == "cable"], scores) == {}


def test_the_notes_warn_of_what_the_paper_does_not_say(sweep):
    text = " ".join(paper.notes(sweep(*mvtec(("bottle", "mean_image", 0)))[0]))
    for word in ("no image size", "no split", "no seed", "BatchNorm in training mode", "best test AUROC", "far lower"):
        assert word in text
    assert "Table 2" not in text and "harmonic" not in text, "KolektorSDD was not run"


def test_for_reading_every_cell_is_short_text(sweep):
    tables = paper.tables(*sweep(*mvtec(("bottle", "sa_skip_ganomaly", 0))))
    shown = paper.for_reading(tables["table_1"])
    assert list(shown) == ["category", "model", "paper", "ours", "95 % interval", "protocol", "px", "seeds"]
    assert shown.values.tolist()[0] == ["bottle", "anogan", "0.802", "-", "-", "-", "-", "-"]
    line = shown.values.tolist()[3]
    assert line[:3] == ["bottle", "sa_skip_ganomaly", "0.954"] and line[5:] == ["holdout", "64", "1"]
    assert reading.markdown(shown.columns, shown.values).count("\n") == 1 + len(shown)


def test_json_is_an_object_of_tables_and_csv_one_table(sweep):
    jobs = [*mvtec(("bottle", "sa_skip_ganomaly", 0)), ("kolektor_sdd", "kolektor_sdd", "mean_image", 0)]
    tables = paper.tables(*sweep(*jobs))
    as_json = json.loads(paper.render(tables, "json"))
    as_csv = pd.read_csv(io.StringIO(paper.render(tables, "csv")))
    assert list(as_json) == ["table_1", "table_1_mean", "table_2"] == list(as_csv.table.unique())
    for name, table in tables.items():
        assert len(as_json[name]) == len(table) == (as_csv.table == name).sum()
    assert as_json["table_1"][0]["paper"] == 0.802 and as_json["table_1"][0]["ours"] is None
    assert as_json["table_1"][3]["ours"] == pytest.approx(tables["table_1"].ours[3])
