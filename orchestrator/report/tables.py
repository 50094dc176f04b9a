"""What an output holds, as tables, and the names of its parts: the report's other modules see nothing else of it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real

import pandas as pd

from orchestrator.ranking import choices, leaderboard
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED

CONTEST = ["dataset", "category", "protocol", "size_px", "settings"]  # jobs that agree in these may share a plot


@dataclass(frozen=True)
class Tables:
    """Rows of jobs, trials and scores. Those of jobs and trials have one more column: `contest`, the name for people of
    what their CONTEST tells apart in this output."""

    jobs: pd.DataFrame
    trials: pd.DataFrame
    scores: pd.DataFrame
    older_jobs: int = 0  # left out, for they are on older data of their category

    @property
    def done(self) -> pd.DataFrame:
        """The jobs that completed."""
        return self.jobs[self.jobs.status == COMPLETED]

    @property
    def models(self) -> list[str]:
        """Their names, in alphabetical order."""
        return sorted({*self.jobs.model, *self.trials.model})


def read(output: Output) -> Tables:
    """All rows of an output on each category's newest data, but its pictures, which are read as they are needed."""
    jobs, trials, scores = (output.table(kind).to_pandas() for kind in ("leaderboard", "trials", "scores"))
    older = set(jobs.job_id) - set(leaderboard.newest(jobs).job_id)
    jobs, trials, scores = (rows[~rows.job_id.isin(older)] for rows in (jobs, trials, scores))
    names = contests(pd.concat([jobs, trials]))
    return Tables(*(rows.assign(contest=_named(rows, names)) for rows in (jobs, trials)), scores, len(older))


def contests(rows: pd.DataFrame) -> dict[tuple, str]:
    """The values of CONTEST -> the category's name, with as much else as tells it from the others here."""
    known = rows.drop_duplicates(CONTEST).sort_values(CONTEST)
    parts = known[["category"]].astype(str)
    if known.groupby("category").dataset.nunique().max() > 1:
        parts["dataset"] = known.dataset
    if known.protocol.nunique() > 1:
        parts["protocol"] = known.protocol
    if known.size_px.nunique() > 1:
        parts["size"] = known.size_px.astype(str) + " px"
    if known.warm_start.nunique(dropna=False) > 1:
        parts["warm_start"] = known.warm_start.map(lambda text: "warm" if isinstance(text, str) else "cold")
    text = pd.Series(map(" · ".join, parts.itertuples(index=False)), known.index, dtype=str)
    text = text.where(~text.duplicated(keep=False), text + " · " + known.settings.map(choices.words(known)))
    return dict(zip(_keys(known), text, strict=True))


def numbers(values: Iterable[float | None], digits: int = 4) -> list[float | None]:
    """As JSON can hold them, with so many significant digits: None for what is missing or not finite."""
    return [float(f"{value:.{digits}g}") if is_number(value) else None for value in values]


def is_number(value: float | None) -> bool:
    """Whether it is there, and finite."""
    return isinstance(value, Real) and math.isfinite(value)


def _named(rows: pd.DataFrame, names: dict[tuple, str]) -> list[str]:
    return [names[key] for key in _keys(rows)]


def _keys(rows: pd.DataFrame) -> Iterable[tuple]:
    return rows[CONTEST].itertuples(index=False, name=None)
