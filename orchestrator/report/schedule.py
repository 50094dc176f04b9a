"""Rows -> a schedule: what ran when, side by side -> its Gantt chart. Pure.

Rows do not say which slot they ran on. Runs are put into as few lanes as hold them without overlap; so there are as
many lanes as slots were ever busy at once.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from orchestrator.report.plot_style import DEFECT, FAINT, GOOD, INK, axis, figure, text
from orchestrator.results.rows import COMPLETED, FAILED, PRUNED

REFIT = "refit"
KINDS = {  # of runs -> name, colour, pattern
    COMPLETED: ("trial", GOOD, ""),
    PRUNED: ("trial, stopped early", FAINT, "."),
    FAILED: ("trial, failed", DEFECT, "x"),
    REFIT: ("refit", INK, "/"),
}


@dataclass(frozen=True)
class Use:
    """How the lanes were used, from the first start to the last end."""

    lanes: int
    span_h: float
    busy_h: float  # summed over all runs
    gpu_h: float
    devices: list[str]

    @property
    def busy_share(self) -> float:
        """In [0, 1], over all lanes."""
        return self.busy_h / (self.lanes * self.span_h) if self.span_h else 1.0


def runs(jobs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Trials and refits in the order of their starts, each with `kind` (its status, or REFIT), `start` and `end`
    (timestamps, UTC) and `lane` (counted from 0). What has no times, or ends before it starts, is left out.

    `wall_s` is not used: it counts the earlier parts of a run that was interrupted, which these times do not.
    """
    both = pd.concat([trials.assign(kind=trials.status), jobs.assign(kind=REFIT)], ignore_index=True)
    timed = both.assign(start=_times(both.started_at), end=_times(both.finished_at))
    known = timed[timed.end >= timed.start].sort_values(["start", "end"], ignore_index=True)
    return known.assign(lane=lanes(list(zip(known.start, known.end, strict=True))))


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")


def lanes(spans: Sequence[tuple]) -> list[int]:
    """The lane of each span (start, end), in the order of their starts: the lowest that is free. One that ends leaves
    its lane to one that starts at that very time."""
    found: list[int] = []
    busy: list[tuple] = []  # heap of (end, lane)
    free: list[int] = []  # heap of lanes
    for start, end in spans:
        while busy and busy[0][0] <= start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (end, lane))
        found.append(lane)
    return found


def use(runs: pd.DataFrame) -> Use:
    """Of at least one run."""
    hour = pd.Timedelta(hours=1)
    return Use(
        lanes=int(runs.lane.max()) + 1,
        span_h=(runs.end.max() - runs.start.min()) / hour,
        busy_h=(runs.end - runs.start).sum() / hour,
        gpu_h=float(runs.gpu_s.sum()) / 3600,
        devices=sorted(set(runs.device.dropna())),
    )


def gantt(runs: pd.DataFrame) -> dict:
    """A bar a run, in its lane."""
    data = []
    for kind, (name, colour, pattern) in KINDS.items():
        own = runs[runs.kind == kind]
        if len(own):
            what = own["index"].map(lambda index: "refit" if pd.isna(index) else f"trial {index:.0f}")
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": name,
                    "base": [_iso(start) for start in own.start],
                    "x": [round(ms) for ms in (own.end - own.start) / pd.Timedelta(milliseconds=1)],
                    "y": (own.lane + 1).tolist(),
                    "width": 0.8,
                    "marker": {
                        "color": colour,
                        "pattern": {"shape": pattern, "fillmode": "overlay", "size": 5},
                        "line": {"width": 0.5, "color": FAINT},
                    },
                    "text": [
                        f"{text(run.contest)} · {text(run.model)} · seed {run.seed} · {this}<br>"
                        f"{(run.end - run.start).total_seconds():.0f} s from {run.start:%H:%M:%S}"
                        for run, this in zip(own.itertuples(), what, strict=True)
                    ],
                    "textposition": "none",
                    "hovertemplate": "%{text}",
                }
            )
    lanes = int(runs.lane.max()) + 1
    layout = {
        "barmode": "overlay",
        "xaxis": axis("time (UTC)", type="date", range=[_iso(runs.start.min()), _iso(runs.end.max())]),
        "yaxis": axis("lane", range=[lanes + 0.5, 0.5], tickformat="d", dtick=max(1, lanes // 20), showgrid=False,
                      zeroline=False),
        "hovermode": "closest",
    }  # fmt: skip
    return figure(data, layout, 150 + 26 * lanes, "What ran when: trials and refits side by side")


def _iso(time: pd.Timestamp) -> str:
    """As plotly reads it: without a zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
