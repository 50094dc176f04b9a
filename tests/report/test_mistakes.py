"""Picture rows -> what was got wrong, the worst first, as small pictures."""

import numpy as np
import pandas as pd
import pytest

from orchestrator.report import mistakes, tables
from orchestrator.results.output import Output
from orchestrator.results.rows import MISTAKE


@pytest.fixture
def album(tmp_path, make_job, make_measured, make_picture):
    """Of a job whose threshold is 0.5: two misses, one false alarm, one that is right."""
    output = Output(str(tmp_path / "out"))
    job = make_job()
    row, scores = make_measured(job, np.array([0, 0, 1, 1, 1]), np.array([0.2, 0.6, 0.4, 0.1, 0.9]))
    names = [("test/good/0.png", 0.2), ("test/good/1.png", 0.6), ("test/crack/2.png", 0.4), ("test/crack/3.png", 0.1)]
    pictures = [make_picture(job, path, path.split("/")[1], score=score, why=MISTAKE) for path, score in names]
    output.write_job(row)
    output.write_scores(row, scores)
    output.write_pictures(row, pictures)
    rows = tables.read(output)
    (contest,) = rows.jobs.contest
    ranked = pd.DataFrame({"contest": [contest], "model": job.model, "test_auc": 0.7})
    (own,) = mistakes.by_contest(output, rows, ranked)[contest]
    return own


def test_the_worst_mistake_comes_first(album):
    assert album.wrong[0].path == "test/crack/3.png" and album.wrong[0].verdict == "missed defect"
    assert sorted(shown.verdict for shown in album.wrong[1:]) == ["false alarm", "missed defect"]
    assert [shown.verdict for shown in album.right] == ["passed"]


def test_mistakes_are_counted_over_all_test_images(album):
    assert (album.missed, album.defective, album.alarms, album.good) == (2, 3, 1, 2)


def test_a_leader_that_is_the_papers_model_is_shown_once(album):
    assert (album.model, album.role) == ("sa_skip_ganomaly", "leads here; the paper's model")


def test_a_picture_is_small_and_a_heat_map_is_coloured(make_job, make_picture):
    png = make_picture(make_job()).residual
    assert mistakes.data_uri(png).startswith("data:image/webp;base64,")
    assert mistakes.data_uri(png) != mistakes.data_uri(png, is_heat=True)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", None])
def test_what_is_no_png_is_no_picture(content):
    assert mistakes.data_uri(content) is None
