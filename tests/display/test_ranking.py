"""What the verbs print of an output: rankings with their sentences, the paper's tables, and only what fits."""

import dataclasses
import json
import re
import shlex

import numpy as np
import pytest

from orchestrator import cli
from orchestrator.display import ranking
from orchestrator.errors import InputError
from orchestrator.results.output import Output

A, B = "sa_skip_ganomaly", "skip_ganomaly"


@pytest.fixture
def output(tmp_path, make_job, make_measured) -> Output:
    """Two models on bottle, two seeds; the first sets defects apart, the second guesses."""
    output = Output(str(tmp_path))
    labels = np.arange(60) % 2
    for model, seed in ((A, 0), (A, 1), (B, 0), (B, 1)):
        scores = np.random.default_rng([seed, len(model)]).normal(size=60) + 3 * labels * (model == A)
        row, judged = make_measured(make_job(model=(model,), seed=(seed,)), labels, scores)
        output.write_scores(row, judged)
        output.write_job(row)
    return output


def printed(capsys) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in capsys.readouterr().out.splitlines()]


# -- the leaderboard


@pytest.mark.parametrize(("form", "bullet"), [("table", ""), ("markdown", "- ")])
def test_under_the_ranking_stands_whether_the_first_beats_the_second(output, capsys, form, bullet):
    ranking.print_leaderboard(output, format=form)
    *_, caption, empty, sentence, how = printed(capsys)
    assert "protocol holdout" in caption and empty == ""
    assert sentence.startswith(f"{bullet}bottle: {A} leads {B} by 0.") and sentence.endswith("2 jobs each): told apart")
    assert how.startswith(f"{bullet}told apart: ")


def test_how_many_the_race_searched_no_further_is_said_with_the_figures(output, capsys, make_job, make_measured):
    row, _ = make_measured(make_job(model=("ganomaly",)), np.arange(60) % 2, np.arange(60.0))
    output.write_job(dataclasses.replace(row, trials=2, stopped="its validation AUROC of 0.6 is below it"))
    ranking.print_leaderboard(output)
    said = next(line for line in printed(capsys) if line.startswith("by the race"))
    told, why = said.split("; why: defectsweep ")
    assert told == f"by the race, 1 of {len(output.jobs())} jobs got fewer trials"
    assert cli.main([output.root if word == "OUTPUT" else word for word in shlex.split(why)]) == 0
    assert any(line.startswith(row.job_id) and line.endswith("0.6 is below it") for line in printed(capsys))


def test_a_runs_own_ranking_compares_only_its_own_jobs(output, capsys):
    jobs = {row.job_id for row in output.jobs() if row.seed == 0}
    ranking.print_leaderboard(output, only=jobs)
    assert "1 job each" in "\n".join(printed(capsys))
    ranking.print_leaderboard(output, only={job for job in jobs if job.startswith(f"bottle-{A}")})
    assert "leads" not in "\n".join(printed(capsys))


def test_json_and_csv_hold_nothing_but_the_rows(output, capsys):
    ranking.print_leaderboard(output, by="model", format="json")
    assert [line["lead_over"] for line in json.loads("\n".join(printed(capsys)))] == [B, None]
    ranking.print_leaderboard(output, format="csv")
    assert len(printed(capsys)) == 3


@pytest.mark.parametrize(("by", "width", "dropped"), [("job", 200, set()), ("model", 80, {"trials", "au_pro"})])
def test_a_narrow_terminal_gets_fewer_columns_rather_than_broken_words(output, capsys, monkeypatch, by, width, dropped):
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich, a terminal
    monkeypatch.setenv("COLUMNS", str(width))
    ranking.print_leaderboard(output, by=by)
    header, first, *_ = printed(capsys)
    assert {"trials", "au_pro"} - set(header.split()) == dropped
    assert A in first.split() and len(header) <= width


def test_on_a_very_narrow_one_names_are_shortened(output, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    ranking.print_leaderboard(output)
    header, first, *_ = printed(capsys)
    assert max(len(header), len(first)) <= 40 and "…" in first and first.split()[0] == "1"


def test_a_name_in_colons_is_no_picture(tmp_path, capsys, make_job, make_job_row):
    output = Output(str(tmp_path))
    output.write_job(make_job_row(make_job(":bomb: [bold]x[/]")))
    ranking.print_leaderboard(output)
    assert ":bomb: [bold]x[/]" in capsys.readouterr().out


# -- beside the paper


def test_the_papers_tables_in_every_format(output, capsys):
    ranking.print_paper(output)
    table = printed(capsys)
    assert "Table 1: test AUROC on MVTec AD" in table
    assert any(re.fullmatch(rf"bottle +{A} +0\.954 +\S+ +\S+-\S+ +holdout +64 +2", line) for line in table)
    assert "1 of the paper's 15 categories were run: bottle." in table

    ranking.print_paper(output, "markdown")
    text = printed(capsys)
    assert "### Table 1: test AUROC on MVTec AD" in text
    title = text.index("### Table 1: test AUROC on MVTec AD")
    assert text[title + 1] == "" and text[title + 2].startswith("| category | model | paper | ours |")
    assert any(line.startswith("- Read the paper's figures with care") for line in text)

    ranking.print_paper(output, "json")
    assert set(json.loads("\n".join(printed(capsys)))) == {"table_1", "table_1_mean"}
    ranking.print_paper(output, "csv")
    assert printed(capsys)[0].startswith("category,model,paper,ours,")


def test_an_output_without_the_papers_datasets_says_how_to_get_them(tmp_path):
    with pytest.raises(InputError, match="--dataset mvtec_ad") as caught:
        ranking.print_paper(Output(str(tmp_path)))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("width", [80, 120])
def test_the_papers_tables_fit_a_terminal(output, capsys, monkeypatch, width):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    ranking.print_paper(output)
    rows = [line for line in printed(capsys) if re.search(rf"\b{A}\b.*\bholdout\b", line)]
    assert len(rows) == 2 and all(re.search(r"\d\.\d{3}-\d\.\d{3}", row) for row in rows)
