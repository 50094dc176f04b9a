"""Rows and scores -> rankings by kind of defect: how well its images are told from all good ones. Pure.

A kind's ranking is that of leaderboard.jobs on its images alone, and on all good images of the test part: each job's
AUROC, and all that follows, from these.
"""

import pandas as pd

from orchestrator.errors import InputError
from orchestrator.metrics import intervals
from orchestrator.ranking import comparison, leaderboard
from orchestrator.results.rows import COMPLETED

KIND = ["dataset", "category", "defect"]
COLUMNS = [
    "rank", "rank_best", "rank_worst", *KIND, "images", "model", "protocol", "selection_split", "size_px", "settings",
    "differs", "data", "seeds", "test_auc", "test_auc_low", "test_auc_high",
]  # fmt: skip


def by_defect(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """One line for each kind of defect and line of `leaderboard.jobs` that was tested on it: the mean over seeds of the
    AUROC of its images against all good test images, ranked within the kind. `images` are those of the kind in a test
    part, of the seed that has most. Raises InputError where no score of a defective image is known."""
    done = rows[rows.status == COMPLETED]
    known = scores[scores.job_id.isin(done.job_id)]
    kinds = [_of_kind(kind, own, known, done) for kind, own in known[known.label == 1].groupby(KIND)]
    if not kinds:
        raise InputError("--by defect: no score of a defective image is there. 'defectsweep run' leaves them.")
    return pd.concat(kinds, ignore_index=True)[COLUMNS]


def _of_kind(kind: tuple, defective: pd.DataFrame, scores: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The lines of one kind, of which the images `defective` are."""
    jobs = set(defective.job_id)
    judged_on = pd.concat([defective, scores[(scores.label == 0) & scores.job_id.isin(jobs)]])
    judged = comparison.judged(judged_on)
    own = rows[rows.job_id.isin(jobs)]
    figures = {
        job_id: (intervals.auroc(one.labels, one.scores), *intervals.auroc_interval(one.labels, one.scores))
        for job_id, one in judged.items()
    }
    names = ["test_auc", "test_auc_low", "test_auc_high"]
    measured = pd.DataFrame.from_dict(figures, orient="index", columns=names, dtype=float)
    lines = leaderboard.jobs(own.drop(columns=names).join(measured, on="job_id"), judged_on)
    return lines.assign(defect=kind[-1], images=defective.groupby("job_id").path.nunique().max())
