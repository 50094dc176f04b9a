"""Rows -> rankings. Pure, but for `query`, which hands the rows to DuckDB, without access to anything else."""

import csv
import functools
import html
import json
import math
import re
from collections.abc import Callable, Sequence

import duckdb
import pandas as pd
import pyarrow as pa
from pyarrow.dataset import Dataset

from orchestrator.errors import InputError, choice, printable
from orchestrator.experiment.config import PROTOCOLS
from orchestrator.ranking import comparison
from orchestrator.results.rows import COMPLETED
from orchestrator.words import count

FIGURES = (
    "test_auc", "val_auc", "accuracy", "precision", "recall", "f1", "average_precision", "pixel_auroc", "au_pro",
)  # fmt: skip
COLUMNS = (  # of `jobs`, for reading
    "rank", "dataset", "category", "model", "test_auc", "interval", "val_auc", "f1", "au_pro", "trials", "seeds",
    "settings", "status",
)  # fmt: skip
MODEL_COLUMNS = (  # of `by_model`, for reading
    "rank", "model", "protocol", "selection_split", "size_px", "settings", "test_auc", "interval", "worst_auc",
    "val_auc", "f1", "au_pro", "categories", "failed", "trials",
)  # fmt: skip
CIRCUMSTANCES = ("dataset", "protocol", "selection_split", "size_px", "settings")
LEAD = {
    "lead_over": object,
    "lead": float,
    "lead_low": float,
    "lead_high": float,
    "lead_jobs": "Int64",
    "lead_categories": "Int64",
}
TABLES = ("leaderboard", "trials", "scores")  # of `query`
CONFINED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
}
READ_ONLY = (
    "SET python_enable_replacements = false",  # or a variable of ours would be a table
    "SET lock_configuration = true",
    "BEGIN TRANSACTION READ ONLY",
)
FORMATS = ("table", "json", "csv", "markdown")


def jobs(rows: pd.DataFrame, scores: pd.DataFrame | None = None) -> pd.DataFrame:
    """One line for each (dataset, category, model, settings): means over seeds, ranked within its category.

    With the table of `scores`, the mean of several seeds has its 95 % interval, and each first line its lead over the
    second. Without it, only a single seed has an interval: its row's own.
    """
    return rows if rows.empty else _ranked(_job_lines(rows), rows, scores, ["dataset", "category"])


def by_model(rows: pd.DataFrame, scores: pd.DataFrame | None = None) -> pd.DataFrame:
    """One line for each model: the mean over the categories that it has finished, with interval and lead as in `jobs`.

    The interval takes the categories as given: seeds and images are resampled within each.
    """
    if rows.empty:
        return rows
    grouped = _job_lines(rows).groupby(["model", "protocol", "selection_split", "size_px", "settings"])
    means = grouped.agg(
        test_auc=("test_auc", "mean"),
        worst_auc=("test_auc", "min"),
        val_auc=("val_auc", "mean"),
        f1=("f1", "mean"),
        au_pro=("au_pro", "mean"),
        categories=("category", "nunique"),
        failed=("status", lambda column: int((column != COMPLETED).sum())),
        trials=("trials", "sum"),
        job_ids=("job_ids", lambda column: [job for ids in column for job in ids]),
    ).reset_index()
    return _ranked(means, rows, scores, [])


def by_category(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each category, a column for each model's test AUROC (the highest of several settings), and the best
    model."""
    if rows.empty:
        return rows
    keys = ["dataset", "category", "protocol", "size_px", "model"]
    table = _job_lines(rows).groupby(keys).test_auc.max().unstack("model")
    best = [line.idxmax() if line.notna().any() else None for _, line in table.iterrows()]
    return table.assign(best=best).reset_index().rename_axis(columns=None)


def query(sql: str, sources: Callable[[str], Sequence[pa.Table | Dataset]]) -> pd.DataFrame:
    """Runs one SELECT over TABLES: each is what its `sources` hold together, and only those that the text names are
    asked for. Raises InputError with DuckDB's reason."""
    named = [table for table in TABLES if table in sql.lower()]
    try:
        statement = _single(sql)
        with duckdb.connect(config=CONFINED) as connection:
            for table in named or TABLES:
                _show(connection, table, sources(table))
            for setting in READ_ONLY:
                connection.execute(setting)
            return connection.execute(statement).df()
    except duckdb.Error as error:
        raise InputError(f"--sql: {str(error).splitlines()[0]} (tables: {', '.join(TABLES)})") from None


def _show(connection: duckdb.DuckDBPyConnection, table: str, sources: Sequence[pa.Table | Dataset]) -> None:
    """Gives `connection` a view of all sources together."""
    parts = [connection.from_arrow(source) for source in sources]
    functools.reduce(duckdb.DuckDBPyRelation.union, parts).create_view(table)


def _single(sql: str) -> duckdb.Statement:
    """The one query of a text: SELECT, with which DESCRIBE, SHOW and SUMMARIZE count, or EXPLAIN."""
    statements = duckdb.extract_statements(sql)
    if not statements:
        raise InputError(f"--sql {sql!r} holds no query; try 'SELECT * FROM leaderboard'.")
    kinds = [statement.type.name for statement in statements]
    if len(kinds) > 1 or kinds[0] not in ("SELECT", "EXPLAIN"):
        raise InputError(f"--sql holds {' and '.join(kinds)}; one SELECT is expected. Nothing was run.")
    return statements[0]


def sort(lines: pd.DataFrame, column: str) -> pd.DataFrame:
    """Largest first; text in alphabetical order."""
    choice("--sort column", column, list(lines.columns))
    return lines.sort_values(
        column, ascending=not pd.api.types.is_numeric_dtype(lines[column]), kind="stable", na_position="last"
    )


def render(lines: pd.DataFrame, format: str) -> str:
    """The lines as JSON, CSV or a Markdown table, in full but for Markdown, which is for reading."""
    if format == "json":
        return json.dumps(json.loads(lines.to_json(orient="records", double_precision=15)), indent=2)
    if format == "csv":
        text = lines.to_csv(index=False, quoting=csv.QUOTE_MINIMAL)
        if "\r" in text:  # bare, it would end a line
            text = lines.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
        return text.rstrip("\n")
    return markdown(for_reading(lines))


def markdown(shown: pd.DataFrame) -> str:
    """A table of text as Markdown; its cells are shown sign by sign."""
    lines = [list(shown.columns), *shown.values.tolist()]
    header, *rows = [f"| {' | '.join(markdown_text(str(value)) for value in line)} |" for line in lines]
    return "\n".join([header, f"|{'|'.join(['---'] * len(shown.columns))}|", *rows])


def markdown_text(text: str) -> str:
    """`text` as Markdown and HTML show it sign by sign: no markup, no end of a line or of a table's cell. An underscore
    within a word is none."""
    return re.sub(r"[\\`*~|\[\]]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", html.escape(printable(text), quote=False))


def for_reading(lines: pd.DataFrame) -> pd.DataFrame:
    """Only the columns that a person compares, as short text; the same in every line is said by `caption` instead."""
    table = lines.copy()
    views = (names for names in (COLUMNS, MODEL_COLUMNS) if set(names) - {"interval"} <= set(table.columns))
    names = next(views, tuple(table.columns))
    if "interval" in names:
        table["interval"] = intervals(table.test_auc_low, table.test_auc_high)
    optional = (*CIRCUMSTANCES, "seeds", "status") if names == COLUMNS else CIRCUMSTANCES
    table = table[[name for name in names if name not in optional or table[name].nunique() > 1]]
    return table.rename(columns={"interval": "95 % interval"}).map(short)


def leads(lines: pd.DataFrame) -> list[str]:
    """For each ranking whose first and second could be paired, a sentence: does the first beat the second? Then how
    that was decided."""
    if "lead" not in lines or lines.lead.isna().all():
        return []
    varying = [name for name in ("protocol", "size_px") if lines[name].nunique() > 1]
    if "category" in lines and lines.groupby("category").dataset.nunique().max() > 1:
        varying.append("dataset")
    compared = lines[lines.lead.notna()]
    how = "told apart: 0 lies outside the interval of a paired bootstrap over the common seeds and their test images"
    if (compared.lead_jobs == compared.lead_categories).any():
        how += "; of one seed it says nothing about others"
    return [*(_lead_sentence(line, varying) for line in compared.to_dict("records")), how]


def caption(rows: pd.DataFrame) -> str:
    """On what the figures were made: protocol, selecting split, sizes, seeds, hardware."""
    protocols = sorted(set(rows.protocol))
    seeds = sorted(set(rows.seed))
    parts = [
        f"test AUROC on {', '.join(sorted(set(rows.dataset)))}, protocol {', '.join(protocols)}",
        f"chosen on {', '.join(sorted(set(rows.selection_split.dropna()))) or 'nothing'}",
        f"{', '.join(f'{size} px' for size in sorted(set(rows.size_px)))}",
        f"seed {', '.join(map(str, seeds))}",
        ", ".join(sorted(set(rows.device.dropna()))) or "no device",
    ]
    text = printable(" · ".join(parts))
    if "paper" in protocols:
        text += "\nprotocol paper chooses on the test part, as the literature often does: its figures are optimistic"
    return text


def intervals(lows: pd.Series, highs: pd.Series) -> list[str]:
    """"low-high" of each pair with three decimals; "-" where there is none."""
    return ["-" if pd.isna(low) else f"{low:.3f}-{high:.3f}" for low, high in zip(lows, highs, strict=True)]


def short(value) -> str:
    """A cell for reading: numbers with three decimals, or two digits where those would hide them; "-" for what is not
    there."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2g}"
    return str(value)


def _lead_sentence(line: dict, varying: list[str]) -> str:
    where = line.get("category") or f"mean of {count(line['lead_categories'], 'category', 'categories')}"
    where = ", ".join([where, *(f"{line[name]} px" if name == "size_px" else line[name] for name in varying)])
    names, lead, low, high = (line["model"], line["lead_over"]), line["lead"], line["lead_low"], line["lead_high"]
    if lead < 0:  # over the common seeds the second is ahead
        names, lead, low, high = names[::-1], -lead, -high, -low
    return (
        f"{where}: {names[0]} leads {names[1]} by {lead:.3f} (95 % {low:.3f} to {high:.3f}, "
        f"{count(line['lead_jobs'], 'job')} each): {'not ' if low <= 0 <= high else ''}told apart"
    )


def _job_lines(rows: pd.DataFrame) -> pd.DataFrame:
    """The lines of `jobs`, not ranked yet; `job_ids` are the completed jobs that a line's means are over."""
    settings = ["dataset", "category", "model", "protocol", "selection_split", "size_px", "settings"]
    done = rows.status == COMPLETED
    grouped = rows.assign(**{c: rows[c].where(done) for c in (*FIGURES, "job_id")}).groupby(settings, dropna=False)
    return grouped.agg(
        **{name: (name, "mean") for name in FIGURES},
        trials=("trials", "sum"),
        failed_trials=("failed_trials", "sum"),
        seeds=("seed", "nunique"),
        epochs=("epochs", "mean"),
        device=("device", "first"),
        wall_s=("wall_s", "sum"),
        gpu_s=("gpu_s", "sum"),
        status=("status", lambda column: COMPLETED if (column == COMPLETED).all() else "failed"),
        error=("error", "first"),
        job_ids=("job_id", lambda column: list(column.dropna())),
    ).reset_index()


def _ranked(lines: pd.DataFrame, rows: pd.DataFrame, scores: pd.DataFrame | None, per: list[str]) -> pd.DataFrame:
    """Adds `rank` by test AUROC among lines of one protocol and size (and of what `per` names): equal figures share
    one, failures have none. Then the intervals and leads."""
    within = [*per, "protocol", "size_px"]
    order = {name: place for place, name in enumerate(PROTOCOLS)}
    lines["rank"] = lines.groupby(within).test_auc.rank(ascending=False, method="min").astype("Int64")
    keys = [*within, "rank", "model"]
    lines = lines.sort_values(keys, key=lambda c: c.map(order) if c.name == "protocol" else c, na_position="last")
    lines = lines[["rank", *[name for name in lines.columns if name != "rank"]]].reset_index(drop=True)
    return _compared(lines, rows, {} if scores is None else comparison.judged(scores), within)


def _compared(lines: pd.DataFrame, rows: pd.DataFrame, judged: comparison.Judged, within: list[str]) -> pd.DataFrame:
    """Ranked lines with the interval of each mean, and with the lead of each ranking's first line over its second."""
    by_id = rows[comparison.RUN].set_index("job_id")
    runs = [by_id.loc[ids].reset_index() for ids in lines.pop("job_ids")]
    low, high = zip(*(comparison.interval(own, judged) for own in runs), strict=True)
    place = lines.columns.get_loc("test_auc")
    lines.insert(place + 1, "test_auc_low", pd.Series(low, dtype=float))
    lines.insert(place + 2, "test_auc_high", pd.Series(high, dtype=float))
    leads = [{}] * len(lines)
    for _, ranking in lines[lines["rank"].notna()].groupby(within):
        first, second = ranking.index[0], ranking.index[min(1, len(ranking) - 1)]
        found = comparison.lead(runs[first], runs[second], judged) if first != second else None
        if found is not None:
            model, settings = lines.loc[second, ["model", "settings"]]
            over = model if model != lines.model[first] else f"{model} ({settings})"
            leads[first] = {
                "lead_over": over,
                "lead": found.difference,
                "lead_low": found.low,
                "lead_high": found.high,
                "lead_jobs": found.jobs,
                "lead_categories": found.categories,
            }
    return lines.join(pd.DataFrame(leads, index=lines.index, columns=list(LEAD)).astype(LEAD))
