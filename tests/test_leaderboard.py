"""Rows -> rankings: what is ranked beside what, what a failure looks like, and SQL that can only read the rows."""

import io
import json

import pandas as pd
import pyarrow as pa
import pytest

from orchestrator import leaderboard, refit
from orchestrator.errors import InputError
from orchestrator.results import FAILED, arrow_schema

A, B, C = "sa_skip_ganomaly", "skip_ganomaly", "mean_image"


@pytest.fixture
def row(make_job, make_job_row):
    """One job's row, by model, category, test AUROC and whatever else differs."""

    def make(model: str, category: str = "bottle", auc: float | None = 0.9, seed: int = 0, job=None, **columns):
        job = make_job(category, model=(model,), seed=(seed,), **(job or {}))
        columns = {"status": FAILED, "error": "ValueError: no luck"} | columns if auc is None else columns
        return make_job_row(job, auc, **{"device": "cpu x1", **columns})

    return make


def frame(*rows) -> pd.DataFrame:
    """The rows as `run` and `leaderboard` read them: through Arrow, so that empty columns have their types."""
    return pa.Table.from_pylist([vars(row) for row in rows], schema=arrow_schema(type(rows[0]))).to_pandas()


def ranks(lines: pd.DataFrame, *names: str) -> list[tuple]:
    columns = [lines["rank"].astype(object).where(lines["rank"].notna(), None), *(lines[name] for name in names)]
    return list(zip(*columns, strict=True))


# -- by job


def test_the_highest_test_auroc_is_first_in_each_category(row):
    rows = frame(row(A, auc=0.8), row(B, auc=0.95), row(A, "cable", 0.7), row(B, "cable", 0.6))
    assert ranks(leaderboard.jobs(rows), "category", "model") == [
        (1, "bottle", B),
        (2, "bottle", A),
        (1, "cable", A),
        (2, "cable", B),
    ]


def test_equal_figures_share_a_rank_and_the_next_is_skipped(row):
    rows = frame(row(C, auc=0.5), row(B, auc=0.9), row(A, auc=0.9))
    assert ranks(leaderboard.jobs(rows), "model") == [(1, A), (1, B), (3, C)]


def test_a_failed_job_is_a_line_without_rank_after_the_others(row):
    lines = leaderboard.jobs(frame(row(A, auc=None, val_auc=0.9), row(B, auc=0.5)))
    assert ranks(lines, "model", "status") == [(1, B, "completed"), (None, A, "failed")]
    assert lines.error[1] == "ValueError: no luck" and pd.isna(lines.test_auc[1]) and pd.isna(lines.val_auc[1])


def test_nothing_but_failures_is_a_leaderboard_too(row):
    rows = frame(row(A, auc=None), row(B, "cable", auc=None))
    for view in (leaderboard.jobs, leaderboard.by_category, leaderboard.by_model):
        assert len(view(rows)) == 2
        for form in ("json", "csv", "markdown"):
            assert leaderboard.render(view(rows), form)


def test_no_rows_are_no_lines(row):
    none = frame(row(A)).iloc[:0]
    for view in (leaderboard.jobs, leaderboard.by_category, leaderboard.by_model):
        assert view(none).empty


def test_seeds_are_averaged_into_one_line(row):
    rows = frame(row(A, auc=0.8, seed=0, trials=8), row(A, auc=0.9, seed=1, trials=4, failed_trials=1))
    (line,) = leaderboard.jobs(rows).to_dict("records")
    assert line["test_auc"] == pytest.approx(0.85)
    assert (line["seeds"], line["trials"], line["failed_trials"]) == (2, 12, 1)


def test_a_seed_that_failed_is_said_and_not_averaged(row, make_job):
    """The failure as a run writes it: nothing was measured, not even a split."""
    failed = refit.failed_row(make_job(seed=(1,)), [], "RuntimeError: out of memory")
    (line,) = leaderboard.jobs(frame(row(A, auc=0.8), failed)).to_dict("records")
    assert line["test_auc"] == 0.8
    assert (line["status"], line["error"], line["seeds"]) == ("failed", "RuntimeError: out of memory", 2)


def test_protocols_and_sizes_are_never_ranked_together(row):
    rows = frame(
        row(A, auc=0.99, job={"protocol": "paper"}),
        row(A, auc=0.9),
        row(B, auc=0.95),
        row(A, auc=0.97, job={"size_px": 128}),
    )
    assert ranks(leaderboard.jobs(rows), "protocol", "size_px", "model") == [
        (1, "holdout", 64, B),
        (2, "holdout", 64, A),
        (1, "holdout", 128, A),
        (1, "paper", 64, A),
    ]
    assert ranks(leaderboard.by_model(rows), "protocol", "size_px", "model") == [
        (1, "holdout", 64, B),
        (2, "holdout", 64, A),
        (1, "holdout", 128, A),
        (1, "paper", 64, A),
    ]
    assert list(leaderboard.by_category(rows).protocol) == ["holdout", "holdout", "paper"]


def test_runs_of_other_settings_are_lines_of_their_own_and_are_told_apart(row):
    rows = frame(row(A, auc=0.8), row(A, auc=0.9, job={"epochs": 200}), row(B, auc=0.7))
    assert ranks(leaderboard.jobs(rows), "model", "test_auc") == [(1, A, 0.9), (2, A, 0.8), (3, B, 0.7)]
    assert "settings" in leaderboard.for_reading(leaderboard.jobs(rows)).columns
    assert "settings" not in leaderboard.for_reading(leaderboard.jobs(rows[:1])).columns
    assert ranks(leaderboard.by_model(rows), "model", "test_auc") == [(1, A, 0.9), (2, A, 0.8), (3, B, 0.7)]
    assert leaderboard.by_category(rows)[A].tolist() == [0.9]


# -- by model and by category


def test_by_model_is_the_mean_over_categories_with_the_worst_of_them(row):
    rows = frame(
        row(A, "bottle", 0.9), row(A, "cable", 0.6), row(B, "bottle", 0.8), row(B, "cable", 0.8), row(C, "cable", None)
    )
    lines = leaderboard.by_model(rows)
    assert ranks(lines, "model", "categories", "failed") == [(1, B, 2, 0), (2, A, 2, 0), (None, C, 1, 1)]
    assert lines.test_auc.tolist()[:2] == pytest.approx([0.8, 0.75])
    assert lines.worst_auc.tolist()[:2] == [0.8, 0.6]


def test_by_category_sets_the_models_side_by_side(row):
    rows = frame(row(A, auc=0.9), row(B, auc=0.8), row(B, "cable", 0.7), row(A, "cable", None), row(A, "screw", None))
    lines = leaderboard.by_category(rows)
    assert lines.category.tolist() == ["bottle", "cable", "screw"]
    assert lines.best.tolist()[:2] == [A, B] and pd.isna(lines.best[2]), "nobody is best where all have failed"
    assert lines[A].tolist()[0] == 0.9 and pd.isna(lines[A][1])
    assert lines[B].tolist()[:2] == [0.8, 0.7]


# -- sorting


def test_any_column_sorts_largest_first_and_text_by_the_alphabet(row):
    lines = leaderboard.jobs(frame(row(A, auc=None), row(B, "cable", 0.5), row(C, "anvil", 0.9)))
    assert leaderboard.sort(lines, "test_auc").model.tolist() == [C, B, A]
    assert leaderboard.sort(lines, "model").model.tolist() == [C, A, B]
    with pytest.raises(InputError, match="Did you mean 'test_auc'"):
        leaderboard.sort(lines, "test_acu")


# -- formats


def test_json_and_csv_hold_every_column_and_parse_back(row):
    lines = leaderboard.jobs(frame(row(A, auc=0.123456789012345, au_pro=0.5), row(B, 'a, "b"', None)))
    as_json = json.loads(leaderboard.render(lines, "json"))
    as_csv = pd.read_csv(io.StringIO(leaderboard.render(lines, "csv")))
    assert list(as_json[0]) == list(as_csv.columns) == list(lines.columns)
    assert {line["category"] for line in as_json} == set(as_csv.category) == {"bottle", 'a, "b"'}
    (bottle,) = (line for line in as_json if line["category"] == "bottle")
    assert bottle["test_auc"] == pytest.approx(0.123456789012345, abs=1e-15)
    assert as_csv.test_auc.max() == 0.123456789012345
    (failed,) = (line for line in as_json if line["category"] != "bottle")
    assert failed["rank"] is None and failed["test_auc"] is None


def test_markdown_is_a_table_of_what_a_person_compares(row):
    lines = leaderboard.jobs(frame(row(A, "a|b", 0.9876, test_auc_low=0.9, test_auc_high=1.0), row(B, "a|b", None)))
    text = leaderboard.render(lines, "markdown").replace("\\|", "¦")
    header, rule, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert len(header) == len(rule) == len(body[0]) == len(body[1]) and set(rule) == {"---"}
    first, second = (dict(zip(header, line, strict=True)) for line in body)
    assert (first["category"], first["test_auc"], first["95 % interval"]) == ("a¦b", "0.988", "0.900-1.000")
    assert (second["rank"], second["test_auc"], second["status"]) == ("-", "-", "failed")


def test_what_is_the_same_in_every_line_is_left_to_the_caption(row):
    lines = leaderboard.for_reading(leaderboard.jobs(frame(row(A), row(B))))
    assert not {"protocol", "size_px", "selection_split", "seeds", "status"} & set(lines.columns)


def test_the_caption_names_protocol_split_size_seeds_and_hardware(row):
    text = leaderboard.caption(frame(row(A, seed=2), row(A, seed=0, device="NVIDIA H200")))
    assert text == "test AUROC on mvtec_ad, protocol holdout · chosen on val · 64 px · seed 0, 2 · NVIDIA H200, cpu x1"


def test_the_caption_warns_of_figures_chosen_on_the_test_part(row):
    assert "optimistic" in leaderboard.caption(frame(row(A, job={"protocol": "paper"})))
    assert "optimistic" not in leaderboard.caption(frame(row(A)))


# -- SQL


@pytest.fixture
def tables(row) -> dict[str, pa.Table]:
    rows = [row(A, auc=0.9), row(A, "cable", 0.7), row(B, auc=0.6)]
    return {"leaderboard": pa.Table.from_pylist([vars(r) for r in rows], schema=arrow_schema(type(rows[0])))}


def test_sql_groups_the_rows(tables):
    sql = "SELECT model, count(*) AS jobs, avg(test_auc) AS mean FROM leaderboard GROUP BY model ORDER BY mean DESC"
    lines = leaderboard.query(sql, tables)
    assert lines.model.tolist() == [A, B] and lines.jobs.tolist() == [2, 1]
    assert lines["mean"].tolist() == pytest.approx([0.8, 0.6])
    assert "0.800" in leaderboard.render(lines, "markdown")


def refused(sql: str, tables) -> str:
    with pytest.raises(InputError) as caught:
        leaderboard.query(sql, tables)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    "sql",
    [
        "COPY leaderboard TO '{file}'",
        "COPY leaderboard TO '{file}' (FORMAT parquet)",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "ATTACH '{file}' AS other",
        "EXPORT DATABASE '{file}'",
        "SET enable_external_access = true",
        "SET autoinstall_known_extensions = true",
        "SELECT 1; COPY leaderboard TO '{file}'",
        "INSTALL httpfs",
        "SELECT getenv('HOME')",
    ],
)
def test_sql_reaches_no_file(sql, tables, tmp_path):
    refused(sql.format(file=tmp_path / "leak"), tables)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELEC 1", "SELEC"),
        ("SELECT * FROM leaderbord", "leaderbord"),
        ("SELECT test_acu FROM leaderboard", "test_acu"),
        ("SELECT * FROM sql", "sql"),  # a variable of ours is no table
        (" ", "SELECT * FROM leaderboard"),
        ("-- nothing", "SELECT * FROM leaderboard"),
    ],
)
def test_bad_sql_is_one_line_with_the_reason(sql, named, tables):
    assert named in refused(sql, tables)
