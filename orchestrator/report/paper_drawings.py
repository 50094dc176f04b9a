"""Rows -> matplotlib figures. Pure: no files, and none of pyplot's global state.

Names are drawn as they are written, never as math. A model's colour and marker are the same in every figure; no figure
speaks by colour alone.
"""

import io
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from PIL import Image

from orchestrator.report.model_styles import Style
from orchestrator.results.rows import EXAMPLE, PictureRow
from orchestrator.words import printable

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "defectsweep",  # the same ids, so the same bytes, each time
}
WIDTH_IN = 7.0
CAPTION_PT = 6.5
LONGEST_LABEL = 24
MEASURES = {"test_auc": "AUROC", "precision": "precision", "recall": "recall", "f1": "F1"}
RIGHT, WRONG, FAINT = "#117733", "#b3001b", "#777777"


@matplotlib.rc_context(RC)
def by_category(
    lines: pd.DataFrame, look: Mapping[str, Style], published: Mapping[tuple[str, str, str], float], caption: str
) -> Figure:
    """Figure 8: test AUROC by category, a line a model, with 95 % intervals; below it on the same axes what was
    `published`, by (dataset, category, model), if any of it is of these lines."""
    lines = lines.set_index(["dataset", "category", "model"])
    places = _places(lines.index)
    models = [name for name in look if name in lines.index.unique("model")]
    theirs = pd.Series(published, dtype=float).reindex(lines.index).to_frame("test_auc")
    panels = [("ours" if theirs.test_auc.any() else None, lines), ("published", theirs)]
    panels = panels[: 1 + theirs.test_auc.any()]
    figure = Figure(figsize=(WIDTH_IN, 4.6 if len(panels) == 1 else 6.6), layout="constrained")
    for axes, (title, values) in zip(_stacked(figure, len(panels)), panels, strict=True):
        for i, model in enumerate(models):
            for dataset, group in places.groupby("dataset"):
                own = values.reindex([(dataset, category, model) for category in group.category])
                _line(axes, group.x + 0.7 * ((i + 0.5) / len(models) - 0.5), own, look[model])
        axes.axhline(0.5, color=FAINT, linewidth=0.7, zorder=0)
        axes.annotate("chance", (1, 0.5), xycoords=("axes fraction", "data"), xytext=(2, 0),
                      textcoords="offset points", va="center", fontsize=CAPTION_PT, color=FAINT)  # fmt: skip
        axes.set_title(title, loc="left", fontweight="bold")
        axes.set_ylabel("test AUROC")
        axes.grid(axis="y")
    names = [_short(name) for name in places.category]
    is_crowded = len(names) > 6 or max(map(len, names)) > 12
    slanted = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(places.x, names, **slanted if is_crowded else {})
    axes.set_xlim(places.x.min() - 0.6, places.x.max() + 0.6)
    axes.set_ylim(top=1.03)
    handles = [Line2D([], [], **_stroke(look[model]), label=_short(model)) for model in models]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5), frameon=False)
    _caption(figure, caption)
    return figure


def _stacked(figure: Figure, count: int) -> Sequence[Axes]:
    return figure.subplots(count, sharex=True, sharey=True, squeeze=False, height_ratios=[1.5, 1][:count])[:, 0]


def _line(axes: Axes, x: pd.Series, values: pd.DataFrame, style: Style) -> None:
    """One model on one dataset; a category without a result is a gap."""
    auc = values.test_auc.to_numpy(float)
    if "test_auc_low" in values:
        error = [auc - values.test_auc_low.to_numpy(float), values.test_auc_high.to_numpy(float) - auc]
        axes.errorbar(x, auc, yerr=error, fmt="none", ecolor=style.colour, elinewidth=0.7, capsize=1.2, alpha=0.6)
    axes.plot(x, auc, **_stroke(style))


def _stroke(style: Style) -> dict:
    return {"color": style.colour, "marker": style.marker, "markersize": 4, "linewidth": 0.8}


def _places(index: pd.MultiIndex) -> pd.DataFrame:
    """Each category and its place `x`: dataset after dataset, that of most categories first, with a gap between."""
    found = index.to_frame(index=False)[["dataset", "category"]].drop_duplicates()
    found["size"] = -found.groupby("dataset").category.transform("size")
    found = found.sort_values(["size", "dataset", "category"], ignore_index=True)
    return found.assign(x=found.index + found.dataset.ne(found.dataset.shift()).cumsum() - 1.0)


@matplotlib.rc_context(RC)
def by_measure(
    lines: pd.DataFrame, look: Mapping[str, Style], published: Mapping[str, Mapping[str, float]], caption: str
) -> Figure:
    """Figure 10: AUROC, precision, recall and F1 by model; `published` is by model and by column of `lines`."""
    lines = lines.sort_values("test_auc", kind="stable").set_index("model")
    figure = Figure(figsize=(WIDTH_IN, 1.9 + 0.56 * len(lines)), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True).flat
    for axes, (column, title) in zip(panels, MEASURES.items(), strict=True):
        for y, (model, line) in enumerate(lines.iterrows()):
            colour, its = look[model].colour, published.get(model, {})
            height, up = (0.38, 0.2) if its else (0.6, 0)
            axes.barh(y + up, line[column], height, color=colour)
            end = line[column]
            if column == "test_auc" and pd.notna(line.test_auc_low):
                error = [[end - line.test_auc_low], [line.test_auc_high - end]]
                axes.errorbar(end, y + up, xerr=error, color="black", linewidth=0.8, capsize=2)
                end = line.test_auc_high
            _value(axes, end, y + up, line[column])
            if its:
                axes.barh(y - 0.2, its[column], 0.38, color="white", edgecolor=colour, hatch="//////", linewidth=0.7)
                _value(axes, its[column], y - 0.2, its[column])
        axes.set_title(title)
        axes.grid(axis="x")
    axes.set_yticks(range(len(lines)), map(_short, lines.index))
    axes.set_xlim(0, 1.12)
    axes.set_xticks(np.linspace(0, 1, 6))
    handles = [Patch(color=FAINT, label="ours")]
    if any(published.get(model) for model in lines.index):
        handles.append(Patch(facecolor="white", edgecolor=FAINT, hatch="//////", label="published"))
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False)
    _caption(figure, caption)
    return figure


@matplotlib.rc_context(RC)
def reconstructions(pictures: Mapping[str, Sequence[PictureRow]], title: str, caption: str) -> Figure:
    """Figure 9: a row an image, examples first; columns input, ground truth (where it is known), then for each model
    its reconstruction, residual and verdict. `pictures` are by what heads a model's columns, of one category."""
    by_path = {own: {row.path: row for row in rows} for own, rows in pictures.items()}
    every = {path: row for rows in by_path.values() for path, row in rows.items()}
    images = sorted(every.values(), key=lambda row: row.why != EXAMPLE)
    kinds = [textwrap.fill(printable(row.defect), 20) + ("" if row.why == EXAMPLE else "\n(mistake)") for row in images]
    common = ["input", "ground truth"] if any(row.mask for row in images) else ["input"]
    columns = [*common, *["reconstruction", "residual", "verdict"] * len(pictures)]
    figure, grid = _grid(kinds, columns, title, caption)
    for i, (head, own) in enumerate(by_path.items()):
        cells = grid[:, len(common) + 3 * i :][:, :3]
        cells[0][0].text(0, 1.28, printable(head), transform=cells[0][0].transAxes, fontweight="bold", va="bottom")
        for line, row in zip(cells, images, strict=True):
            _judge(line, own.get(row.path))
    for line, row in zip(grid, images, strict=True):
        for axes, png in zip(line, [row.image, row.mask][: len(common)], strict=False):
            _show(axes, png)
    return figure


def _grid(lines: Sequence[str], columns: Sequence[str], title: str, caption: str) -> tuple[Figure, np.ndarray]:
    """Square cells (lines, columns) without axes, between their names, the title and the caption."""
    longest = max(len(part) for name in lines for part in name.splitlines())
    cell_in, left_in, right_in, top_in = 0.82, 0.25 + 0.062 * longest, 0.1, 0.65
    width_in = left_in + len(columns) * cell_in + right_in
    text = _wrapped(caption, width_in)
    bottom_in = 0.2 + 0.13 * len(text.splitlines())
    height_in = top_in + len(lines) * cell_in + bottom_in
    sides = {"left": left_in / width_in, "right": 1 - right_in / width_in, "bottom": bottom_in / height_in}
    figure = Figure(figsize=(width_in, height_in))
    spacing = {**sides, "top": 1 - top_in / height_in, "wspace": 0.06, "hspace": 0.06}
    grid = figure.subplots(len(lines), len(columns), squeeze=False, gridspec_kw=spacing)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, name in zip(grid[0], columns, strict=True):
        axes.set_title(name, fontsize=7, pad=3)
    for axes, name in zip(grid[:, 0], lines, strict=True):
        axes.text(-0.08, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=7)
    figure.text(0.1 / width_in, 1 - 0.12 / height_in, printable(title), fontweight="bold", va="top")
    figure.text(0.1 / width_in, 0.1 / height_in, text, fontsize=CAPTION_PT, va="bottom")
    return figure, grid


@matplotlib.rc_context(RC)
def save(figure: Figure, path: Path, **options) -> None:
    """Figure.savefig, under the settings that the figure was drawn with. Letters that the font lacks are boxes in PNG
    only: SVG leaves them to the reader's fonts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path, **options)


def _judge(cells: Sequence[Axes], row: PictureRow | None) -> None:
    """A model's three cells of one image: reconstruction, residual, verdict."""
    if row is None:
        cells[2].text(0.5, 0.5, "not kept", ha="center", va="center", color=FAINT, fontsize=CAPTION_PT)
        return
    _show(cells[0], row.reconstruction)
    _show(cells[1], row.residual, colours="inferno")
    is_flagged = row.score >= row.threshold
    is_right = is_flagged == bool(row.label)
    words = (
        "defect" if is_flagged else "good",
        _comparison(row.score, "≥" if is_flagged else "<", row.threshold),
        "right" if is_right else "WRONG",
    )
    cells[2].text(0.5, 0.5, "\n".join(words), ha="center", va="center", fontsize=CAPTION_PT, linespacing=1.4,
                  color=RIGHT if is_right else WRONG)  # fmt: skip


def _comparison(left: float, sign: str, right: float) -> str:
    """With three digits, or as many as tell the two apart."""
    pairs = [(_digits(left, count), _digits(right, count)) for count in range(3, 18)]
    return f" {sign} ".join(next((pair for pair in pairs if len(set(pair)) == 2), pairs[0]))


def _digits(value: float, count: int) -> str:
    """With so many significant digits, and an exponent only where that is shorter."""
    plain = np.format_float_positional(value, count, unique=False, fractional=False, trim="-")
    return min(plain, f"{value:.{count}g}", key=len)


def _show(axes: Axes, png: bytes | None, colours: str = "gray") -> None:
    if png is None:
        return
    try:
        pixels = np.asarray(Image.open(io.BytesIO(png), formats=["PNG"]))
    except Exception:  # on malformed bytes PIL raises SyntaxError, ValueError, DecompressionBombError, ...
        axes.text(0.5, 0.5, "no PNG", ha="center", va="center", color=FAINT, fontsize=CAPTION_PT)
    else:
        axes.imshow(pixels, cmap=colours, vmin=0, vmax=255, interpolation="nearest")


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…"


def _value(axes: Axes, x: float, y: float, value: float) -> None:
    axes.annotate(f"{value:.2f}", (x, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=CAPTION_PT)


def _caption(figure: Figure, text: str) -> None:
    figure.supxlabel(_wrapped(text, figure.get_figwidth()), x=0.01, ha="left", fontsize=CAPTION_PT)


def _wrapped(text: str, width_in: float) -> str:
    characters = int(width_in * 72 / (CAPTION_PT * 0.56))
    return "\n".join(textwrap.fill(printable(line), characters) for line in text.split("\n"))
