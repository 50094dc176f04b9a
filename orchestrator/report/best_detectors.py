"""Ranked lines -> the answer: which detector is best in each category, how good it is, and how sure that is. Pure."""

import math
from dataclasses import dataclass

import pandas as pd

from orchestrator.ranking.reading import TOLD_APART

RANKING = ["dataset", "category", "protocol"]  # lines that agree in these were ranked together
CONTROL = "mean_image"
STEP = 0.05  # of the left end of the scale that intervals are drawn on


@dataclass(frozen=True)
class Leader:
    """The first of one ranking."""

    contest: str
    model: str
    test_auc: float
    low: float | None
    high: float | None
    lead: str  # over the second, and whether it is more than chance
    is_told_apart: bool
    control_auc: float | None  # of the trivial control, where it is not the leader itself

    @property
    def warning(self) -> str:
        """What speaks against using this detector; "" where nothing does."""
        if self.model == CONTROL:
            return "no detector beats the mean image"
        if self.control_auc is not None and self.low is not None and self.control_auc >= self.low:
            return "not clearly better than the mean image"
        return ""


def leaders(lines: pd.DataFrame) -> list[Leader]:
    """Of each ranking that has a result. `lines` are those of leaderboard.jobs, with `contest`."""
    found = []
    for _, ranking in lines.groupby(RANKING):
        scored = ranking[ranking.test_auc.notna()].sort_values("rank", kind="stable")
        if scored.empty:
            continue
        first = scored.iloc[0]
        control = scored[scored.model == CONTROL].test_auc.max() if first.model != CONTROL else None
        text, is_told_apart = lead(first, len(scored))
        found.append(
            Leader(
                contest=first.contest,
                model=first.model,
                test_auc=first.test_auc,
                low=_known(first.test_auc_low),
                high=_known(first.test_auc_high),
                lead=text,
                is_told_apart=is_told_apart,
                control_auc=_known(control),
            )
        )
    return found


def lead(first: pd.Series, competitors: int) -> tuple[str, bool]:
    """In words, of a ranking's first line over its second; and whether the two are told apart and it is ahead."""
    if competitors < 2:
        return "no other model", False
    if pd.isna(first.lead):
        return "not comparable with the second: no test images in common", False
    is_told_apart = first.lead_p < TOLD_APART and first.lead > 0
    verdict = "better than" if is_told_apart else "not told apart from"
    interval = f"{first.lead_low:+.3f} to {first.lead_high:+.3f}"
    return f"{verdict} {first.lead_over} ({first.lead:+.3f}; {interval})", is_told_apart


def overall(models: pd.DataFrame) -> list[str]:
    """A sentence for each ranking of leaderboard.by_model: which model has the highest mean."""
    if models.empty:
        return []
    said = []
    for protocol, ranking in models[models.test_auc.notna()].groupby("protocol"):
        ranking = ranking.sort_values("rank", kind="stable")
        first = ranking.iloc[0]
        if len(ranking) < 2:
            continue
        where = "the only category" if first.categories == 1 else f"the {first.categories} categories that it finished"
        low, high = first.test_auc_low, first.test_auc_high
        name = first.model if pd.isna(first.lead_of) else first.lead_of
        interval = "" if pd.isna(low) else f" (95 % {low:.3f} to {high:.3f})"
        said.append(
            f"{name} has the highest mean test AUROC, {first.test_auc:.3f}{interval}, over {where} "
            f"(protocol {protocol}, {first.size_px} px): {lead(first, len(ranking))[0]}."
        )
    return said


def scale(leaders: list[Leader]) -> float:
    """The left end of the scale on which all intervals are drawn; 1 is the right."""
    ends = (leader.test_auc if leader.low is None else leader.low for leader in leaders)
    lowest = min(ends, default=0.5)
    return min(1 - STEP, math.floor(lowest / STEP) * STEP)


def _known(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
