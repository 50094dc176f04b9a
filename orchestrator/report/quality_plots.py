"""Rows of finished jobs -> figures of how good the detectors are. Pure."""

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from orchestrator.report.plot_style import DEFECT, FAINT, GOOD, INK, axis, figure, legend_rows, text
from orchestrator.report.tables import Tables, is_number, numbers

BINS = 30
LANE_PX, GAP_PX = 13, 16  # of a model in its category, and between categories


def auc(lines: pd.DataFrame, marks: dict[str, dict]) -> dict:
    """Test AUROC with 95 % intervals: a row a contest, in it a mark a model. `lines` are those of leaderboard.jobs,
    with `contest`."""
    contests = list(dict.fromkeys(lines.sort_values(["dataset", "category"]).contest))
    models = [name for name in marks if name in set(lines.model)]
    data = []
    for i, model in enumerate(models):
        own = lines[(lines.model == model) & lines.test_auc.notna()]
        offset = 0.8 * ((i + 0.5) / len(models) - 0.5)
        y = [contests.index(contest) + offset for contest in own.contest]
        data.append(_intervals(own, y, model, marks[model]))
    rows = legend_rows(text(name) for name in models)
    layout = {
        "xaxis": axis("test AUROC", zeroline=False),
        "yaxis": {
            "tickvals": list(range(len(contests))),
            "ticktext": [text(contest, 20) for contest in contests],
            "range": [len(contests) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
        },
        "shapes": _chance_and_borders(len(contests)),
        "hovermode": "closest",
    }
    height = 90 + rows * 20 + len(contests) * (LANE_PX * len(models) + GAP_PX)
    return figure(data, layout, height, "Test AUROC with 95 % intervals by category and model")


def _intervals(own: pd.DataFrame, y: list[float], model: str, mark: dict) -> dict:
    """One model's marks with their intervals."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": text(model),
        "x": numbers(own.test_auc),
        "y": numbers(y),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": numbers(own.test_auc_high - own.test_auc),
            "arrayminus": numbers(own.test_auc - own.test_auc_low),
            "thickness": 1.2,
            "width": 3,
        },
        "marker": {"color": mark["color"], "symbol": mark["symbol"], "size": 8},
        "text": [text(contest) for contest in own.contest],
        "hovertemplate": "%{text}<br>%{x:.3f}",
    }


def against_ms(lines: pd.DataFrame, marks: dict[str, dict]) -> dict[str, dict]:
    """By contest: test AUROC against the milliseconds of one picture, a mark a model; those that none beats in both are
    joined. Of contests with two such lines at least."""
    found = {}
    for contest, own in lines[lines.test_auc.notna() & lines.score_ms.notna()].groupby("contest"):
        if len(own) > 1:
            front = _front(own)
            data = [
                {"type": "scatter", "mode": "lines", "name": "none is better and quicker", "hoverinfo": "skip",
                 "x": numbers(front.score_ms), "y": numbers(front.test_auc), "line": {"color": FAINT, "shape": "hv"}},
                *({"type": "scatter", "mode": "markers", "name": text(line.model), "x": numbers([line.score_ms]),
                   "y": numbers([line.test_auc]), "hovertemplate": "%{x:.3g} ms, %{y:.3f}",
                   "marker": {"color": marks[line.model]["color"], "symbol": marks[line.model]["symbol"], "size": 10}}
                  for line in own.sort_values("model").itertuples()),
            ]  # fmt: skip
            layout = {"xaxis": axis("milliseconds a picture", type="log"), "yaxis": axis("test AUROC"),
                      "hovermode": "closest"}  # fmt: skip
            height = 380 + 20 * legend_rows(text(name) for name in own.model)
            found[contest] = figure(data, layout, height, "Test AUROC against milliseconds a picture")
    return found


def _front(lines: pd.DataFrame) -> pd.DataFrame:
    """Of lines with `score_ms` and `test_auc`, those that no quicker one is as good as, the quickest first."""
    ordered = lines.sort_values(["score_ms", "test_auc"], ascending=[True, False])
    return ordered[ordered.test_auc > ordered.test_auc.cummax().shift(fill_value=-1.0)]


def _chance_and_borders(rows: int) -> list[dict]:
    """The line of chance, and one between each two rows."""
    return [
        {"type": "line", "x0": 0.5, "x1": 0.5, "yref": "paper", "y0": 0, "y1": 1,
         "line": {"color": FAINT, "dash": "dot", "width": 1}},
        *({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": i + 0.5, "y1": i + 0.5,
           "line": {"color": FAINT, "width": 0.4}} for i in range(rows - 1)),
    ]  # fmt: skip


def by_contest(found: Tables, marks: dict[str, dict]) -> dict[str, dict]:
    """Place -> its ROC and precision-recall curves, and for each model its histogram."""
    judged = {job_id: own for job_id, own in found.scores.groupby("job_id")}
    shown = {}
    for contest, jobs in found.done.groupby("contest"):
        runs = [job for job in jobs.sort_values(["model", "seed"]).itertuples() if _is_whole(judged.get(job.job_id))]
        if runs:
            firsts = {job.model: job for job in reversed(runs)}
            shown[contest] = {
                "seeds": sorted({job.seed for job in runs}),
                "roc": _curves(runs, judged, marks, is_roc=True),
                "precision_recall": _curves(runs, judged, marks, is_roc=False),
                "histograms": {
                    f"{name}, seed {firsts[name].seed}": histogram(judged[firsts[name].job_id], firsts[name].threshold)
                    for name in marks
                    if name in firsts
                },
            }
    return shown


def histogram(scores: pd.DataFrame, threshold: float | None) -> dict:
    """How many good and defective test images have which score, and where the threshold stands."""
    values = scores.score.to_numpy(float)
    edges = np.histogram_bin_edges([*values, threshold] if is_number(threshold) else values, BINS)
    if not edges[0] < edges[-1]:
        edges = np.linspace(edges[0] - 0.5, edges[0] + 0.5, BINS + 1)
    data = []
    for name, label, colour, pattern in (("good", 0, GOOD, ""), ("defective", 1, DEFECT, "/")):
        own = values[scores.label.to_numpy() == label]
        data.append(
            {
                "type": "bar",
                "name": f"{name} ({len(own)})",
                "x": numbers((edges[:-1] + edges[1:]) / 2, 5),
                "width": float(f"{edges[1] - edges[0]:.5g}"),
                "y": np.histogram(own, edges)[0].tolist(),
                "marker": {"color": colour, "pattern": {"shape": pattern, "fillmode": "overlay", "size": 6}},
                "opacity": 0.65,
                "hovertemplate": "score %{x}: %{y}",
            }
        )
    layout = {
        "barmode": "overlay",
        "bargap": 0,
        "xaxis": axis("score (higher: more anomalous)"),
        "yaxis": axis("test images"),
    }
    if is_number(threshold):
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"threshold {threshold:.4g}",
                "x": [threshold, threshold],
                "y": [0, max(max(trace["y"]) for trace in data)],
                "line": {"color": INK, "width": 2, "dash": "dash"},
                "hoverinfo": "skip",
            }
        )
    return figure(data, layout, 320, "Histogram of the scores of good and defective test images")


def _is_whole(scores: pd.DataFrame | None) -> bool:
    """Whether there are curves of these scores."""
    return scores is not None and scores.label.nunique() == 2 and np.isfinite(scores.score).all()


def _curves(runs: list, judged: dict[str, pd.DataFrame], marks: dict[str, dict], is_roc: bool) -> dict:
    """A line a run; the runs of one model are one entry of the legend, with their mean figure."""
    data = []
    measure = "test_auc" if is_roc else "average_precision"
    for model in [name for name in marks if any(job.model == name for job in runs)]:
        own = [job for job in runs if job.model == model]
        figures = [value for job in own if is_number(value := getattr(job, measure))]
        entry = text(model) + (f" {sum(figures) / len(figures):.3f}" if figures else "")
        line = {
            "color": marks[model]["color"],
            "dash": marks[model]["dash"],
            "width": 2 if len(own) == 1 else 1.2,
            "shape": "linear" if is_roc else "vh",
        }
        data += [_curve(job, judged[job.job_id], entry, job is own[0], line, is_roc) for job in own]
    names = ("false alarms of good images", "defects found") if is_roc else ("defects found (recall)", "precision")
    layout = {
        "xaxis": axis(names[0], range=[-0.02, 1.02], zeroline=False),
        "yaxis": axis(names[1], range=[-0.02, 1.04], zeroline=False),
        "hovermode": "closest",
    }
    if is_roc:
        layout["shapes"] = [
            {"type": "line", "x0": 0, "x1": 1, "y0": 0, "y1": 1, "line": {"color": FAINT, "dash": "dot", "width": 1}}
        ]
    rows = legend_rows(trace["name"] for trace in data if trace["showlegend"])
    return figure(data, layout, 380 + 20 * rows, "ROC curves" if is_roc else "Precision-recall curves")


def _curve(job, scores: pd.DataFrame, entry: str, is_listed: bool, line: dict, is_roc: bool) -> dict:
    x, y = (roc_curve if is_roc else _recall_precision)(scores.label, scores.score, drop_intermediate=True)[:2]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": entry,
        "legendgroup": entry,
        "showlegend": is_listed,
        "x": numbers(x),
        "y": numbers(y),
        "line": line,
        "hovertemplate": f"{text(job.model)}, seed {job.seed}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
    }


def _recall_precision(labels, scores, **options) -> tuple[np.ndarray, np.ndarray]:
    precision, recall, _ = precision_recall_curve(labels, scores, **options)
    return recall, precision
