"""Rows as MLflow keeps them: a run for each job, and below it one for each of its trials. Pure.

A run's figures have the names of the rows' columns (docs/columns.md). What is no finite number is left out.
"""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.hashes import digest
from orchestrator.results.rows import FAILED, JobRow, Provenance, TrialRow

LONGEST_NAME, LONGEST_TEXT = 250, 5000  # letters that every MLflow server takes
NOTE, COMMIT, SOURCE = "mlflow.note.content", "mlflow.source.git.commit", "mlflow.source.name"  # which its page shows
BEST = "best_val_auc"  # of a trial, whose `val_auc` is a curve there

MADE_OF = (
    "dataset category model seed size_px protocol selection_split status error note stopped preset best_trial "
    "pretrained experiment settings config_hash data_hash split_hash device torch_version ray_version git_commit "
    "warm_start"
).split()
COST = "wall_s train_s gpu_s images_per_s peak_memory_bytes".split()
QUALITY = (
    "val_auc test_auc test_auc_low test_auc_high average_precision pixel_auroc au_pro threshold false_alarms_most "
    "accuracy precision recall recall_low recall_high false_alarm_rate false_alarm_rate_low false_alarm_rate_high f1 "
    "f1_of_all test_images trials failed_trials epochs score_ms score_ms_p99 score_images_per_s checkpoint_bytes"
).split()


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    name: str
    value: float
    step: int = 0
    at_ms: int = 0  # since 1970


@dataclass(frozen=True)
class Run:
    """What a server keeps of one row. Two runs of equal digest are of the same row."""

    id: str  # the trial's or the job's
    digest: str
    failed: bool
    started_ms: int | None  # since 1970
    ended_ms: int | None
    params: dict[str, str]
    points: list[Point]
    tags: dict[str, str]


def of_trial(row: TrialRow) -> Run:
    """A trial: its parameters, its validation AUROC epoch by epoch, its last losses, what it cost."""
    run = _of(row, row.trial_id)
    epochs = [Point("val_auc", value, epoch, _ended_ms(run, epoch / row.epochs))
              for epoch, value in enumerate(row.curve, start=1) if _is_number(value)]  # fmt: skip
    losses = {f"loss/{name}": value for name, value in json.loads(row.losses).items()}
    end = {**losses, BEST: row.val_auc, "best_epoch": row.best_epoch, **_columns(row, COST)}
    return dataclasses.replace(run, points=[*epochs, *_points(end, run, row.epochs)])


def of_job(row: JobRow) -> Run:
    """A finished job: its winner's parameters, and every figure of its refit, with what it was made on."""
    run = _of(row, row.job_id)
    chose = f"val_auc chose, on split {row.selection_split}."
    if row.selection_split == "test":
        tested = "All other figures of quality are of the same images, so that they are better than on new ones."
    else:
        tested = "All other figures of quality are of the test part, on which nothing was chosen."
    points = _points(_columns(row, (*QUALITY, *COST)), run, row.epochs)
    return dataclasses.replace(run, points=points, tags={**run.tags, NOTE: row.error or f"{chose} {tested}"})


def _of(row: Provenance, id: str) -> Run:
    """What trials and jobs share."""
    known = {name: value for name, value in dataclasses.asdict(row).items() if value is not None}
    tags = {name: _text(known[name]) for name in MADE_OF if name in known}
    tags |= {SOURCE: "defectsweep"} | ({COMMIT: row.git_commit} if row.git_commit else {})
    params = {_name(name): _text(value) for name, value in json.loads(row.params).items()}
    times = _ms(row.started_at), _ms(row.finished_at)
    return Run(id, digest(known), row.status == FAILED, *times, params, [], tags)


def _points(figures: Mapping[str, Any], run: Run, step: int) -> list[Point]:
    """Those of the end of a run."""
    return [Point(_name(name), float(value), step, _ended_ms(run, 1.0))
            for name, value in figures.items() if _is_number(value)]  # fmt: skip


def _columns(row: Provenance, names: list[str] | tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _name(text: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^\w./ -]", "_", text)[:LONGEST_NAME]


def _text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _ms(time: str | None) -> int | None:
    return None if time is None else round(1000 * datetime.fromisoformat(time).timestamp())


def _ended_ms(run: Run, share: float) -> int:
    """About when a share of a run was over."""
    if run.started_ms is None or run.ended_ms is None:
        return run.ended_ms or 0
    return round(run.started_ms + share * (run.ended_ms - run.started_ms))
