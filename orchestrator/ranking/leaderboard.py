"""Rows -> rankings: by job, by category, by model. Pure."""

import pandas as pd

from datasets.split import PROTOCOLS
from orchestrator.errors import InputError, choice
from orchestrator.ranking import choices, comparison
from orchestrator.ranking.comparison import USUAL, Wish
from orchestrator.results.newest import is_older, newest_data
from orchestrator.results.rows import COMPLETED

NEWEST, OLDER = "newest", "older"  # data

FIGURES = (
    "test_auc", "val_auc", "accuracy", "precision", "recall", "false_alarm_rate", "f1", "f1_of_all",
    "average_precision", "pixel_auroc", "au_pro",
)  # fmt: skip
RATES = ("recall", "false_alarm_rate")  # with intervals
LESS_IS_BETTER = ("rank", "score_ms", "false_alarm_rate", "fpr_at_recall")
LEAD = {
    "lead_of": object,
    "lead_over": object,
    "lead": float,
    "lead_low": float,
    "lead_high": float,
    "lead_p": float,
    "lead_jobs": "Int64",
    "lead_categories": "Int64",
    "comparisons": "Int64",
}


def jobs(rows: pd.DataFrame, scores: pd.DataFrame | None = None, wish: Wish = USUAL) -> pd.DataFrame:
    """One line for each (dataset, category, data, model, size, settings): means over seeds, ranked within its category.
    Where a category's pictures have changed, the newest are ranked; lines on older ones have no rank.

    With the table of `scores`, each mean has its 95 % interval, each line the best and the worst rank that the
    comparisons of its ranking leave open, two points of its ROC curve, as `wish` says, and each first line its lead
    over the second. Without it, only a single seed has an interval: its row's own.
    """
    return rows if rows.empty else _ranked(_job_lines(rows), rows, scores, wish, ["dataset", "category"])


def by_model(rows: pd.DataFrame, scores: pd.DataFrame | None = None, wish: Wish = USUAL) -> pd.DataFrame:
    """One line for each model and size: the mean over the categories that it has finished, each on its newest data,
    with interval and lead as in `jobs`.

    The interval takes the categories as given: it speaks of other seeds and images of each.
    """
    if rows.empty:
        return rows
    rows = newest(rows)
    grouped = _job_lines(rows).groupby(["model", "protocol", "selection_split", "size_px", "settings"])
    means = grouped.agg(
        test_auc=("test_auc", "mean"),
        worst_auc=("test_auc", "min"),
        val_auc=("val_auc", "mean"),
        recall=("recall", "mean"),
        false_alarm_rate=("false_alarm_rate", "mean"),
        f1=("f1", "mean"),
        f1_of_all=("f1_of_all", "mean"),
        au_pro=("au_pro", "mean"),
        score_ms=("score_ms", "max"),
        categories=("category", "nunique"),
        failed=("status", lambda column: int((column != COMPLETED).sum())),
        trials=("trials", "sum"),
        job_ids=("job_ids", lambda column: [job for ids in column for job in ids]),
    ).reset_index()
    return _ranked(means, rows, scores, wish, [])


def by_category(rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each category, a column for each model's test AUROC (the highest of several settings) on the newest
    data, and the best model."""
    if rows.empty:
        return rows
    rows = newest(rows)
    keys = ["dataset", "category", "protocol", "size_px", "model"]
    table = _job_lines(rows).groupby(keys).test_auc.max().unstack("model")
    best = [line.idxmax() if line.notna().any() else None for _, line in table.iterrows()]
    return table.assign(best=best).reset_index().rename_axis(columns=None)


def newest(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of jobs on the newest data of their category."""
    return rows[_with_data(rows).data == NEWEST]


def sort(lines: pd.DataFrame, column: str) -> pd.DataFrame:
    """Largest first, but for what is better the less it is; text in alphabetical order."""
    choice("--sort column", column, list(lines.columns))
    ascending = column in LESS_IS_BETTER or not pd.api.types.is_numeric_dtype(lines[column])
    return lines.sort_values(column, ascending=ascending, kind="stable", na_position="last")


def within_ms(rows: pd.DataFrame, most_ms: float) -> pd.DataFrame:
    """Those of jobs whose detector judges a picture in so many milliseconds, as its median. Raises InputError where
    there is none."""
    quick = rows[rows.score_ms <= most_ms]
    if quick.empty:
        known = rows[rows.score_ms.notna()]
        least = known.loc[known.score_ms.idxmin()] if len(known) else None
        found = "no job's time is known" if least is None else f"the quickest is {least.model}, {least.score_ms:.3g} ms"
        raise InputError(f"--max-ms {most_ms:g}: {found}. Allow more, or train a cheaper model or a smaller --size-px.")
    return quick


def _job_lines(rows: pd.DataFrame) -> pd.DataFrame:
    """The lines of `jobs`, not ranked yet; `job_ids` are the completed jobs that a line's means are over."""
    line = [
        "dataset", "category", "model", "protocol", "selection_split", "size_px", "settings", "data", "data_hash",
    ]  # fmt: skip
    done = rows.status == COMPLETED
    measured = {name: rows[name].where(done) for name in (*FIGURES, "score_ms", "job_id")}
    grouped = _with_data(rows).assign(**measured).groupby(line, dropna=False)
    return grouped.agg(
        **{name: (name, "mean") for name in (*FIGURES, "score_ms")},
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


def _with_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Jobs with `data`, NEWEST or OLDER. A failed one, which knows no data, is put down to the newest."""
    known = newest_data(rows.itertuples())
    newest = [known.get(place) for place in zip(rows.dataset, rows.category, strict=True)]
    hashes = rows.data_hash.where(rows.data_hash.notna(), newest)
    data = [OLDER if is_older(row, known) else NEWEST for row in rows.itertuples()]
    return rows.assign(data=data, data_hash=hashes)


def _ranked(
    lines: pd.DataFrame, rows: pd.DataFrame, scores: pd.DataFrame | None, wish: Wish, per: list[str]
) -> pd.DataFrame:
    """Adds `rank` by test AUROC among lines of one protocol (and of what `per` names): equal figures share one,
    failures and older data have none. Then what tells settings apart, the intervals and leads."""
    within = [*per, "protocol"]
    order = {name: place for place, name in enumerate(PROTOCOLS)}
    counted = lines.assign(test_auc=lines.test_auc.where(lines.data == NEWEST)) if "data" in lines else lines
    lines["rank"] = counted.groupby(within).test_auc.rank(ascending=False, method="min").astype("Int64")
    lines["differs"] = lines.settings.map(choices.words(rows))
    keys = [*within, *(["data"] if "data" in lines else []), "rank", "model", "size_px"]
    lines = lines.sort_values(keys, key=lambda c: c.map(order) if c.name == "protocol" else c, na_position="last")
    lines = lines[["rank", *[name for name in lines.columns if name != "rank"]]].reset_index(drop=True)
    return _compared(lines, rows, {} if scores is None else comparison.judged(scores), wish, within)


def _compared(
    lines: pd.DataFrame, rows: pd.DataFrame, judged: comparison.Judged, wish: Wish, within: list[str]
) -> pd.DataFrame:
    """Ranked lines with the interval of each mean, the points of `wish`, the ranks that are left open, and the lead of
    each ranking's first line over its second. The p value of a lead is adjusted for all comparisons of its ranking."""
    by_id = rows[comparison.RUN].set_index("job_id")
    runs = [by_id.loc[ids].reset_index() for ids in lines.pop("job_ids")]
    _insert_intervals(lines, "test_auc", [comparison.interval(own, judged) for own in runs])
    if "category" in within:
        rates = [comparison.verdict_intervals(own, judged) for own in runs]
        for name in RATES:
            _insert_intervals(lines, name, [found.get(name, (None, None)) for found in rates])
    points = [comparison.operating_point_means(own, judged, wish) for own in runs]
    for name in comparison.POINTS:
        found = [own.get(name) for own in points]
        lines[name] = pd.Series([point and point.value for point in found], dtype=float)
        _insert_intervals(lines, name, [(point.low, point.high) if point else (None, None) for point in found])
    best, worst, leads = {}, {}, [{}] * len(lines)
    for _, ranking in lines[lines["rank"].notna()].groupby(within):
        places = comparison.standings([runs[i] for i in ranking.index], judged)
        if places[0].comparisons:
            best |= {i: min(place.best, lines["rank"][i]) for i, place in zip(ranking.index, places, strict=True)}
            worst |= {i: max(place.worst, lines["rank"][i]) for i, place in zip(ranking.index, places, strict=True)}
        if len(ranking) > 1:
            first, second = ranking.index[:2]
            found = comparison.lead(runs[first], runs[second], judged)
            leads[first] = _lead(lines, first, second, found, places[1]) if found else {}
    lines.insert(1, "rank_best", pd.Series(best, lines.index, dtype="Int64"))
    lines.insert(2, "rank_worst", pd.Series(worst, lines.index, dtype="Int64"))
    return lines.join(pd.DataFrame(leads, index=lines.index, columns=list(LEAD)).astype(LEAD))


def _insert_intervals(lines: pd.DataFrame, name: str, found: list[comparison.Interval]) -> None:
    """Adds both ends of a figure's intervals behind it."""
    low, high = zip(*found, strict=True)
    place = lines.columns.get_loc(name)
    lines.insert(place + 1, f"{name}_low", pd.Series(low, dtype=float))
    lines.insert(place + 2, f"{name}_high", pd.Series(high, dtype=float))


def _lead(lines: pd.DataFrame, first: int, second: int, found: comparison.Lead, of_second: comparison.Standing) -> dict:
    """The columns of LEAD."""
    return {
        "lead_of": _distinct_name(lines, first, second),
        "lead_over": _distinct_name(lines, second, first),
        "lead": found.difference,
        "lead_low": found.low,
        "lead_high": found.high,
        "lead_p": of_second.p_first,
        "lead_jobs": found.jobs,
        "lead_categories": found.categories,
        "comparisons": of_second.comparisons,
    }


def _distinct_name(lines: pd.DataFrame, one: int, other: int) -> str:
    """The model of a line, with its size where there are several, or with what its settings differ in where these
    alone tell it from the other line."""
    model, size_px, differs = lines.loc[one, ["model", "size_px", "differs"]]
    if (model, size_px) == tuple(lines.loc[other, ["model", "size_px"]]):
        model = f"{model} ({differs})"
    return at_size(model, size_px) if lines.size_px.nunique() > 1 else model


def at_size(model: str, size_px: int) -> str:
    """For people, where there are several sizes."""
    return f"{model} at {size_px} px"
