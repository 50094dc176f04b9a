"""The figures that the paper prints, and ours beside them. Pure.

Source: Sun, Liu, Ma, Na and Zhang, "Skip.Self attention GAN for anomaly detection", IJSCC 16(1), 2025, tables 1 and 2.
"""

import json

import numpy as np
import pandas as pd

from orchestrator.ranking import choices, comparison, leaderboard, reading
from orchestrator.results.rows import COMPLETED

MODELS = ("anogan", "ganomaly", "skip_ganomaly", "sa_skip_ganomaly")  # the paper's columns; the last is its own model
OTHERS = ("f_anogan", "egbad", "alad", "sagan", "mean_image")  # ours, in the order of the tables; further ones follow
MVTEC_AD, KOLEKTOR_SDD = "mvtec_ad", "kolektor_sdd"

TABLE_1 = {  # test AUROC on MVTec AD, a figure a model
    "bottle": (0.802, 0.791, 0.940, 0.954),
    "cable": (0.472, 0.715, 0.671, 0.754),
    "capsule": (0.445, 0.720, 0.708, 0.516),
    "carpet": (0.331, 0.823, 0.788, 0.841),
    "grid": (0.865, 0.742, 0.652, 0.709),
    "hazelnut": (0.225, 0.869, 0.912, 0.904),
    "leather": (0.421, 0.812, 0.914, 0.926),
    "metal_nut": (0.283, 0.695, 0.785, 0.545),
    "pill": (0.721, 0.669, 0.751, 0.848),
    "screw": (0.121, 1.000, 1.000, 0.904),
    "tile": (0.411, 0.724, 0.846, 0.854),
    "toothbrush": (0.432, 0.712, 0.684, 0.695),
    "transistor": (0.689, 0.805, 0.808, 0.822),
    "wood": (0.557, 0.915, 0.914, 0.952),
    "zipper": (0.723, 0.739, 0.671, 0.705),
}
TABLE_2 = {  # KolektorSDD; the paper heads its second column "accuracy": see NOTE_2
    "AUROC": (0.59, 0.80, 0.81, 0.89),
    "precision": (0.55, 0.75, 0.76, 0.82),
    "recall": (0.50, 0.70, 0.72, 0.80),
    "F1": (0.52, 0.72, 0.74, 0.81),
}
FIGURES = {"AUROC": "test_auc", "precision": "precision", "accuracy": "accuracy", "recall": "recall", "F1": "f1"}

TITLES = {
    "table_1": "Table 1: test AUROC on MVTec AD",
    "table_1_mean": "Table 1, means: all 15 and paper are the paper's, over all 15 categories and over those of ours",
    "table_2": "Table 2: KolektorSDD",
}
NOTE_2 = (
    'What table 2 of the paper heads "accuracy" stands beside our precision: in all four of its rows F1 is the '
    "harmonic mean of that column and recall. Ours are taken at the threshold that each run chose: with --threshold f1 "
    "that of the best F1 on the images that chose, else the one for a share of false alarms."
)
CARE = (
    "Read the paper's figures with care: it states no image size, no split and no seed, and independent runs of its "
    "baselines are far lower.",
    "The baselines' reference code scores with BatchNorm in training mode, on test images sorted by label, and keeps "
    "the epoch of the best test AUROC.",
)


def reported_on(rows: pd.DataFrame) -> pd.DataFrame:
    """The jobs on what the paper reports on, on the newest data."""
    rows = leaderboard.newest(rows)
    return rows[(rows.dataset == MVTEC_AD) & rows.category.isin(TABLE_1) | (rows.dataset == KOLEKTOR_SDD)]


def tables(rows: pd.DataFrame, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables by name (TITLES), of rows that are `reported_on`; none where its dataset has no completed job. Their
    `settings` are words."""
    rows = rows[rows.status == COMPLETED]
    mvtec_ad, kolektor_sdd = rows[rows.dataset == MVTEC_AD], rows[rows.dataset == KOLEKTOR_SDD]
    made = {}
    if len(mvtec_ad):
        made |= {"table_1": _table_1(mvtec_ad, scores), "table_1_mean": _table_1_mean(mvtec_ad, scores)}
    if len(kolektor_sdd):
        made |= {"table_2": _table_2(kolektor_sdd, scores)}
    words = choices.words(rows)
    return {name: table.assign(settings=table.settings.map(words)) for name, table in made.items()}


def notes(rows: pd.DataFrame) -> list[str]:
    """What a reader must know beside the `tables` of the same rows."""
    done = rows[rows.status == COMPLETED]
    categories = [name for name in TABLE_1 if name in set(done.category[done.dataset == MVTEC_AD])]
    notes = ["sa_skip_ganomaly is the paper's own model; - stands for what was not run or not published."]
    if categories:
        notes.append(f"{len(categories)} of the paper's {len(TABLE_1)} categories were run: {', '.join(categories)}.")
    if len(rows) > len(done):
        notes.append(f"{len(rows) - len(done)} of {len(rows)} jobs failed and are in no figure.")
    if KOLEKTOR_SDD in set(done.dataset):
        notes.append(NOTE_2)
    return [*notes, *CARE]


def for_reading(table: pd.DataFrame) -> pd.DataFrame:
    """Short text under short headings; `settings` and the number of categories only where they differ."""
    intervals = reading.intervals(table.low, table.high)
    shown = table.drop(columns=["low", "high"])
    shown.insert(shown.columns.get_loc("ours") + 1, "95 % interval", intervals)
    same = [name for name in ("settings", "categories") if name in shown and shown[name].nunique() < 2]
    return shown.drop(columns=same).map(reading.short).rename(columns={"paper_of_15": "all 15", "size_px": "px"})


def render(tables: dict[str, pd.DataFrame], format: str) -> str:
    """JSON: an object of tables; CSV: one long table, whose column `table` says which."""
    if format == "json":
        parts = {name: json.loads(reading.render(table, "json")) for name, table in tables.items()}
        return json.dumps(parts, indent=2)
    return reading.render(pd.concat([table.assign(table=name) for name, table in tables.items()]), "csv")


def _table_1(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    names = {"test_auc": "ours", "test_auc_low": "low", "test_auc_high": "high"}
    ours = leaderboard.jobs(rows, scores).rename(columns=names)
    published = [
        {"category": category, "model": model, "paper": figure}
        for category in rows.category.unique()
        for model, figure in zip(MODELS, TABLE_1[category], strict=True)
    ]
    both = pd.DataFrame(published).merge(ours, how="outer", on=["category", "model"])
    return _arranged(both, "category", list(TABLE_1), ["category", "model", "paper"])


def _table_1_mean(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The paper's mean is over the categories of ours, so that the two may be compared; beside it that of all 15.
    `seeds` are those of the category that has fewest."""
    judged = comparison.judged(scores)
    means = [
        {
            **dict(zip(["model", "protocol", "size_px", "settings"], line, strict=True)),
            "paper": _published_mean(line[0], own.category.unique()),
            "ours": own.groupby("category").test_auc.mean().mean(),
            **dict(zip(["low", "high"], comparison.interval(own, judged), strict=True)),
            "seeds": own.groupby("category").seed.nunique().min(),
            "categories": own.category.nunique(),
        }
        for line, own in rows.groupby(["model", "protocol", "size_px", "settings"])
    ]
    missing = [
        {"model": model, "paper": _published_mean(model, rows.category.unique())}
        for model in MODELS
        if model not in set(rows.model)
    ]
    both = pd.DataFrame([*means, *missing])
    both["paper_of_15"] = [_published_mean(model, TABLE_1) for model in both.model]
    return _arranged(both, "model", [], ["model", "paper_of_15", "paper"], ["categories"])


def _table_2(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    wide = leaderboard.jobs(rows, scores)
    ours = pd.concat([wide.assign(figure=figure, ours=wide[column]) for figure, column in FIGURES.items()])
    ours = _with_verdict_intervals(ours, rows, comparison.judged(scores))
    published = [
        {"figure": figure, "model": model, "paper": value}
        for figure, values in TABLE_2.items()
        for model, value in zip(MODELS, values, strict=True)
    ]
    both = pd.DataFrame(published).merge(ours, how="outer", on=["figure", "model"])
    return _arranged(both, "figure", list(FIGURES), ["figure", "model", "paper"])


def _with_verdict_intervals(ours: pd.DataFrame, rows: pd.DataFrame, judged: comparison.Judged) -> pd.DataFrame:
    """Each figure but the AUROC, which has its own, with the interval of the runs that it is the mean of."""
    line = ["model", "protocol", "size_px", "settings"]
    found = {key: comparison.verdict_intervals(runs, judged) for key, runs in rows.groupby(line)}
    intervals = [
        (row.test_auc_low, row.test_auc_high)
        if row.figure == "AUROC"
        else found[tuple(getattr(row, name) for name in line)].get(FIGURES[row.figure], (None, None))
        for row in ours.itertuples()
    ]
    low, high = zip(*intervals, strict=True)
    return ours.assign(low=np.array(low, float), high=np.array(high, float))


def _arranged(
    both: pd.DataFrame, block: str, blocks: list[str], left: list[str], right: list[str] = ()
) -> pd.DataFrame:
    """Lines in the order of `blocks`, then of the paper's models and ours, then of protocol and size."""
    models = [*MODELS, *OTHERS, *sorted(set(both.model) - {*MODELS, *OTHERS})]
    places = {block: blocks.index, "model": models.index}
    keys = list(dict.fromkeys([block, "model", "protocol", "size_px", "settings"]))
    both = both.sort_values(keys, key=lambda c: c.map(places[c.name]) if c.name in places else c)
    whole = {name: "Int64" for name in ("size_px", "seeds", *right)}
    columns = [*left, "ours", "low", "high", "protocol", "size_px", "seeds", *right, "settings"]
    return both[columns].astype(whole).reset_index(drop=True)


def _published_mean(model: str, categories) -> float | None:
    if model not in MODELS:
        return None
    return sum(TABLE_1[name][MODELS.index(model)] for name in categories) / len(categories)
