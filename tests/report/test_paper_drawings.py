"""What the figures show: read back from matplotlib's own objects, not from pixels."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from orchestrator.report import model_styles
from orchestrator.report import paper_drawings as drawings
from orchestrator.results.rows import MISTAKE


def line(model: str, auc: float, category: str = "bottle", dataset: str = "mvtec_ad", **columns) -> dict:
    interval = {"test_auc_low": auc - 0.1, "test_auc_high": auc + 0.05}
    return {"dataset": dataset, "category": category, "model": model, "test_auc": auc, **interval, **columns}


def by_category(*lines: dict, published: dict | None = None) -> Figure:
    table = pd.DataFrame(lines)
    return drawings.by_category(table, model_styles.styles(table.model), published or {}, "caption")


def points(figure: Figure, panel: int = 0) -> dict[str, list[list[float]]]:
    """Colour -> the heights of each of its lines."""
    found: dict[str, list[list[float]]] = {}
    for drawn in figure.axes[panel].lines:
        if drawn.get_marker() in {style.marker for style in model_styles.styles([]).values()}:
            found.setdefault(drawn.get_color(), []).append([round(float(y), 6) for y in drawn.get_ydata()])
    return found


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


ANOGAN, MEAN_IMAGE = (model_styles.KNOWN[name].colour for name in ("anogan", "mean_image"))


# -- how a model looks


def test_every_model_has_a_look_of_its_own():
    look = model_styles.styles([*model_styles.KNOWN, "a", "b", "c", "d", "e"])
    assert len(set(look.values())) == len(look)


def test_a_models_look_does_not_depend_on_which_known_models_are_beside_it():
    assert model_styles.styles(["anogan"])["anogan"] == model_styles.styles([*model_styles.KNOWN, "own"])["anogan"]


# -- figure 8


def test_a_line_a_model_at_the_models_means_in_the_order_of_the_axis():
    figure = by_category(
        line("anogan", 0.6, "cable"), line("anogan", 0.7), line("mean_image", 0.5), line("mean_image", 0.9, "cable")
    )
    assert points(figure) == {ANOGAN: [[0.7, 0.6]], MEAN_IMAGE: [[0.5, 0.9]]}
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["bottle", "cable"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["anogan", "mean_image"]


def test_error_bars_are_the_intervals():
    (bars,) = by_category(line("anogan", 0.7)).axes[0].containers
    (segment,) = bars.lines[2][0].get_segments()
    np.testing.assert_allclose(segment[:, 1], [0.6, 0.75])


def test_models_are_told_apart_where_they_score_alike():
    figure = by_category(line("anogan", 0.7), line("mean_image", 0.7))
    x = {
        drawn.get_color(): float(drawn.get_xdata()[0]) for drawn in figure.axes[0].lines if len(drawn.get_xdata()) == 1
    }
    assert abs(x[ANOGAN] - x[MEAN_IMAGE]) > 0.2


def test_a_category_without_a_result_is_a_gap():
    figure = by_category(line("anogan", 0.6), line("anogan", 0.8, "wood"), line("mean_image", 0.5, "cable"))
    (heights,) = points(figure)[ANOGAN]
    assert heights[0] == 0.6 and np.isnan(heights[1]) and heights[2] == 0.8


def test_no_line_leads_from_one_dataset_to_another_and_the_larger_comes_first():
    figure = by_category(
        line("anogan", 0.9, "a", "kolektor_sdd"), line("anogan", 0.6, "bottle"), line("anogan", 0.7, "cable")
    )
    assert points(figure)[ANOGAN] == [[0.9], [0.6, 0.7]]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["bottle", "cable", "a"]


def test_what_was_published_of_these_lines_has_a_panel_on_the_same_axes():
    published = {("mvtec_ad", "bottle", "anogan"): 0.802, ("mvtec_ad", "wood", "anogan"): 0.1}
    figure = by_category(line("anogan", 0.6), line("mean_image", 0.5), published=published)
    assert points(figure, 1)[ANOGAN] == [[0.802]]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert len(by_category(line("mean_image", 0.5), published=published).axes) == 1


def test_names_are_not_math():
    figure = by_category(line("anogan", 0.6, "$x^2$ \\frac"))
    (label,) = figure.axes[0].get_xticklabels()
    assert label.get_text() == "$x^2$ \\frac" and not label.get_parse_math()


def test_names_are_one_line_that_only_shows_and_is_not_too_long():
    name = "a\nb\x1b[31m" + "c" * 99
    figure = by_category(line("_own\n", 0.6, name))
    (label,), (model,) = figure.axes[0].get_xticklabels(), figure.legends[0].texts
    assert label.get_text() == r"a\nb\x1b[31mccccccccccc…" and model.get_text() == r"_own\n"


# -- figure 10


def bars(figure: Figure, panel: int) -> list[float]:
    return [round(patch.get_width(), 6) for patch in figure.axes[panel].patches]


def test_four_measures_by_model_with_the_published_bars_beside():
    lines = pd.DataFrame(
        [
            line("mean_image", 0.5, precision=0.1, recall=0.2, f1=0.3),
            line("anogan", 0.6, precision=0.4, recall=0.5, f1=0.7),
        ]
    )
    published = {"anogan": {"test_auc": 0.59, "precision": 0.55, "recall": 0.50, "f1": 0.52}}
    figure = drawings.by_measure(lines, model_styles.styles(lines.model), published, "caption")
    assert [axes.get_title() for axes in figure.axes] == ["AUROC", "precision", "recall", "F1"]
    assert [bars(figure, i) for i in range(4)] == [
        [0.5, 0.6, 0.59],
        [0.1, 0.4, 0.55],
        [0.2, 0.5, 0.5],
        [0.3, 0.7, 0.52],
    ]
    hatched = [patch.get_hatch() is not None for patch in figure.axes[0].patches]
    assert hatched == [False, False, True]


# -- figure 9


@pytest.fixture
def job(make_job):
    return make_job()


def pictures(figure: Figure) -> int:
    return sum(len(axes.images) for axes in figure.axes)


def test_a_row_an_image_and_three_columns_a_model(job, make_picture):
    good, crack = make_picture(job), make_picture(job, "b", "crack", score=0.9)
    figure = drawings.reconstructions({"one": [good, crack], "two": [good, crack]}, "title", "caption")
    assert len(figure.axes) == 2 * (1 + 3 * 2) and pictures(figure) == 2 * (1 + 2 * 2)
    assert {"one", "two", "title", "caption", "good", "crack"} <= set(texts(figure))


@pytest.mark.parametrize(
    ("defect", "score", "words"),
    [
        ("good", 0.25, ("good", "0.25 < 0.5", "right")),
        ("good", 0.5, ("defect", "0.5 ≥ 0.5", "WRONG")),
        ("crack", 0.75, ("defect", "0.75 ≥ 0.5", "right")),
        ("crack", 1983.2, ("defect", "1980 ≥ 0.5", "right")),
        ("crack", 3.2e-9, ("good", "3.2e-09 < 0.5", "WRONG")),
        ("crack", 0.25, ("good", "0.25 < 0.5", "WRONG")),
        ("crack", 0.49996, ("good", "0.49996 < 0.5", "WRONG")),
    ],
)
def test_a_verdict_is_told_by_words_and_by_colour(job, make_picture, defect, score, words):
    figure = drawings.reconstructions({"one": [make_picture(job, defect=defect, score=score)]}, "title", "caption")
    (verdict,) = [text for axes in figure.axes for text in axes.texts if "\n" in text.get_text()]
    assert tuple(verdict.get_text().splitlines()) == words
    assert verdict.get_color() == (drawings.RIGHT if words[2] == "right" else drawings.WRONG)


def test_examples_come_first_and_a_mistake_that_another_model_did_not_keep_is_said(job, make_picture):
    mistake = make_picture(job, "m", "crack", why=MISTAKE)
    figure = drawings.reconstructions({"one": [mistake, make_picture(job)], "two": [make_picture(job)]}, "t", "c")
    labels = [text for text in texts(figure) if text in ("good", "crack\n(mistake)")]
    assert labels == ["good", "crack\n(mistake)"]
    assert texts(figure).count("not kept") == 1


def test_ground_truth_has_a_column_where_any_is_known(job, make_picture):
    known = make_picture(job, "b", "crack", mask=make_picture(job).image)
    assert "ground truth" not in texts(drawings.reconstructions({"one": [make_picture(job)]}, "t", "c"))
    assert "ground truth" in texts(drawings.reconstructions({"one": [make_picture(job), known]}, "t", "c"))


def test_the_names_in_figure_9_only_show(job, make_picture):
    figure = drawings.reconstructions({"m\x1b": [make_picture(job, defect="de\nf")]}, "t\x1b", "c\x1b\nd")
    assert {r"m\x1b", r"de\nf", r"t\x1b", "c\\x1b\nd"} <= set(texts(figure))


def bitmap() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, format="BMP")
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"no picture", bitmap()])
def test_bytes_that_are_no_png_are_said_to_be_none(job, make_picture, content):
    figure = drawings.reconstructions({"one": [make_picture(job, image=content)]}, "title", "caption")
    assert texts(figure).count("no PNG") == 1 and pictures(figure) == 2
