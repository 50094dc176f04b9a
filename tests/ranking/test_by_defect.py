"""Rankings by kind of defect: each kind's images against all good ones."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestrator.errors import InputError
from orchestrator.metrics import image, intervals
from orchestrator.ranking import reading
from orchestrator.ranking.by_defect import by_defect
from orchestrator.results.rows import FAILED, JobRow, ScoreRow, arrow_schema

A, B = "sa_skip_ganomaly", "mean_image"
GOOD = np.linspace(0, 0.6, 12)
NEAR, FAR = np.linspace(0.1, 0.5, 6), np.linspace(0.7, 0.9, 8)  # hard to tell from the good ones, and easy


@pytest.fixture
def measured(make_job, make_measured):
    """Rows and scores of a job, whose defects are of the kinds that keywords name, by their scores."""

    def make(model: str, seed: int = 0, category: str = "bottle", **kinds) -> tuple[JobRow, list[ScoreRow]]:
        defects = ["good"] * len(GOOD) + [kind for kind, scores in kinds.items() for _ in scores]
        scores = np.concatenate([GOOD, *kinds.values()])
        job = make_job(category, model=(model,), seed=(seed,))
        row, found = make_measured(job, np.array(defects) != "good", scores)
        named = [ScoreRow(**{**vars(s), "defect": kind}) for s, kind in zip(found, defects, strict=True)]
        return row, named

    return make


def tables(*measured) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, scores = [row for row, _ in measured], [score for _, own in measured for score in own]
    return frame(JobRow, rows), frame(ScoreRow, scores)


def frame(kind: type, rows: list) -> pd.DataFrame:
    return pa.Table.from_pylist([vars(row) for row in rows], schema=arrow_schema(kind)).to_pandas()


def auroc(kind: np.ndarray) -> tuple:
    labels, scores = np.repeat([0, 1], [len(GOOD), len(kind)]), np.concatenate([GOOD, kind])
    return (image.auroc(labels, scores), *intervals.auroc_interval(labels, scores))


def test_each_kind_is_measured_against_all_good_images_and_no_other_kind(measured):
    lines = by_defect(*tables(measured(A, logical=NEAR, structural=FAR)))
    assert lines.defect.tolist() == ["logical", "structural"] and lines.images.tolist() == [6, 8]
    figures = lines[["test_auc", "test_auc_low", "test_auc_high"]].to_numpy()
    assert figures == pytest.approx(np.array([auroc(NEAR), auroc(FAR)])) and figures[0, 0] < 0.6 < figures[1, 0] == 1


def test_models_are_ranked_within_a_kind(measured):
    lines = by_defect(*tables(measured(A, logical=NEAR, structural=FAR), measured(B, logical=FAR, structural=NEAR[:8])))
    assert list(zip(lines.defect, lines["rank"], lines.model, strict=True)) == [
        ("logical", 1, B), ("logical", 2, A), ("structural", 1, A), ("structural", 2, B),
    ]  # fmt: skip


def test_a_seed_whose_test_part_has_no_image_of_a_kind_says_nothing_of_it(measured):
    lines = by_defect(*tables(measured(A, logical=NEAR, structural=FAR), measured(A, seed=1, structural=NEAR)))
    assert lines.seeds.tolist() == [1, 2]
    assert lines.test_auc.tolist() == pytest.approx([auroc(NEAR)[0], (auroc(FAR)[0] + auroc(NEAR)[0]) / 2])


def test_kinds_of_one_name_in_two_categories_are_two(measured):
    lines = by_defect(*tables(measured(A, cut=FAR), measured(A, category="cable", cut=NEAR)))
    assert list(zip(lines.category, lines.test_auc, strict=True)) == [("bottle", 1.0), ("cable", auroc(NEAR)[0])]


def test_what_failed_has_no_line_and_without_scores_it_says_so(measured, make_job, make_job_row):
    failed = make_job_row(make_job(model=(B,)), None, status=FAILED)
    assert by_defect(*tables(measured(A, cut=FAR), (failed, []))).model.tolist() == [A]
    with pytest.raises(InputError, match="--by defect: no score of a defective image is there"):
        by_defect(*tables((failed, [])))


def test_a_person_reads_what_it_is_of(measured):
    found = reading.read(*tables(measured(A, logical=NEAR, structural=FAR)), by="defect")
    assert found.names == ("rank", "category", "defect", "images", "model", "test_auc", "95 % interval")
    assert "of each kind of defect, its test images against all good ones" in found.caption
