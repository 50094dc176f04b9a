"""The verb `figures`: an output's Parquet rows, and nothing else -> the paper's figures 8, 9 and 10 as PNG and SVG.

Jobs that differ in their settings (protocol, size, epochs, ...) are never drawn into one figure. The same rows give the
same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from orchestrator.errors import InputError, choice
from orchestrator.ranking import choices, leaderboard, paper, reading
from orchestrator.report import paper_drawings
from orchestrator.report.model_styles import Style, styles
from orchestrator.results.output import Output, safe_name
from orchestrator.results.rows import COMPLETED, PictureRow
from orchestrator.words import printable

SAME_IMAGES = ["seed", "data_hash", "split_hash"]  # two jobs of a category that agree in these share their test part
DPI = 200
LONGEST_STEM = 200  # characters of a file's name: file systems take 255 with its number and extension
INTERVALS = "Means over seeds; bars are 95 % intervals (DeLong, on the logit scale)."
PUBLISHED = "Published: Sun et al. 2025, who state no image size, split or seed."
PAPERS_DATASETS = {paper.MVTEC_AD, paper.KOLEKTOR_SDD}
PUBLISHED_AUROC = {
    (dataset, category, model): value
    for dataset, table in (
        (paper.MVTEC_AD, paper.TABLE_1),
        (paper.KOLEKTOR_SDD, {paper.KOLEKTOR_SDD: paper.TABLE_2["AUROC"]}),
    )
    for category, values in table.items()
    for model, value in zip(paper.MODELS, values, strict=True)
}
PUBLISHED_MEASURES = {
    model: {paper.FIGURES[name]: values[i] for name, values in paper.TABLE_2.items()}
    for i, model in enumerate(paper.MODELS)
}


@dataclass(frozen=True)
class Wanted:
    """What to draw. Empty: all there is; figure 9 then takes each category's leader and the paper's model."""

    datasets: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def write(output: Output, folder: Path, wanted: Wanted) -> Iterator[str]:
    """Writes the figures into `folder`; yields a line for each file, and for each figure that has no rows.

    Raises InputError where there is no finished job to draw, or the folder cannot be written.
    """
    runs = output.table("leaderboard").to_pandas()
    runs = leaderboard.newest(runs[runs.status == COMPLETED])
    if runs.empty:
        raise InputError(
            f"--output {output.root} holds no finished job. 'defectsweep run --output {output.root}' makes some."
        )
    look = styles(runs.model)
    runs = _filtered(runs, wanted)
    scores = output.table("scores").to_pandas()
    for stem, figure in _named(_figures(output, runs, scores, look, wanted)):
        if isinstance(figure, str):
            yield printable(f"{stem}: {figure}")
        else:
            yield from _save(figure, folder, stem)


def _figures(
    output: Output, runs: pd.DataFrame, scores: pd.DataFrame, look: dict[str, Style], wanted: Wanted
) -> Iterator[tuple[str, Figure | str]]:
    """(name, the figure or why there is none)."""
    words = choices.words(runs)
    for settings, own in runs.groupby("settings"):
        lines = leaderboard.jobs(own, scores)
        first = own.iloc[0]
        suffix = f"_{first.protocol}_{first.size_px}px_{settings}" if runs.settings.nunique() > 1 else ""
        published = PUBLISHED if set(own.model) & set(paper.MODELS) and set(own.dataset) & PAPERS_DATASETS else ""
        differs = f"Settings: {words[settings]}." if words[settings] else ""
        text = _caption(own, differs, _missing(lines), INTERVALS, published)
        yield f"figure_8{suffix}", paper_drawings.by_category(lines, look, PUBLISHED_AUROC, text)
        for (dataset, category), its in own.groupby(["dataset", "category"]):
            ranked = list(lines[(lines.dataset == dataset) & (lines.category == category)].model)
            models = wanted.models or tuple(m for m in ranked if m in (ranked[0], paper.MODELS[-1]))
            yield f"figure_9_{category}{suffix}", _reconstructions(output, its, models)
        kolektor = own[own.dataset == paper.KOLEKTOR_SDD]
        if kolektor.empty:
            yield f"figure_10{suffix}", f"no finished job on {paper.KOLEKTOR_SDD}"
        else:
            text = _caption(kolektor, INTERVALS, PUBLISHED, paper.NOTE_2)
            yield f"figure_10{suffix}", paper_drawings.by_measure(
                lines[lines.dataset == paper.KOLEKTOR_SDD], look, PUBLISHED_MEASURES, text
            )


def _reconstructions(output: Output, runs: pd.DataFrame, models: tuple[str, ...]) -> Figure | str:
    """Figure 9 of one category: of each model that has left pictures, one job; all of them on the same test part."""
    shown: dict[str, list[PictureRow]] = {}
    drawn: list[pd.Series] = []
    for model in models:
        candidates = runs[runs.model == model].sort_values(["seed", "finished_at"], ascending=[True, False])
        for _, run in candidates.iterrows():
            if drawn and not run[SAME_IMAGES].equals(drawn[0][SAME_IMAGES]):
                continue
            if rows := output.pictures(run.dataset, run.category, run.model, of=[run.job_id]):
                shown[f"{model}, AUROC {run.test_auc:.2f}"] = rows
                drawn.append(run)
                break
    if not shown:
        return f"no pictures in the rows of {', '.join(models)}; a run with --fresh leaves them"
    their = pd.DataFrame(drawn)
    split = their.selection_split.iloc[0]
    return paper_drawings.reconstructions(
        shown,
        f"{their.dataset.iloc[0]} / {their.category.iloc[0]}",
        _caption(
            their,
            *[f"{name} has left no pictures of these images." for name in models if name not in set(their.model)],
            "Examples: of each kind the image of the lowest content hash. Mistakes: the worst of each model; none "
            "keeps another's. Residuals: dark to bright over all maps of the test part, each model by itself. "
            f"Verdicts: score against threshold, both the model's own; the threshold was chosen on {split}.",
        ),
    )


def _filtered(runs: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    kept = runs
    for column, names in (("dataset", wanted.datasets), ("category", wanted.categories), ("model", wanted.models)):
        for name in names:
            choice(column, name, sorted(set(runs[column])))
        kept = kept[kept[column].isin(names)] if names else kept
    if kept.empty:
        raise InputError("no finished job is of all that --dataset, --category and --model name. Leave one out.")
    return kept


def _caption(runs: pd.DataFrame, *remarks: str) -> str:
    return "\n".join([*reading.caption(runs).splitlines(), " ".join(filter(None, remarks))])


def _missing(lines: pd.DataFrame) -> str:
    pairs = lines[["dataset", "category"]].drop_duplicates().shape[0] * lines.model.nunique()
    missing = pairs - len(lines)
    return f"{missing} of {pairs} pairs of model and category have no result." if missing else ""


def _named(figures: Iterator[tuple[str, Figure | str]]) -> Iterator[tuple[str, Figure | str]]:
    """With names that are files' everywhere, each once: two categories may be called alike, or differ in signs only, or
    only in what is cut off."""
    taken: set[str] = set()
    for name, figure in figures:
        stem = same = safe_name(name)[:LONGEST_STEM]
        number = 1
        while stem in taken:
            number += 1
            stem = f"{same}_{number}"
        taken.add(stem)
        yield stem, figure


def _save(figure: Figure, folder: Path, stem: str) -> Iterator[str]:
    unstamped = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, metadata in unstamped.items():
            path = folder / f"{stem}.{kind}"
            paper_drawings.save(figure, path, dpi=DPI, metadata=metadata)
            yield printable(f"wrote {path}")
    except OSError as error:
        raise InputError(f"--to {folder} cannot be written ({error.strerror}). Name a folder that can.") from None
