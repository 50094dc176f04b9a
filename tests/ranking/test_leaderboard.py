"""Rows -> rankings: what is ranked beside what, what a failure looks like, and SQL that can only read the rows."""

import csv
import io
import itertools
import json
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestrator.errors import InputError
from orchestrator.ranking import leaderboard, reading
from orchestrator.ranking.comparison import Wish
from orchestrator.ranking.sql import query
from orchestrator.results.output import Output
from orchestrator.results.row_files import to_table
from orchestrator.results.rows import FAILED, JobRow, arrow_schema
from orchestrator.training import refit

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
            assert reading.render(view(rows), form)


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


def test_protocols_are_never_ranked_together(row):
    rows = frame(
        row(A, auc=0.99, job={"protocol": "paper"}),
        row(A, auc=0.9),
        row(B, auc=0.95),
    )
    for view in (leaderboard.jobs, leaderboard.by_model):
        assert ranks(view(rows), "protocol", "model") == [(1, "holdout", B), (2, "holdout", A), (1, "paper", A)]
    assert list(leaderboard.by_category(rows).protocol) == ["holdout", "paper"]


def test_a_model_at_two_sizes_is_two_lines_of_one_ranking_that_say_their_size(row):
    large = {"size_px": 128}
    rows = frame(row(A, auc=0.9), row(B, auc=0.95), row(A, auc=0.97, job=large), row(A, auc=0.93, seed=1, job=large))
    for view in (leaderboard.jobs, leaderboard.by_model):
        lines = view(rows)
        assert ranks(lines, "model", "size_px") == [(1, A, 128), (1, B, 64), (3, A, 64)]
        assert lines.test_auc.tolist() == pytest.approx([0.95, 0.95, 0.9]), "seeds of one size are averaged"
        shown = reading.for_reading(lines)
        assert shown.size_px.tolist() == ["128", "64", "64"]
        assert "settings" not in shown, "the size tells them apart"
        assert "size_px" not in reading.for_reading(view(rows[:2]))
    sides = reading.for_reading(leaderboard.by_category(rows))
    assert sides[["size_px", A, B]].values.tolist() == [["64", "0.900", "0.950"], ["128", "0.950", "-"]]


def test_settings_are_told_where_they_differ_at_one_size(row):
    rows = frame(row(A), row(A, job={"size_px": 128}), row(A, job={"epochs": 200}))
    shown = reading.for_reading(leaderboard.jobs(rows))
    assert sorted(zip(shown.size_px, shown.settings, strict=True)) == [
        ("128", "20 epochs"), ("64", "20 epochs"), ("64", "200 epochs"),
    ]  # fmt: skip


def test_runs_of_other_settings_are_lines_of_their_own_and_are_told_apart(row):
    rows = frame(row(A, auc=0.8), row(A, auc=0.9, job={"epochs": 200}), row(B, auc=0.7))
    assert ranks(leaderboard.jobs(rows), "model", "test_auc") == [(1, A, 0.9), (2, A, 0.8), (3, B, 0.7)]
    assert "settings" in reading.for_reading(leaderboard.jobs(rows)).columns
    assert "settings" not in reading.for_reading(leaderboard.jobs(rows[:1])).columns
    assert ranks(leaderboard.by_model(rows), "model", "test_auc") == [(1, A, 0.9), (2, A, 0.8), (3, B, 0.7)]
    assert leaderboard.by_category(rows)[A].tolist() == [0.9]


# -- data that has changed


OLD, NEW = (
    {"data_hash": name, "started_at": f"2026-11-2{day}T10:00:00.000+00:00"} for name, day in (("zzz", 4), ("aaa", 5))
)


def test_jobs_on_other_pictures_are_never_averaged_and_the_newest_are_ranked(row):
    rows = frame(row(A, auc=1.0, **OLD), row(A, auc=0.8, job={"epochs": 9}, **NEW), row(B, auc=0.9, seed=1, **NEW))
    again = rows[:1].assign(job_id="again", test_auc=0.5, **NEW)
    rows = pd.concat([rows, again])
    lines = leaderboard.jobs(rows)
    assert ranks(lines, "model", "test_auc", "data") == [
        (1, B, 0.9, "newest"), (2, A, 0.8, "newest"), (3, A, 0.5, "newest"), (None, A, 1.0, "older"),
    ]  # fmt: skip
    assert reading.for_reading(lines).data.tolist() == ["newest"] * 3 + ["older"]
    assert "data" not in reading.for_reading(leaderboard.jobs(rows[1:]))
    assert leaderboard.by_model(rows).test_auc.tolist() == pytest.approx([0.9, 0.8, 0.5])
    assert leaderboard.by_category(rows)[A].tolist() == [0.8]
    assert "not ranked: 1 job on older pictures" in reading.caption(rows)
    assert "not ranked" not in reading.caption(rows[1:])


def test_the_newest_is_that_of_its_own_category_and_a_failure_is_of_it(row):
    rows = frame(row(A, auc=0.7, **NEW), row(A, "cable", 0.6, **OLD), row(A, auc=None, seed=1, data_hash=None))
    lines = leaderboard.jobs(rows)
    assert ranks(lines, "category", "status", "seeds") == [(1, "bottle", "failed", 2), (1, "cable", "completed", 1)]


# -- recall and false alarms


def test_recall_and_false_alarms_stand_with_their_intervals(sweep):
    rows, scores = sweep({A: 1.6}, threshold=0.8, recall=0.8, false_alarm_rate=0.2, f1=0.7, f1_of_all=0.6)
    (line,) = leaderboard.jobs(rows, scores).to_dict("records")
    assert line["recall_low"] < 0.8 < line["recall_high"]
    (shown,) = reading.for_reading(leaderboard.jobs(rows, scores)).to_dict("records")
    assert shown["recall"] == f"0.80 ({line['recall_low']:.2f}-{line['recall_high']:.2f})"
    assert shown["false_alarm_rate"].startswith("0.20 (") and (shown["f1"], shown["f1_of_all"]) == ("0.700", "0.600")
    (bare,) = reading.for_reading(leaderboard.jobs(rows)).to_dict("records")
    assert bare["recall"] == "0.80"


# -- several seeds, and first against second


@pytest.fixture
def sweep(make_job, make_measured):
    """Rows and scores of {model: how far it sets defects apart} over categories and seeds."""

    def make(skills: dict, categories=("bottle",), seeds=(0, 1), job=None, **columns) -> tuple:
        rows, scores = [], []
        for category, seed, (model, skill) in itertools.product(categories, seeds, skills.items()):
            labels = np.arange(60) % 2
            luck = np.random.default_rng([seed, len(category)]).normal(size=60)
            described = make_job(category, model=(model,), seed=(seed,), **(job or {}))
            row, own = make_measured(described, labels, skill * labels + luck, **columns)
            rows.append(row)
            scores += own
        return frame(*rows), frame(*scores)

    return make


def test_the_mean_of_several_seeds_has_its_interval_only_with_the_scores(sweep):
    rows, scores = sweep({A: 1.0}, seeds=(0, 1, 2))
    for view in (leaderboard.jobs, leaderboard.by_model):
        (line,) = view(rows, scores).to_dict("records")
        assert line["test_auc"] == pytest.approx(rows.test_auc.mean())
        assert line["test_auc_low"] < line["test_auc"] < line["test_auc_high"]
        (line,) = view(rows).to_dict("records")
        assert pd.isna(line["test_auc_low"]) and pd.isna(line["test_auc_high"])
        (line,) = view(rows, scores[scores.job_id != rows.job_id[0]]).to_dict("records")
        assert pd.isna(line["test_auc_low"]), "the scores of one seed are missing"


def test_without_scores_a_single_seed_keeps_its_rows_own_interval(sweep):
    rows, scores = sweep({A: 1.0}, seeds=(0,), test_auc_low=0.1, test_auc_high=0.9)
    for view in (leaderboard.jobs, leaderboard.by_model):
        (line,) = view(rows).to_dict("records")
        assert (line["test_auc_low"], line["test_auc_high"]) == (0.1, 0.9)
        (line,) = view(rows, scores).to_dict("records")
        assert 0.1 < line["test_auc_low"] < line["test_auc_high"] < 1


def test_ties_are_ranked_as_ties(sweep):
    rows, scores = sweep({A: 1.62, B: 1.6, C: 0.1})
    for view in (leaderboard.jobs, leaderboard.by_model):
        lines = view(rows, scores)
        assert lines[["rank", "rank_best", "rank_worst"]].values.tolist() == [[1, 1, 2], [2, 1, 2], [3, 3, 3]]
        assert reading.for_reading(lines)["rank"].tolist() == ["1-2", "1-2", "3"]
        assert reading.for_reading(view(rows))["rank"].tolist() == ["1", "2", "3"], "nothing was compared"


def test_a_seed_that_failed_has_no_part_in_the_interval(sweep, make_job):
    rows, scores = sweep({A: 1.0}, seeds=(0,))
    failed = frame(refit.failed_row(make_job(seed=(1,)), [], "RuntimeError: out of memory"))
    (line,) = leaderboard.jobs(pd.concat([rows, failed]), scores).to_dict("records")
    assert (line["test_auc_low"], line["test_auc_high"]) == (rows.test_auc_low[0], rows.test_auc_high[0])


def test_the_first_line_of_every_ranking_and_no_other_has_its_lead_over_the_second(sweep):
    rows, scores = sweep({C: 0.2, A: 1.6, B: 1.0}, ("bottle", "cable"))
    lines = leaderboard.jobs(rows, scores)
    leading = lines[lines.lead.notna()]
    assert ranks(leading, "category", "model", "lead_over", "lead_jobs", "lead_categories") == [
        (1, "bottle", A, B, 2, 1),
        (1, "cable", A, B, 2, 1),
    ]
    assert leading.lead.tolist() == pytest.approx(
        [lines.test_auc[0] - lines.test_auc[1], *-lines.test_auc[3:5].diff()[1:]]
    )
    assert (leading.lead_low < leading.lead).all() and (leading.lead < leading.lead_high).all()

    lines = leaderboard.by_model(rows, scores)
    assert ranks(lines[lines.lead.notna()], "model", "lead_over", "lead_jobs", "lead_categories") == [(1, A, B, 4, 2)]
    assert lines.lead[0] == pytest.approx(lines.test_auc[0] - lines.test_auc[1])


def test_nobody_leads_alone_or_without_scores_or_on_other_images(sweep):
    rows, scores = sweep({A: 1.6, B: 1.0})
    other = rows.assign(split_hash=rows.split_hash.where(rows.model == A, "other"))
    for lines in (
        leaderboard.jobs(rows[rows.model == A], scores),
        leaderboard.jobs(rows),
        leaderboard.jobs(other, scores),
    ):
        assert lines.lead.isna().all() and lines.lead_over.isna().all()
        assert reading.leads(lines) == []
    assert reading.leads(leaderboard.by_category(rows)) == []


def test_protocols_are_compared_within_themselves(sweep):
    holdout, paper = sweep({A: 1.6, B: 1.0}), sweep({A: 0.9, B: 1.5}, job={"protocol": "paper"})
    lines = leaderboard.jobs(*(pd.concat(pair) for pair in zip(holdout, paper, strict=True)))
    assert ranks(lines[lines.lead.notna()], "protocol", "model", "lead_over") == [
        (1, "holdout", A, B),
        (1, "paper", B, A),
    ]
    first, second, how = reading.leads(lines)
    assert first.startswith(f"bottle, holdout: {A} leads {B} by ")
    assert second.startswith(f"bottle, paper: {B} leads {A} by ")


def test_a_sentence_says_by_how_much_on_how_many_jobs_and_whether_that_tells_them_apart(sweep):
    rows, scores = sweep({A: 1.6, B: 1.0})
    lines = leaderboard.jobs(rows, scores).assign(lead=0.026, lead_low=0.004, lead_high=0.05, lead_p=0.04)
    *_, sentence, how = reading.leads(lines[:1])
    assert sentence == f"bottle: {A} leads {B} by 0.026 (95 % 0.004 to 0.050, 2 jobs each): told apart"
    assert "DeLong" in how and "Holm" in how and "one seed" not in how
    unsure = reading.leads(lines[:1].assign(lead_p=0.06, comparisons=3))[0]
    assert unsure.endswith("(95 % 0.004 to 0.050, 2 jobs each): not told apart among 3 comparisons")
    single = reading.leads(lines[:1].assign(lead_jobs=1))
    assert "1 job each" in single[0] and "of one seed it says nothing about others" in single[1]
    (mean, _) = reading.leads(leaderboard.by_model(*sweep({A: 1.6, B: 1.0}, ("bottle", "cable"))))
    assert mean.startswith(f"mean of 2 categories: {A} leads {B} by ") and "4 jobs each" in mean


def test_a_second_that_is_ahead_over_the_common_seeds_is_said_to_lead(sweep):
    lines = leaderboard.jobs(*sweep({A: 1.6, B: 1.0})).assign(
        lead=-0.02, lead_low=-0.05, lead_high=-0.01, lead_p=0.01
    )
    assert f"{B} leads {A} by 0.020 (95 % 0.010 to 0.050, 2 jobs each): told apart" in reading.leads(lines[:1])[0]


def test_settings_of_one_model_that_lead_one_another_are_named(sweep):
    short, long = sweep({A: 1.0}), sweep({A: 1.6}, job={"epochs": 200})
    lines = leaderboard.jobs(*(pd.concat(pair) for pair in zip(short, long, strict=True)))
    assert (lines.lead_of[0], lines.lead_over[0]) == (f"{A} (200 epochs)", f"{A} (20 epochs)")
    assert reading.leads(lines)[0].startswith(f"bottle: {A} (200 epochs) leads {A} (20 epochs) by ")


def test_sizes_are_compared_on_the_same_images_and_named(sweep):
    small, large = sweep({A: 1.0, B: 0.2}), sweep({A: 1.6}, job={"size_px": 128})
    lines = leaderboard.jobs(*(pd.concat(pair) for pair in zip(small, large, strict=True)))
    assert ranks(lines, "model", "size_px") == [(1, A, 128), (2, A, 64), (3, B, 64)]
    assert lines.lead_over[0] == f"{A} at 64 px"
    assert reading.leads(lines)[0].startswith(f"bottle: {A} at 128 px leads {A} at 64 px by ")


def test_leads_are_columns_in_full_and_sentences_for_reading(sweep):
    rows, scores = sweep({A: 1.6, B: 1.0})
    for view in (leaderboard.jobs, leaderboard.by_model):
        lines = view(rows, scores)
        (first, second) = json.loads(reading.render(lines, "json"))
        assert {"lead_over", "lead", "lead_low", "lead_high"} <= set(first) == set(second)
        assert first["lead"] > 0 and second["lead"] is None
        shown = reading.for_reading(lines).columns
        assert "95 % interval" in shown and not [name for name in shown if "lead" in name or "low" in name]


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


def test_what_is_better_the_less_it_is_sorts_smallest_first(row):
    lines = leaderboard.jobs(frame(row(A, auc=0.9, score_ms=9.0), row(B, auc=0.8, score_ms=0.5), row(C, auc=0.7)))
    assert leaderboard.sort(lines, "score_ms").model.tolist() == [B, A, C]


def test_only_those_that_are_quick_enough_are_ranked_and_none_is_an_error_that_says_what_there_is(row):
    rows = frame(row(A, auc=0.9, score_ms=9.0), row(B, auc=0.8, score_ms=0.5), row(C, auc=0.7))
    assert leaderboard.within_ms(rows, 9.0).model.tolist() == [A, B]
    with pytest.raises(InputError, match=f"--max-ms 0.1: the quickest is {B}, 0.5 ms"):
        leaderboard.within_ms(rows, 0.1)
    with pytest.raises(InputError, match="no job's time is known"):
        leaderboard.within_ms(frame(row(C, auc=0.7)), 0.1)


def test_what_is_found_at_few_false_alarms_is_a_column_and_may_be_sorted_by(sweep):
    rows, scores = sweep({A: 3.0, B: 1.0})
    lines = leaderboard.jobs(rows, scores, Wish(fpr=0.2))
    assert leaderboard.sort(lines, "recall_at_fpr").model.tolist() == [A, B]
    assert leaderboard.sort(lines, "fpr_at_recall").model.tolist() == [A, B]
    assert (lines.recall_at_fpr > leaderboard.jobs(rows, scores).recall_at_fpr).any()
    assert (lines.recall_at_fpr_low < lines.recall_at_fpr).all()
    assert lines.fpr_at_recall_high.tolist() == [1, 1], "30 defective images do not bound the threshold of 95 %"
    assert leaderboard.jobs(rows).recall_at_fpr.isna().all(), "it is of the scores"


def test_a_column_that_is_sorted_by_is_shown_and_said_what_it_is(sweep):
    rows, scores = sweep({A: 3.0, B: 1.0})
    assert "recall_at_fpr" not in reading.read(rows, scores).names
    shown = reading.read(rows, scores, sort="recall_at_fpr", wish=Wish(fpr=0.2))
    assert shown.names[-1] == "recall_at_fpr" and re.fullmatch(r"0\.98 \(0\.\d+-1\.00\)", shown.cells[0][-1])
    assert "share of the defective images found where 0.2 of the good ones are flagged" in shown.caption
    assert "wall_s" in reading.read(rows, scores, sort="wall_s").names
    by_model = reading.read(rows, scores, "model", "fpr_at_recall")
    assert by_model.names[-1] == "fpr_at_recall" and "where 0.95 of the defective" in by_model.caption


# -- formats


def test_json_and_csv_hold_every_column_and_parse_back(row):
    lines = leaderboard.jobs(frame(row(A, auc=0.123456789012345, au_pro=0.5), row(B, 'a, "b"', None)))
    as_json = json.loads(reading.render(lines, "json"))
    as_csv = pd.read_csv(io.StringIO(reading.render(lines, "csv")))
    assert list(as_json[0]) == list(as_csv.columns) == list(lines.columns)
    assert {line["category"] for line in as_json} == set(as_csv.category) == {"bottle", 'a, "b"'}
    (bottle,) = (line for line in as_json if line["category"] == "bottle")
    assert bottle["test_auc"] == pytest.approx(0.123456789012345, abs=1e-15)
    assert as_csv.test_auc.max() == 0.123456789012345
    (failed,) = (line for line in as_json if line["category"] != "bottle")
    assert failed["rank"] is None and failed["test_auc"] is None


def test_markdown_is_a_table_of_what_a_person_compares(row):
    lines = leaderboard.jobs(frame(row(A, "a|b", 0.9876, test_auc_low=0.9, test_auc_high=1.0), row(B, "a|b", None)))
    text = reading.render(lines, "markdown").replace("\\|", "¦")
    header, rule, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert len(header) == len(rule) == len(body[0]) == len(body[1]) and set(rule) == {"---"}
    first, second = (dict(zip(header, line, strict=True)) for line in body)
    assert (first["category"], first["test_auc"], first["95 % interval"]) == ("a¦b", "0.988", "0.900-1.000")
    assert (second["rank"], second["test_auc"], second["status"]) == ("-", "-", "failed")


@pytest.mark.parametrize("name", ["a\rb", "a\r\nb", "\r", "a\nb", 'a"b,c', " a ", "=1+1", "\x1b[31m", "ä\u202e|"])
def test_csv_gives_back_the_very_name(row, name):
    text = reading.render(leaderboard.jobs(frame(row(A, name), row(B, name))), "csv")
    assert [line["category"] for line in csv.DictReader(io.StringIO(text, newline=""))] == [name, name]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("metal_nut", "metal_nut"),
        ("größe 2 (neu) - 50 %", "größe 2 (neu) - 50 %"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("![x](y)", r"!\[x\](y)"),
        ("`a` *b* ~~c~~", r"\`a\` \*b\* \~\~c\~\~"),
        ("_a_b __c__", r"\_a_b \_\_c\_\_"),
        ("a\\|b|", r"a\\\|b\|"),
        ("a\r\n| b |\x1b", r"a\\r\\n\| b \|\\x1b"),
    ],
)
def test_markdown_shows_a_name_as_it_is_written(row, name, cell):
    *_, line = reading.render(leaderboard.jobs(frame(row(A, name))), "markdown").splitlines()
    assert line.startswith(f"| 1 | {cell} | {A} | 0.900 |")


def test_a_caption_has_no_line_but_its_own(row):
    rows = frame(row(A, job={"protocol": "paper"}, device="cpu\n\x1b[31m")).assign(dataset="a\nb")
    text = reading.caption(rows)
    assert len(text.split("\n")) == 2 and "\x1b" not in text and r"a\nb" in text


def test_what_is_the_same_in_every_line_is_left_to_the_caption(row):
    lines = reading.for_reading(leaderboard.jobs(frame(row(A), row(B))))
    assert not {"protocol", "size_px", "selection_split", "seeds", "status"} & set(lines.columns)


def test_the_caption_names_protocol_split_size_seeds_and_hardware(row):
    text = reading.caption(frame(row(A, seed=2), row(A, seed=0, device="NVIDIA H200")))
    assert text == "test AUROC on mvtec_ad, protocol holdout · chosen on val · 64 px · seed 0, 2 · NVIDIA H200, cpu x1"


def test_the_caption_warns_of_figures_chosen_on_the_test_part(row):
    assert "optimistic" in reading.caption(frame(row(A, job={"protocol": "paper"})))
    assert "optimistic" not in reading.caption(frame(row(A)))


def test_the_caption_says_how_many_folds_there_were(row):
    five, three = (row(A, job={"protocol": "crossfit"}, folds=json.dumps([{}] * folds)) for folds in (5, 3))
    untold = row(A, job={"protocol": "crossfit"})
    assert "each of 5 folds of the labelled images" in reading.caption(frame(five, row(B), untold))
    assert "each of 3 or 5 folds" in reading.caption(frame(five, three))
    assert "each of several folds" in reading.caption(frame(untold).drop(columns="folds")), "of trials"


# -- SQL


@pytest.fixture
def tables(row, tmp_path) -> Callable[[str], list]:
    """The sources of an output of three jobs, one of them in a merged file."""
    output = Output(str(tmp_path / "rows"))
    output.write_job(row(A, "cable", 0.7))
    output.write_merged("leaderboard", to_table(JobRow, [row(A, auc=0.9), row(A, "cable", 0.1)]))
    output.write_job(row(B, auc=0.6))
    return output.sources


def test_sql_groups_the_rows(tables):
    sql = "SELECT model, count(*) AS jobs, avg(test_auc) AS mean FROM leaderboard GROUP BY model ORDER BY mean DESC"
    lines = query(sql, tables)
    assert lines.model.tolist() == [A, B] and lines.jobs.tolist() == [2, 1]
    assert lines["mean"].tolist() == pytest.approx([0.8, 0.6])
    assert "0.800" in reading.render(lines, "markdown")


def test_what_a_query_asks_for_is_shown_as_it_is(tables):
    lines = query("SELECT model, test_auc_low, test_auc_high FROM leaderboard", tables)
    assert list(reading.for_reading(lines).columns) == ["model", "test_auc_low", "test_auc_high"]


def test_only_the_tables_that_a_query_names_are_read(tables):
    asked = []
    lines = query("SELECT count(*) AS n FROM Trials", lambda kind: asked.append(kind) or tables(kind))
    assert lines.n.tolist() == [0] and asked == ["trials"]


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("DESCRIBE leaderboard", len(arrow_schema(JobRow))),
        ("SHOW TABLES", 3),
        ("SUMMARIZE SELECT model FROM leaderboard", 1),
        ("EXPLAIN SELECT model FROM leaderboard", 1),
        ("WITH best AS (SELECT max(test_auc) FROM leaderboard) FROM best;", 1),
        ("SELECT path FROM leaderboard JOIN trials USING (job_id) JOIN scores USING (job_id)", 0),
        ("SELECT trial_id, curve[1] FROM trials WHERE category = 'bottle' AND index < 3", 0),
    ],
)
def test_whatever_only_reads_is_answered(sql, lines, tables):
    assert len(query(sql, tables)) == lines


def refused(sql: str, tables) -> str:
    with pytest.raises(InputError) as caught:
        query(sql, tables)
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
        "COPY leaderboard FROM '/etc/passwd'",
        "EXPLAIN ANALYZE COPY leaderboard TO '{file}'",
        "SELECT * FROM read_parquet('{rows}/**/*.parquet')",
        "SELECT * FROM parquet_metadata('{rows}/**/*.parquet')",
        "SELECT * FROM '{rows}/leaderboard/*.parquet'",
        "SELECT * FROM query($$COPY leaderboard TO '{file}'$$)",
        "LOAD httpfs",
        "PRAGMA database_list",
        "PRAGMA threads = 1",
        "RESET enable_external_access",
        "CALL enable_logging()",
        "USE memory",
    ],
)
def test_sql_reaches_no_file(sql, tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(sql.format(file=tmp_path / "leak", rows=tmp_path / "rows"), tables)
    assert list(tmp_path.iterdir()) == [tmp_path / "rows"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE mine AS SELECT * FROM leaderboard",
        "CREATE VIEW mine AS SELECT 1",
        "EXPLAIN ANALYZE CREATE TABLE mine AS SELECT 1",
        "CREATE MACRO mine() AS 1",
        "INSERT INTO leaderboard SELECT * FROM leaderboard",
        "WITH new AS (INSERT INTO leaderboard SELECT * FROM leaderboard RETURNING *) SELECT * FROM new",
        "UPDATE leaderboard SET test_auc = 1",
        "DELETE FROM leaderboard",
        "DROP VIEW leaderboard",
        "ALTER TABLE leaderboard ADD COLUMN mine INTEGER",
        "SELECT 1; SELECT 2",
        "COMMIT; CREATE TABLE mine AS SELECT 1",
        "BEGIN",
        "PREPARE mine AS SELECT 1",
        "VACUUM",
    ],
)
def test_sql_changes_nothing(sql, tables):
    refused(sql, tables)
    assert len(query("FROM leaderboard", tables)) == 3


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELEC 1", "SELEC"),
        ("SELECT * FROM leaderbord", "leaderbord"),
        ("SELECT test_acu FROM leaderboard", "test_acu"),
        ("SELECT * FROM sql", "sql"),  # a variable of ours is no table
        ("SELECT * FROM rows_of_a_test", "rows_of_a_test"),
        ("SELECT 1; DROP VIEW leaderboard", "SELECT and DROP; one SELECT is expected"),
        (" ", "SELECT * FROM leaderboard"),
        ("-- nothing", "SELECT * FROM leaderboard"),
    ],
)
def test_bad_sql_is_one_line_with_the_reason(sql, named, tables):
    rows_of_a_test = pd.DataFrame({"n": [1]})  # noqa: F841
    assert named in refused(sql, tables)


def test_a_small_number_keeps_the_digits_that_tell_it_from_nothing():
    assert [reading.short(value) for value in (0.0, 0.0002, -0.00035, 0.5, 12.3456)] == [
        "0.000", "0.0002", "-0.00035", "0.500", "12.346",
    ]  # fmt: skip
