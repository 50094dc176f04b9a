"""What tests of several files share. The machine's cores go to the tests' processes, not to torch's threads."""

import dataclasses
import io
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from datasets.frame import Frame
from datasets.images import Images, load
from datasets.readers.synthetic import write_files
from datasets.split import SELECTION_SPLITS
from orchestrator import CHECKOUT
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, Job, jobs
from orchestrator.experiment.search import best_so_far
from orchestrator.metrics import image, intervals
from orchestrator.results.output import Output
from orchestrator.results.rows import (
    COMPLETED,
    EXAMPLE,
    FAILED,
    MEASURED,
    ROW_TYPES,
    JobRow,
    PictureRow,
    ScoreRow,
    TrialRow,
)
from orchestrator.training import checkpoint, detectors, scoring
from orchestrator.training.measure import Measurement

SLOW_FOLDER = Path(__file__).parent / "whole"
MOST_CPU_S = 20.0  # of a test of the fast tier
STARTED_AT = pytest.StashKey[float]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs the whole product, in tests/whole/, is of the slow tier: `make test-all` runs it, `make test` does not.
    A slow test has more time before it is taken for stuck, for two run at once. Files with slow tests come first, so
    that no process is left alone with one at the end."""
    for item in items:
        if SLOW_FOLDER in item.path.parents:
            item.add_marker("slow")
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))
    long_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long_files)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Fails a test that is too long for the fast tier, by the CPU that it and its fixtures took, not by the clock."""
    report = yield
    used_s = _cpu_s() - item.stash.get(STARTED_AT, _cpu_s())
    if report.when == "call" and report.passed and used_s > MOST_CPU_S and not item.get_closest_marker("slow"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} used {used_s:.0f} s of CPU; a test of `make test` has {MOST_CPU_S:.0f} s: "
            "make it shorter, or mark it slow (pytest.mark.slow, or move it to tests/whole/)"
        )
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[STARTED_AT] = _cpu_s()


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


@pytest.fixture(scope="session", autouse=True)
def few_timings():
    """Every refit times single pictures; here a median of two will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "TIMED", 2)
        yield


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the tree under test."""
    return CHECKOUT


@pytest.fixture
def on_premises(checkout: Path) -> dict:
    """cluster.yaml for one's own machines, by the very command that its head gives."""
    command = re.search(r"^# +(sed .*cluster\.yaml) > onprem\.yaml$", (checkout / "cluster.yaml").read_text(), re.M)
    text = subprocess.run(command[1], shell=True, cwd=checkout, check=True, capture_output=True, text=True).stdout
    return yaml.safe_load(text)


@pytest.fixture(scope="session")
def make_job() -> Callable[..., Job]:
    """One job; keywords are the Experiment's options, its one size a number, `category` a name or a Category,
    `workers` a refit's workers."""

    def make(category: str | Category = "bottle", workers: int = 1, size_px: int = 64, **options) -> Job:
        if isinstance(category, str):
            category = Category("mvtec_ad", category, "/data", images=292, train_images=209, fingerprint="f" * 64)
        options = {"model": ("sa_skip_ganomaly",), "size_px": (size_px,), **options}
        (job,) = jobs(Experiment(**options), [category], workers)
        return job

    return make


@pytest.fixture(scope="session")
def make_trial() -> Callable[..., TrialRow]:
    """The row that trial `index` of a job leaves behind, without the training."""

    def make(
        job: Job, index: int, curve: list[float | None], status: str = COMPLETED, params: dict | None = None, **columns
    ) -> TrialRow:
        best = best_so_far(curve)
        return TrialRow(
            **_identity(job),
            trial_id=job.trial_id(index),
            index=index,
            params=json.dumps(params or {}),
            curve=curve,
            epochs=len(curve),
            val_auc=best,
            best_epoch=None if best is None else curve.index(best) + 1,
            last_val_auc=curve[-1] if curve else None,
            status=status,
            error=f"ValueError: no luck in trial {index}" if status == FAILED else None,
            **columns,
        )

    return make


@pytest.fixture(scope="session")
def make_job_row() -> Callable[..., JobRow]:
    """The row that closes a job."""

    def make(job: Job, test_auc: float | None = 0.9, status: str = COMPLETED, **columns) -> JobRow:
        done = {"trials": job.trials, "failed_trials": 0, "epochs": job.experiment.epochs, "val_auc": test_auc}
        columns = {**done, **columns}
        return JobRow(**_identity(job), test_auc=test_auc, status=status, **columns)

    return make


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., PictureRow]:
    """A test image that a job has left to look at: plain grey, flagged from a score of 0.5 on."""

    def make(job: Job, path: str = "test/good/000.png", defect: str = "good", **columns) -> PictureRow:
        buffer = io.BytesIO()
        Image.new("L", (8, 8), 128).save(buffer, format="PNG")
        grey = buffer.getvalue()
        identity = {name: value for name, value in _identity(job).items() if name in PictureRow.__dataclass_fields__}
        picture = {"path": path, "defect": defect, "label": int(defect != "good"), "score": 0.25, "threshold": 0.5}
        pictures = {"image": grey, "reconstruction": grey, "residual": grey, "residual_min": 0.0, "residual_max": 1.0}
        return PictureRow(**{**identity, **picture, **pictures, "why": EXAMPLE, **columns})

    return make


@pytest.fixture(scope="session")
def make_measured(make_job_row) -> Callable[..., tuple[JobRow, list[ScoreRow]]]:
    """A completed job's row with the scores behind it, from labels and scores of its test images."""

    def make(job: Job, labels, scores, **columns) -> tuple[JobRow, list[ScoreRow]]:
        low, high = intervals.auroc_interval(np.asarray(labels), np.asarray(scores, float))
        figures = {"test_auc_low": low, "test_auc_high": high, "device": "cpu x1"}
        images = {"data_hash": job.category.name, "split_hash": f"split {job.seed}"}
        row = make_job_row(job, image.auroc(labels, scores), **{**figures, **images, **columns})
        whose = {name: getattr(row, name) for name in ("job_id", "dataset", "category", "model", "seed")}
        return row, [
            ScoreRow(**whose, path=f"test/{i:03d}.png", label=int(label), defect="", score=float(score))
            for i, (label, score) in enumerate(zip(labels, scores, strict=True))
        ]

    return make


@pytest.fixture(scope="session")
def ranked_lines() -> Callable[..., pd.DataFrame]:
    """Two models on one category, as the report has them of leaderboard.jobs; keywords are columns."""

    def make(**columns) -> pd.DataFrame:
        contest = {"dataset": "d", "category": "c", "contest": "c", "protocol": "holdout", "size_px": 32}
        figures = {"rank": [1, 2], "test_auc": [0.9, 0.6], "test_auc_low": [0.8, 0.5], "test_auc_high": [0.95, 0.7]}
        lead = {"lead": 0.3, "lead_low": 0.1, "lead_high": 0.4, "lead_p": 0.01}
        lead |= {"lead_of": "ganomaly", "lead_over": "mean_image"}
        return pd.DataFrame({"model": ["ganomaly", "mean_image"], **figures}).assign(
            **{**contest, "categories": 1, **lead, **columns}
        )

    return make


def _identity(job: Job) -> dict:
    return {
        "experiment": job.experiment.hash(),
        "job_id": job.id,
        "dataset": job.category.dataset,
        "category": job.category.name,
        "model": job.model,
        "seed": job.seed,
        "protocol": job.experiment.protocol,
        "selection_split": SELECTION_SPLITS[job.experiment.protocol],
        "size_px": job.size_px,
        "fit": job.experiment.fit,
        "height_px": job.frame.height,
        "width_px": job.frame.width,
        "tile_px": job.tile_px,
        "batch": job.experiment.batch,
        "choices": job.choices,
        "settings": job.settings,
        "config_hash": job.config_hash,
    }


@pytest.fixture(scope="session")
def make_checkpoint(make_job, make_job_row) -> Callable[..., tuple[JobRow, dict[str, bytes]]]:
    """A finished job's row and the files of its detector, without the training; keywords are the row's columns, `job`
    the options of the job."""

    def make(model: str = "mean_image", job: dict | None = None, **columns) -> tuple[JobRow, dict[str, bytes]]:
        torch.manual_seed(0)
        of = make_job(**{"model": (model,), "size_px": 32, **(job or {})})
        row = dataclasses.replace(make_job_row(of), **{"threshold": 0.5, **columns})
        shape = (3, of.frame.height, of.frame.width)
        detector = detectors.build(model, {}, shape, "cpu", of.tile_px)
        normal, defective = np.linspace(0, 0.6, 60), np.linspace(0.4, 1.0, 30)
        return row, checkpoint.files(detector, row, Measurement({}, [], [], 0.0, 1.0, normal, defective))

    return make


@pytest.fixture(scope="session")
def few_images(tmp_path_factory) -> Path:
    """A folder of one category, fabric, of 24 training images: its trials take seconds."""
    root = tmp_path_factory.mktemp("few-images")
    write_files(root, 32)
    for surplus in sorted((root / "fabric" / "train" / "good").iterdir())[24:]:
        surplus.unlink()
    return root


@pytest.fixture(scope="session")
def fabric(few_images) -> Images:
    """The images of that category, loaded at 32 px: 24 to train with, 82 labelled ones."""
    return load("folder", str(few_images), "fabric", Frame(32, 32))


@pytest.fixture(scope="session")
def plain_rows() -> Callable[[str], dict[str, list]]:
    """Reads every row of an output by its kind, without what may differ between two runs. No file may be skipped."""

    def read(root: str) -> dict[str, list]:
        output = Output(root)
        tables = {kind: output.table(kind) for kind in ROW_TYPES}
        assert output.skipped == {}
        plain = {kind: table.drop_columns(sorted(MEASURED & set(table.column_names))) for kind, table in tables.items()}
        return {kind: table.to_pylist() for kind, table in plain.items()}

    return read
