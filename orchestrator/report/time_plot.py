"""A schedule -> its Gantt chart."""

import pandas as pd

from orchestrator.report.plot_style import DEFECT, FAINT, GOOD, INK, axis, figure, text
from orchestrator.report.schedule import REFIT
from orchestrator.results.rows import COMPLETED, FAILED, PRUNED

KINDS = {  # of runs -> name, colour, pattern
    COMPLETED: ("trial", GOOD, ""),
    PRUNED: ("trial, stopped early", FAINT, "."),
    FAILED: ("trial, failed", DEFECT, "x"),
    REFIT: ("refit", INK, "/"),
}


def gantt(runs: pd.DataFrame) -> dict:
    """A bar a run, in its lane. `runs` are those of schedule.runs."""
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
                        f"{text(run.place)} · {text(run.model)} · seed {run.seed} · {this}<br>"
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
