"""A job's trial rows -> figures of its search: trial by trial, by hyper-parameter, and which of these mattered."""

import warnings
from collections.abc import Mapping

import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import RandomSampler
from optuna.trial import create_trial

from orchestrator.experiment.distributions import holds, parameters, unit
from orchestrator.experiment.studies import new_study
from orchestrator.report.plot_style import DEFECT, FAINT, GOOD, INK, SHADES, axis, figure, text
from orchestrator.report.tables import is_number, numbers
from orchestrator.report.warm_starts import running_best
from orchestrator.results.rows import COMPLETED, FAILED, PRUNED
from search_spaces.catalog import SPACES

FEWEST = 8  # trials, below which no importance is told
KINDS = {  # of trials -> their mark
    "preset": {"color": INK, "symbol": "diamond", "size": 10},
    COMPLETED: {"color": GOOD, "symbol": "circle", "size": 8},
    PRUNED: {"color": FAINT, "symbol": "triangle-down-open", "size": 9},
    FAILED: {"color": DEFECT, "symbol": "x", "size": 9},
}
VAL_AUROC = "validation AUROC"

Space = Mapping[str, BaseDistribution]


def of_job(trials: pd.DataFrame) -> dict:
    """All figures of one job, and in `why` why there is none of importance."""
    trials = trials.sort_values("index", ignore_index=True)
    params = [parameters(value) for value in trials.params]
    space = searched(SPACES.get(trials.model[0], {}), params)
    kinds = trials.status.where((trials.status != COMPLETED) | trials.preset.isna(), "preset")
    found = importances(space, trials, params)
    return {
        "counts": {status: int((trials.status == status).sum()) for status in (COMPLETED, PRUNED, FAILED)},
        "history": history(trials, kinds, [_described(own, space) for own in params]),
        "slices": {name: _slice(name, space[name], trials, kinds, params) for name in space},
        "parallel": parallel(space, trials, params) if len(space) > 1 else None,
        "importance": _bars(found) if isinstance(found, dict) else None,
        "why": "" if isinstance(found, dict) else found,
    }


def searched(space: Space, params: list[dict]) -> dict[str, BaseDistribution]:
    """What was searched of a model's space: parameters that all rows have and that are not the same in all."""
    return {
        name: distribution
        for name, distribution in space.items()
        if all(name in own for own in params) and len({own[name] for own in params}) > 1
    }


def importances(space: Space, trials: pd.DataFrame, params: list[dict]) -> dict[str, dict[str, float]] | str:
    """Evaluator's name -> parameter -> importance, by Optuna on a study of these rows; or why there is none.

    A stopped trial counts with the best value that it reached, as in the search; a failed one does not count.
    Optuna's evaluators are imported where they are needed: they take a fifth of a second.
    """
    study = new_study(RandomSampler, seed=0)
    for status, value, own in zip(trials.status, trials.val_auc, params, strict=True):
        values = {name: own[name] for name in space}
        if status != FAILED and is_number(value) and all(holds(space[name], values[name]) for name in space):
            study.add_trial(create_trial(value=value, params=values, distributions=dict(space)))
    count = len(study.get_trials(deepcopy=False))
    if len(space) < 2:
        return "Fewer than two hyper-parameters were searched, so none is more important than another."
    if count < FEWEST:
        return f"{count} trials with a value are too few to say which hyper-parameter mattered; {FEWEST} are needed."
    if trials.val_auc.nunique() < 2:
        return "All trials reached the same validation AUROC: no hyper-parameter mattered."
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    evaluators = {"fANOVA": FanovaImportanceEvaluator(seed=0), "PED-ANOVA": PedAnovaImportanceEvaluator()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental
        return {name: get_param_importances(study, evaluator=evaluator) for name, evaluator in evaluators.items()}


def history(trials: pd.DataFrame, kinds: pd.Series, described: list[str]) -> dict:
    """Validation AUROC trial by trial, and the best so far; failed trials stand on the floor."""
    values = trials.val_auc.where(trials.status != FAILED)
    floor = (values.min() if values.notna().any() else 0.5) - 0.03
    best = running_best(trials.val_auc.where(trials.status == COMPLETED))
    data = [
        {"type": "scatter", "mode": "lines", "name": "best so far", "x": trials["index"].tolist(),
         "y": numbers(best), "line": {"shape": "hv", "color": FAINT, "width": 1.5}, "hoverinfo": "skip"}
    ]  # fmt: skip
    presets = [f"<br>preset {text(name)}" if isinstance(name, str) else "" for name in trials.preset]
    errors = [f"<br>{text(error, 60)}" if isinstance(error, str) else "" for error in trials.error]
    hover = [f"{a}{b}{c}" for a, b, c in zip(presets, errors, described, strict=True)]
    for kind in KINDS:
        own = kinds == kind
        if own.any():
            data.append(
                {
                    **_points(kind),
                    "x": trials["index"][own].tolist(),
                    "y": numbers(values[own].fillna(floor)),
                    "text": [line for line, is_own in zip(hover, own, strict=True) if is_own],
                    "hovertemplate": "trial %{x}: " + ("failed" if kind == FAILED else "%{y:.3f}") + "%{text}",
                }
            )
    layout = {"xaxis": axis("trial", zeroline=False), "yaxis": axis(VAL_AUROC), "hovermode": "closest"}
    return figure(data, layout, 360, "Validation AUROC trial by trial")


def parallel(space: Space, trials: pd.DataFrame, params: list[dict]) -> dict:
    """Each trial is a line from its value of one hyper-parameter to that of the next, in the shade of its rank."""
    values = trials.val_auc.where(trials.status != FAILED)
    bins = (values.rank(pct=True, method="first") * len(SHADES)).clip(upper=len(SHADES) - 1e-9).fillna(-1).astype(int)
    names = [f"{word} fifth" for word in ("lowest", "second", "middle", "fourth", "highest")]
    data = []
    for i, (name, shade) in enumerate(zip(names, SHADES, strict=True)):
        x, y = [], []
        for j in values.index[(bins == i) & values.notna()]:
            x += [*(_place(space[param], params[j][param]) for param in space), None]
            y += [*range(len(space)), None]
        if x:
            line = {"color": shade, "width": 1 + 0.4 * i}
            data.append({"type": "scatter", "mode": "lines", "name": name, "x": numbers(x), "y": y, "line": line,
                         "hoverinfo": "skip"})  # fmt: skip
    ends = [
        {"x": x, "y": j, "text": text(_shown(_bound(distribution, x))), "showarrow": False, "yshift": 9,
         "xanchor": "left" if x == 0 else "right", "font": {"size": 11}}
        for j, distribution in enumerate(space.values())
        for x in (0, 1)
    ]  # fmt: skip
    layout = {
        "xaxis": {"range": [-0.02, 1.02], "showticklabels": False, "showgrid": False, "zeroline": False},
        "yaxis": {"tickvals": list(range(len(space))), "ticktext": [_title(name, space[name]) for name in space],
                  "range": [len(space) - 0.8, -0.45], "zeroline": False},
        "annotations": ends,
        "hovermode": False,
    }  # fmt: skip
    return figure(data, layout, 110 + 52 * len(space), "Parallel coordinates of the hyper-parameters")


def _slice(name: str, distribution: BaseDistribution, trials: pd.DataFrame, kinds: pd.Series, params: list) -> dict:
    data = []
    for kind in KINDS:
        own = trials.index[(kinds == kind) & (trials.status != FAILED) & trials.val_auc.notna()]
        if len(own):
            values = [params[i][name] for i in own]
            is_text = isinstance(distribution, CategoricalDistribution)
            data.append(
                {
                    **_points(kind),
                    "x": [text(value) for value in values] if is_text else numbers(values),
                    "y": numbers(trials.val_auc[own]),
                    "customdata": trials["index"][own].tolist(),
                    "hovertemplate": "%{x}: %{y:.3f} (trial %{customdata})",
                }
            )
    kind = {"type": "category"} if isinstance(distribution, CategoricalDistribution) else {}
    if getattr(distribution, "log", False):
        kind = {"type": "log", "dtick": 1, "tickformat": "~g"}
    layout = {
        "xaxis": axis(text(name), zeroline=False, **kind),
        "yaxis": {"zeroline": False},
        "showlegend": False,
        "hovermode": "closest",
        "margin": {"t": 8, "b": 42, "l": 44, "r": 8},
    }
    return figure(data, layout, 210, f"Validation AUROC by {name}")


def _bars(found: dict[str, dict[str, float]]) -> dict:
    """Importances, the highest by the first evaluator on top."""
    order = list(next(iter(found.values())))[::-1]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": evaluator,
            "x": numbers([values[name] for name in order], 3),
            "y": [text(name) for name in order],
            "marker": {"color": colour, "pattern": {"shape": pattern, "fillmode": "overlay", "size": 6}},
            "hovertemplate": "%{y}: %{x:.2f}",
        }
        for (evaluator, values), colour, pattern in zip(found.items(), (SHADES[3], SHADES[1]), ("", "/"), strict=True)
    ]
    layout = {
        "xaxis": axis("share of the importance", range=[0, 1]),
        "yaxis": {"type": "category"},
        "legend": {"traceorder": "reversed"},
    }
    return figure(data[::-1], layout, 130 + 40 * len(order), "Importance of the hyper-parameters")


def _place(distribution: BaseDistribution, value) -> float | None:
    """A gap where the value is not of this space."""
    return unit(distribution, value) if holds(distribution, value) else None


def _points(kind: str) -> dict:
    name = {"preset": "starting point", COMPLETED: "chosen by the search", PRUNED: "stopped early"}.get(kind, kind)
    return {"type": "scatter", "mode": "markers", "name": name, "marker": KINDS[kind]}


def _described(params: dict, space: Space) -> str:
    return "".join(f"<br>{text(name)} {text(_shown(params[name]))}" for name in space)


def _title(name: str, distribution: BaseDistribution) -> str:
    return text(name, 16) + (" (log)" if getattr(distribution, "log", False) else "")


def _bound(distribution: BaseDistribution, end: int):
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[-end]
    return distribution.high if end else distribution.low


def _shown(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
