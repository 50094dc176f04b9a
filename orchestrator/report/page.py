"""Everything that was found -> the page, by its template. Every name is escaped by Jinja, or by `look` in plots."""

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

import orchestrator.report.best_detectors as answer
import orchestrator.report.mistakes as mistakes
import orchestrator.report.plot_style as look
import orchestrator.report.quality_plots as plots
import orchestrator.report.schedule as schedule
import orchestrator.report.search_plots as search_plots
import orchestrator.report.warm_starts as warm_starts
import orchestrator.report.what_was_run as facts
from orchestrator.experiment import cues
from orchestrator.ranking import leaderboard, reading
from orchestrator.ranking.comparison import USUAL
from orchestrator.report.tables import CONTEST, Tables, is_number
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED
from orchestrator.words import printable

HERE = Path(__file__).parent


class Column(NamedTuple):
    """Of the main table: the lines' column, its heading, and whether it is a figure."""

    name: str
    heading: str
    is_number: bool = True


COLUMNS = (
    Column("rank", "rank"), Column("contest", "category", False), Column("model", "model", False),
    Column("status", "status", False), Column("test_auc", "test AUROC"), Column("interval", "95 % interval", False),
    Column("val_auc", "val AUROC"),
    Column("recall", "recall"), Column("false_alarm_rate", "false alarms"),
    Column("recall_at_fpr", f"recall at {USUAL.fpr:.0%} false alarms"), Column("f1", "F1"),
    Column("f1_of_all", "F1 of all"), Column("average_precision", "AP"), Column("pixel_auroc", "pixel AUROC"),
    Column("au_pro", "AU-PRO"), Column("score_ms", "ms"),
    Column("trials", "trials"), Column("failed_trials", "failed"), Column("seeds", "seeds"),
    Column("wall_s", "refit s"),
)  # fmt: skip


class Cell(NamedTuple):
    """Of the main table."""

    shown: str
    value: float | str | None  # to sort by; None comes last


def render(output: Output, found: Tables) -> str:
    """The whole page as HTML."""
    marks = look.marks(found.models)
    lines = _lines(found)
    models = leaderboard.by_model(found.jobs, found.scores)
    context = {
        "name": output.root.rstrip("/").rpartition("/")[2] or output.root,
        "found": found,
        "caption": _caption(found),
        "leaders": (leaders := answer.leaders(lines)) if len(lines) else [],
        "overall": answer.overall(models),
        "cues": [str(finding) for finding in cues.kept(output, found.jobs.data_hash.dropna())],
        "scale": answer.scale(leaders) if len(lines) else 0.0,
        "columns": COLUMNS,
        "headings": {column.name: column.heading for column in COLUMNS} | {"worst_auc": "worst AUROC"},
        "table": [
            {"is_failed": line["status"] != COMPLETED, "cells": [_cell(column, line) for column in COLUMNS]}
            for line in lines.to_dict("records")
        ],
        "categories": sorted(set(lines.contest)) if len(lines) else [],
        "models": sorted(set(found.jobs.model)),
        "leads": reading.leads(lines),
        "auc": plots.auc(lines, marks) if len(lines) and lines.test_auc.notna().any() else None,
        "devices": ", ".join(sorted(set(found.jobs.device.dropna()))),
        "against_ms": plots.against_ms(lines, marks) if len(lines) else {},
        "by_model": reading.for_reading(models),
        "curves": plots.by_contest(found, marks),
        "searches": _searches(found),
        "runs": (runs := schedule.runs(found.jobs, found.trials)),
        "use": schedule.use(runs) if len(runs) else None,
        "gantt": schedule.gantt(runs) if len(runs) else None,
        "pairs": (pairs := _pairs(found)),
        "warm_summary": warm_starts.summary([pair["of"] for pair in pairs.values()]) if pairs else "",
        "albums": mistakes.by_contest(output, found, lines) if len(lines) else {},
        "facts": facts.of(output, found),
        "darker": look.DARKER,
    }
    return _environment().get_template("page.html.jinja").render(**context, **_assets())


def _caption(found: Tables) -> list[str]:
    text = reading.caption(found.jobs if len(found.jobs) else found.trials)
    return [*text.splitlines(), *([reading.not_ranked(found.older_jobs)] if found.older_jobs else [])]


def _lines(found: Tables) -> pd.DataFrame:
    """Those of leaderboard.jobs, each with its `contest`."""
    lines = leaderboard.jobs(found.jobs, found.scores)
    if lines.empty:
        return lines
    lines = lines.assign(ranks=reading.ranks(lines))
    return lines.merge(found.jobs[[*CONTEST, "contest"]].drop_duplicates(), on=CONTEST, how="left")


def _cell(column: Column, line: dict) -> Cell:
    if column.name == "rank":
        return Cell(line["ranks"].replace("-", "–"), float(line["rank"]) if is_number(line["rank"]) else None)
    if column.name == "interval":
        low, high = line["test_auc_low"], line["test_auc_high"]
        return Cell(f"{low:.3f}–{high:.3f}", low) if is_number(low) else Cell("–", None)
    value = line[column.name]
    if column.name in reading.SHARES and is_number(value):
        shown = reading.with_interval(value, line[f"{column.name}_low"], line[f"{column.name}_high"])
        return Cell(shown.replace("-", "–"), value)
    if column.name == "status":
        error = line["error"]
        value = f"{value}: {error}" if isinstance(error, str) else value
    if not column.is_number:
        return Cell(value, value)
    if not is_number(value):
        return Cell("–", None)
    is_share = isinstance(value, float) and column.name != "wall_s"
    return Cell(f"{value:.3f}" if is_share else f"{value:.0f}", float(value))


def _searches(found: Tables) -> dict[str, dict]:
    """Job's name for people -> the figures of its search. Jobs without a hyper-parameter to search have one trial and
    nothing to show."""
    by_name = {}
    for _, trials in sorted(found.trials.groupby("job_id"), key=lambda pair: _job_name(pair[1])):
        if len(trials) > 1:
            by_name[_job_name(trials)] = search_plots.of_job(trials)
    return by_name


def _pairs(found: Tables) -> dict[str, dict]:
    """Name for people -> a warm and a cold search, and their figure."""
    pairs = enumerate(warm_starts.pairs(found.jobs, found.trials), 1)
    return {
        f"{i} · {pair.alike['category']} · {pair.alike['model']} · seed {pair.alike['seed']}": {
            "of": pair,
            "figure": warm_starts.by_trial(pair),
        }
        for i, pair in pairs
    }


def _job_name(trials: pd.DataFrame) -> str:
    first = trials.iloc[0]
    return f"{first.contest} · {first.model} · seed {first.seed}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters["json_text"] = lambda value: Markup(look.json_text(value))
    return environment


def _assets() -> dict[str, Markup]:
    """Style and scripts, and the hashes by which the page's policy lets these scripts run, and no other."""
    scripts = {"plotly": get_plotlyjs().replace("\r\n", "\n"), "script": (HERE / "page.js").read_text()}
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts.values())
    return {
        **{name: Markup(text) for name, text in scripts.items()},
        "style": Markup((HERE / "page.css").read_text()),
        "allowed": Markup(" ".join(f"'sha256-{hash}'" for hash in hashes)),
    }
