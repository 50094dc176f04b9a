"""Rows -> rankings. Pure, but for `query`, which hands the rows to DuckDB, without access to anything else."""

import csv
import io
import json
import math
from collections.abc import Sequence

import duckdb
import pandas as pd
import pyarrow as pa

from orchestrator.config import PROTOCOLS
from orchestrator.errors import InputError, choice
from orchestrator.results import COMPLETED

COLUMNS = (
    "rank",
    "dataset",
    "category",
    "model",
    "test_auc",
    "interval",
    "val_auc",
    "f1",
    "au_pro",
    "trials",
    "seeds",
    "settings",
    "status",
)
CIRCUMSTANCES = ("dataset", "protocol", "selection_split", "size_px", "settings")
FORMATS = ("table", "json", "csv", "markdown")


def jobs(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each (dataset, category, model, settings): means over seeds, ranked within its category."""
    if rows.empty:
        return rows
    settings = ["dataset", "category", "model", "protocol", "selection_split", "size_px", "settings"]
    done = rows.status == COMPLETED
    grouped = rows.assign(**{c: rows[c].where(done) for c in FIGURES}).groupby(settings, dropna=False)
    lines = grouped.agg(
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
    ).reset_index()
    return _ranked(lines, ["dataset", "category", "protocol", "size_px"])


def by_model(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each model: the mean over the categories that it has finished."""
    lines = jobs(rows)
    if lines.empty:
        return lines
    grouped = lines.groupby(["model", "protocol", "selection_split", "size_px", "settings"])
    means = grouped.agg(
        test_auc=("test_auc", "mean"),
        worst_auc=("test_auc", "min"),
        val_auc=("val_auc", "mean"),
        f1=("f1", "mean"),
        au_pro=("au_pro", "mean"),
        categories=("category", "nunique"),
        failed=("status", lambda column: int((column != COMPLETED).sum())),
        trials=("trials", "sum"),
    ).reset_index()
    return _ranked(means, ["protocol", "size_px"])


def by_category(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each category, a column for each model's test AUROC (the highest of several settings), and the best
    model."""
    lines = jobs(rows)
    if lines.empty:
        return lines
    table = lines.groupby(["dataset", "category", "protocol", "size_px", "model"]).test_auc.max().unstack("model")
    best = [line.idxmax() if line.notna().any() else None for _, line in table.iterrows()]
    return table.assign(best=best).reset_index().rename_axis(columns=None)


def query(sql: str, tables: dict[str, pa.Table]) -> pd.DataFrame:
    """Runs `sql` over the tables leaderboard, trials and scores. Raises InputError with DuckDB's reason."""
    connection = duckdb.connect(config={"enable_external_access": "false", "autoinstall_known_extensions": "false"})
    try:
        for name, table in tables.items():
            connection.register(name, table)
        connection.execute("SET lock_configuration = true")
        result = connection.execute(sql)
        if result is None:
            raise InputError(f"--sql {sql!r} holds no query; try 'SELECT * FROM leaderboard'.")
        return result.df()
    except duckdb.Error as error:
        raise InputError(f"--sql: {str(error).splitlines()[0]} (tables: {', '.join(tables)})") from None
    finally:
        connection.close()


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
        return lines.to_csv(index=False, quoting=csv.QUOTE_MINIMAL).rstrip("\n")
    shown = for_reading(lines)
    buffer = io.StringIO()
    buffer.write("| " + " | ".join(shown.columns) + " |\n|" + "---|" * len(shown.columns) + "\n")
    for line in shown.itertuples(index=False):
        buffer.write("| " + " | ".join(str(value).replace("|", "\\|") for value in line) + " |\n")
    return buffer.getvalue().rstrip("\n")


def for_reading(lines: pd.DataFrame) -> pd.DataFrame:
    """Only the columns that a person compares, as short text; the same in every line is said by `caption` instead."""
    table = lines.copy()
    if {"test_auc_low", "test_auc_high"} <= set(table.columns):
        table["interval"] = [
            _interval(low, high) for low, high in zip(table.test_auc_low, table.test_auc_high, strict=True)
        ]
    if set(COLUMNS) <= set(table.columns):
        optional = ("dataset", "seeds", "settings", "status")
        shown = [name for name in COLUMNS if name not in optional or table[name].nunique() > 1]
        table = table[shown]
    else:
        table = table[[name for name in table.columns if name not in CIRCUMSTANCES or table[name].nunique() > 1]]
    return table.rename(columns={"interval": "95 % interval"}).map(_short)


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
    text = " · ".join(parts)
    if "paper" in protocols:
        text += "\nprotocol paper chooses on the test part, as the literature often does: its figures are optimistic"
    return text


FIGURES = (
    "test_auc", "test_auc_low", "test_auc_high", "val_auc", "accuracy", "precision", "recall", "f1",
    "average_precision", "pixel_auroc", "au_pro",
)  # fmt: skip


def _ranked(lines: pd.DataFrame, within: Sequence[str]) -> pd.DataFrame:
    """Adds `rank` by test AUROC among lines that agree in `within`; equal figures share one, failures have none."""
    order = {name: place for place, name in enumerate(PROTOCOLS)}
    lines["rank"] = lines.groupby(list(within)).test_auc.rank(ascending=False, method="min").astype("Int64")
    keys = [*within, "rank", "model"]
    lines = lines.sort_values(keys, key=lambda c: c.map(order) if c.name == "protocol" else c, na_position="last")
    return lines[["rank", *[name for name in lines.columns if name != "rank"]]].reset_index(drop=True)


def _interval(low: float, high: float) -> str:
    return "-" if pd.isna(low) else f"{low:.3f}-{high:.3f}"


def _short(value) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
