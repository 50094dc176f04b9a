"""What a sweep leaves behind, as plain nouns: a row for each trial, finished job, score of a test image, and picture. A
failure is a row with its error.
"""

import types
import typing
from dataclasses import dataclass

import pyarrow as pa

COMPLETED, PRUNED, FAILED = "completed", "pruned", "failed"
EXAMPLE, MISTAKE = "example", "mistake"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made a row: shared by trials and jobs."""

    experiment: str
    job_id: str
    dataset: str
    category: str
    model: str
    seed: int
    protocol: str
    selection_split: str | None = None
    params: str = "{}"  # JSON of every hyper-parameter, as resolved
    pretrained: str | None = None  # backbones that it stands on, their weights' sha256 and licence; None: from scratch
    lr: float | None = None
    w_adv: float | None = None
    w_con: float | None = None
    w_lat: float | None = None
    size_px: int
    fit: str | None = None
    height_px: int | None = None  # of the frame that images were brought to
    width_px: int | None = None
    tile_px: int | None = None  # side of the tiles that the detector saw of it; None where it saw it whole
    batch: int
    train_images: int | None = None
    val_images: int | None = None
    val_normals: int | None = None
    steps: int | None = None  # optimisation steps taken
    unreadable_images: int | None = None
    device: str | None = None
    torch_version: str | None = None
    ray_version: str | None = None
    git_commit: str | None = None
    warm_start: str | None = None  # the earlier output whose winners its search began with
    choices: str | None = None  # JSON of what `settings` is the hash of, but for a warm start
    settings: str  # hash of the choices that seeds, categories and models of one run and size share
    config_hash: str
    data_hash: str | None = None
    split_hash: str | None = None
    images_per_s: float | None = None  # training throughput
    peak_memory_bytes: int | None = None
    train_s: float | None = None  # of wall_s, spent in optimisation steps; most of the rest is validation
    wall_s: float | None = None
    gpu_s: float | None = None  # wall_s times the share of a GPU that was held
    started_at: str | None = None  # ISO 8601, UTC
    finished_at: str | None = None
    status: str
    error: str | None = None
    note: str | None = None  # what else to know, such as a batch that was halved for want of memory


@dataclass(frozen=True, kw_only=True)
class TrialRow(Provenance):
    """One sample of a job's hyper-parameters, trained once. A failure is a row with its error."""

    trial_id: str
    index: int
    preset: str | None = None  # name of the starting point; None where the sampler chose
    val_auc: float | None = None  # of the best epoch
    best_epoch: int | None = None  # counted from 1
    last_val_auc: float | None = None
    curve: list[float | None]  # validation AUROC after each epoch; None where a model of phases cannot score yet
    val_scores: list[float | None] | None = None  # of the images that choose, epoch by epoch; under `crossfit` alone
    losses: str = "{}"  # JSON of the last epoch's mean losses
    epochs: int


@dataclass(frozen=True, kw_only=True)
class JobRow(Provenance):
    """One finished job: its best trial, refitted and measured once on the test part."""

    trials: int
    failed_trials: int
    stopped: str | None = None  # why it got fewer trials than asked for
    best_trial: str | None = None
    val_auc: float | None = None
    test_auc: float | None = None
    test_auc_low: float | None = None
    test_auc_high: float | None = None
    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    recall_low: float | None = None
    recall_high: float | None = None
    false_alarm_rate: float | None = None
    false_alarm_rate_low: float | None = None
    false_alarm_rate_high: float | None = None
    f1_of_all: float | None = None  # of flagging every test image
    threshold: float | None = None
    folds: str | None = None  # under `crossfit`, JSON by fold: the trial and the epoch that judged it, and its AUROC
    false_alarms: float | None = None  # their share that the threshold was chosen for; None: for the best F1
    false_alarms_most: float | None = None  # with 95 % confidence, by the validation normals alone
    average_precision: float | None = None
    pixel_auroc: float | None = None
    au_pro: float | None = None
    mask_px: int | None = None  # shorter side of the masks that both were taken at
    pixel_images: int | None = None  # test images that both were taken on: less than all where defects have no mask
    epochs: int  # trained by the refit: up to the best epoch of the best trial
    test_images: int | None = None
    score_images_per_s: float | None = None  # in batches
    score_ms: float | None = None  # of one picture by itself: median, and 99th percentile
    score_ms_p99: float | None = None
    checkpoint: str | None = None
    checkpoint_bytes: int | None = None  # of its files


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One test image of one job."""

    job_id: str
    dataset: str
    category: str
    model: str
    seed: int
    path: str
    label: int
    defect: str
    score: float
    threshold: float | None = None  # of the image's fold under `crossfit`, else the job's; None in rows before both


@dataclass(frozen=True, kw_only=True)
class PictureRow(ScoreRow):
    """A test image to look at, with what its job's detector made of it. Pictures are PNG files of 8 bits a channel."""

    why: str  # EXAMPLE or MISTAKE
    image: bytes
    reconstruction: bytes
    residual: bytes  # grey: the map, from residual_min (0) to residual_max and above (255)
    residual_min: float  # both are the same in all rows of a job
    residual_max: float
    mask: bytes | None = None  # 0 or 255; None where none is known


MEASURED = frozenset(  # columns that differ between two runs of one experiment
    "device torch_version ray_version git_commit images_per_s score_images_per_s score_ms score_ms_p99".split()
    + "peak_memory_bytes train_s wall_s gpu_s started_at finished_at checkpoint_bytes".split()
)
ARROW_TYPES = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bytes: pa.binary(),
    list[float | None]: pa.list_(pa.float64()),
}
ROW_TYPES = {"leaderboard": JobRow, "trials": TrialRow, "scores": ScoreRow, "pictures": PictureRow}


def arrow_schema(row_type: type) -> pa.Schema:
    """The Parquet schema of a row's dataclass; `X | None` becomes a nullable X."""
    fields = []
    for name, hint in typing.get_type_hints(row_type).items():
        nullable = isinstance(hint, types.UnionType)
        plain = next(t for t in typing.get_args(hint) if t is not type(None)) if nullable else hint
        fields.append(pa.field(name, ARROW_TYPES[plain], nullable))
    return pa.schema(fields)
