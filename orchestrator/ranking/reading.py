"""Rankings -> what a person or a program reads: short text, sentences, JSON, CSV, Markdown. Pure."""

import csv
import html
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from orchestrator.ranking import leaderboard
from orchestrator.ranking.by_defect import by_defect
from orchestrator.ranking.comparison import POINTS, USUAL, Wish
from orchestrator.words import count, printable

COLUMNS = (  # of leaderboard.jobs, for reading
    "rank", "dataset", "category", "model", "size_px", "test_auc", "interval", "val_auc", "recall",
    "false_alarm_rate", "f1", "f1_of_all", "au_pro", "score_ms", "trials", "seeds", "differs", "data",
    "status",
)  # fmt: skip
MODEL_COLUMNS = (  # of leaderboard.by_model, for reading
    "rank", "model", "protocol", "selection_split", "size_px", "differs", "test_auc", "interval", "worst_auc",
    "val_auc", "recall", "false_alarm_rate", "f1", "f1_of_all", "au_pro", "score_ms", "categories", "failed", "trials",
)  # fmt: skip
SHARES = (*leaderboard.RATES, *POINTS)  # shown with their intervals
DEFECT_COLUMNS = (  # of by_defect, for reading
    "rank", "dataset", "category", "defect", "images", "model", "protocol", "size_px", "test_auc", "interval", "seeds",
    "differs", "data",
)  # fmt: skip
VIEWS = {
    "job": leaderboard.jobs,
    "category": lambda rows, scores, wish: leaderboard.by_category(rows),
    "model": leaderboard.by_model,
    "defect": lambda rows, scores, wish: by_defect(rows, scores),
}
TOLD_APART = 0.05  # p values below it, adjusted for all comparisons of their ranking
HOW = (
    "told apart: by paired differences of AUROC on common seeds and test images (DeLong), all comparisons of a ranking "
    "together with 95 % confidence (Holm); a rank such as 1-3 is what they leave open"
)
WHY_STOPPED = 'defectsweep leaderboard --output OUTPUT --sql "SELECT job_id, stopped FROM leaderboard"'
CIRCUMSTANCES = ("dataset", "protocol", "selection_split", "size_px", "differs", "data")


@dataclass(frozen=True)
class Reading:
    """A ranking as text, which the printer and the watch draw alike."""

    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    numbers: frozenset[str]  # the names that stand over numbers
    caption: str  # on what the figures were made
    leads: tuple[str, ...] = ()  # does each first beat its second?


def read(
    rows: pd.DataFrame, scores: pd.DataFrame, by: str = "job", sort: str | None = None, wish: Wish = USUAL
) -> Reading:
    """The ranking of at least one row of jobs. Raises InputError for a column to sort by that there is not."""
    lines = view(rows, scores, by, sort, wish)
    shown = for_reading(lines, sort)
    text = caption(rows)
    if by == "defect":
        text += "\nof each kind of defect, its test images against all good ones; images are those of the kind"
    if sort in POINTS:
        text += f"\n{sort}: {_of_point(sort, wish)}"
    return Reading(tuple(shown.columns), tuple(map(tuple, shown.values)), numbers(lines), text, tuple(leads(lines)))


def view(rows: pd.DataFrame, scores: pd.DataFrame, by: str, sort: str | None, wish: Wish) -> pd.DataFrame:
    """The lines of one of VIEWS, sorted as asked."""
    lines = VIEWS[by](rows, scores, wish)
    return leaderboard.sort(lines, sort) if sort else lines


def numbers(lines: pd.DataFrame) -> frozenset[str]:
    """The columns of numbers."""
    return frozenset(name for name in lines.columns if pd.api.types.is_numeric_dtype(lines[name]))


def render(lines: pd.DataFrame, format: str) -> str:
    """The lines as JSON, CSV or a Markdown table, in full but for Markdown, which is for reading."""
    if format == "json":
        return json.dumps(json.loads(lines.to_json(orient="records", double_precision=15)), indent=2)
    if format == "csv":
        text = lines.to_csv(index=False, quoting=csv.QUOTE_MINIMAL)
        if "\r" in text:  # bare, it would end a line
            text = lines.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
        return text.rstrip("\n")
    shown = for_reading(lines)
    return markdown(shown.columns, shown.values)


def markdown(names: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of text as Markdown; its cells are shown sign by sign."""
    header, *rows = [f"| {' | '.join(markdown_text(str(value)) for value in line)} |" for line in (names, *rows)]
    return "\n".join([header, f"|{'|'.join(['---'] * len(names))}|", *rows])


def markdown_text(text: str) -> str:
    """`text` as Markdown and HTML show it sign by sign: no markup, no end of a line or of a table's cell. An underscore
    within a word is none."""
    return re.sub(r"[\\`*~|\[\]]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", html.escape(printable(text), quote=False))


def for_reading(lines: pd.DataFrame, sort: str | None = None) -> pd.DataFrame:
    """Only the columns that a person compares, and the one that lines are sorted by, as short text; the same in every
    line is said by `caption` instead."""
    table = lines.copy()
    if "rank_best" in table:
        table["rank"] = ranks(table)
    known = (COLUMNS, MODEL_COLUMNS, DEFECT_COLUMNS)
    views = (names for names in known if set(names) - {"interval"} <= set(table.columns))
    names = next(views, tuple(table.columns))
    if sort and sort not in names:
        names = (*names, sort)
    if "interval" in names:
        table["interval"] = intervals(table.test_auc_low, table.test_auc_high)
    for name in (name for name in SHARES if f"{name}_low" in table and name in names):
        table[name] = list(map(with_interval, table[name], table[f"{name}_low"], table[f"{name}_high"]))
    optional = (*CIRCUMSTANCES, "seeds", "status") if "seeds" in names else CIRCUMSTANCES
    table = table[[name for name in names if name == sort or name not in optional or table[name].nunique() > 1]]
    return table.rename(columns={"interval": "95 % interval", "differs": "settings"}).map(short)


def ranks(lines: pd.DataFrame) -> list[str]:
    """"2", or "1-3" where the comparisons of a ranking leave these places open; "-" for what is not ranked."""
    ends = zip(lines.rank_best.fillna(lines["rank"]), lines.rank_worst.fillna(lines["rank"]), strict=True)
    return ["-" if pd.isna(best) else str(best) if best == worst else f"{best}-{worst}" for best, worst in ends]


def leads(lines: pd.DataFrame) -> list[str]:
    """For each ranking whose first and second could be paired, a sentence: does the first beat the second? Then how
    that was decided."""
    if "lead" not in lines or lines.lead.isna().all():
        return []
    varying = ["protocol"] if lines.protocol.nunique() > 1 else []
    if "category" in lines and lines.groupby("category").dataset.nunique().max() > 1:
        varying.append("dataset")
    compared = lines[lines.lead.notna()]
    sentences = [_lead_sentence(line, varying) for line in compared.to_dict("records")]
    of_one_seed = (compared.lead_jobs == compared.lead_categories).any()
    return [*sentences, HOW + ("; of one seed it says nothing about others" if of_one_seed else "")]


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
    if "crossfit" in protocols:
        text += (
            f"\nprotocol crossfit: each of {_folds(rows)} folds of the labelled images is judged by what was best on "
            "the others; val_auc is of the detector that is best on all of them, and optimistic"
        )
    if "paper" in protocols:
        text += "\nprotocol paper chooses on the test part, as the literature often does: its figures are optimistic"
    if "stopped" in rows and (stopped := rows.stopped.notna().sum()):  # trials have none
        text += f"\nby the race, {stopped} of {count(len(rows), 'job')} got fewer trials; why: {WHY_STOPPED}"
    older = len(rows) - len(leaderboard.newest(rows))
    return f"{text}\n{not_ranked(older)}" if older else text


def _folds(rows: pd.DataFrame) -> str:
    """How many folds there were under `crossfit`: "5", or "3 or 5"; of rows that do not tell it, "several"."""
    told = rows.folds.dropna() if "folds" in rows else ()  # trials have none
    numbers = sorted({len(json.loads(folds)) for folds in told})
    return " or ".join(map(str, numbers)) or "several"


def _of_point(name: str, wish: Wish) -> str:
    """What a column of POINTS is."""
    what = {
        "recall_at_fpr": f"share of the defective images found where {wish.fpr:.3g} of the good ones are flagged",
        "fpr_at_recall": f"share of the good images flagged where {wish.recall:.3g} of the defective ones are found",
    }
    return f"{what[name]}, by the test part's own scores; 95 % interval in brackets"


def not_ranked(jobs: int) -> str:
    """What is said of so many jobs on older data."""
    return f"not ranked: {count(jobs, 'job')} on older pictures of a category; its newest ones count"


def intervals(lows: pd.Series, highs: pd.Series) -> list[str]:
    """"low-high" of each pair with three decimals; "-" where there is none."""
    return ["-" if pd.isna(low) else f"{low:.3f}-{high:.3f}" for low, high in zip(lows, highs, strict=True)]


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """"0.81 (0.63-0.92)", or "0.81" where the interval is not known; "-" for what is not there."""
    if value is None or pd.isna(value):
        return "-"
    return f"{value:.2f}" if low is None or pd.isna(low) else f"{value:.2f} ({low:.2f}-{high:.2f})"


def short(value) -> str:
    """A cell for reading: numbers with three decimals, or a few digits where those would hide them or go on for long;
    "-" for what is not there."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        if abs(value) >= 1e9:
            return f"{value:.4g}"
        return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2g}"
    return str(value)


def _lead_sentence(line: dict, varying: list[str]) -> str:
    where = line.get("category") or f"mean of {count(line['lead_categories'], 'category', 'categories')}"
    where = ", ".join([where, *(line[name] for name in varying)])
    names, lead, low, high = (line["lead_of"], line["lead_over"]), line["lead"], line["lead_low"], line["lead_high"]
    if lead < 0:  # over the common seeds the second is ahead
        names, lead, low, high = names[::-1], -lead, -high, -low
    among = f" among {count(line['comparisons'], 'comparison')}" if line["comparisons"] > 1 else ""
    return (
        f"{where}: {names[0]} leads {names[1]} by {lead:.3f} (95 % {low:.3f} to {high:.3f}, "
        f"{count(line['lead_jobs'], 'job')} each): {'' if line['lead_p'] < TOLD_APART else 'not '}told apart{among}"
    )
