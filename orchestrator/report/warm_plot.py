"""A warm and a cold search -> both, trial by trial."""

from orchestrator.report.plot_style import DEFECT, GOOD, axis, figure
from orchestrator.report.tables import numbers
from orchestrator.report.warm_starts import Pair


def best_so_far(pair: Pair) -> dict:
    """The best validation AUROC after each trial, warm against cold."""
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": list(range(1, search.trials + 1)),
            "y": numbers(search.best_so_far),
            "line": {"shape": "hv", "color": colour, "dash": dash, "width": 2},
            "marker": {"symbol": symbol, "size": 6, "color": colour},
            "hovertemplate": "after %{x} trials: %{y:.3f}",
        }
        for name, search, colour, dash, symbol in (
            ("warm", pair.warm, DEFECT, "solid", "diamond"),
            ("cold", pair.cold, GOOD, "dash", "circle"),
        )
    ]
    layout = {"xaxis": axis("trials", zeroline=False), "yaxis": axis("best validation AUROC"), "hovermode": "x"}
    return figure(data, layout, 320, "Best validation AUROC by trial, warm against cold")
