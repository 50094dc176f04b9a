"""The columns of each kind of row, and which of them may be empty."""

from orchestrator.results.rows import MEASURED, JobRow, PictureRow, ScoreRow, TrialRow, arrow_schema

LEADERBOARD = """experiment, job_id, dataset, category, model, seed, protocol, selection_split, trials, failed_trials,
    val_auc, test_auc, test_auc_low, test_auc_high, accuracy, precision, recall, f1, threshold, average_precision,
    pixel_auroc, au_pro, lr, w_adv, w_con, w_lat, params, size_px, epochs, train_images, val_images, test_images,
    wall_s, gpu_s, images_per_s, peak_memory_bytes, device, torch_version, ray_version, git_commit, config_hash,
    data_hash, split_hash, started_at, finished_at, checkpoint, status, error"""
TRIALS = """experiment, job_id, dataset, category, model, seed, protocol, selection_split, params, val_auc,
    last_val_auc, best_epoch, curve, losses, status, error, config_hash, data_hash, split_hash"""


def test_tables_have_the_columns_that_the_design_names():
    assert {name.strip() for name in LEADERBOARD.split(",")} <= set(arrow_schema(JobRow).names)
    assert {name.strip() for name in TRIALS.split(",")} <= set(arrow_schema(TrialRow).names)
    assert arrow_schema(ScoreRow).names[5:] == ["path", "label", "defect", "score", "threshold"]
    assert set(arrow_schema(PictureRow).names) > set(arrow_schema(ScoreRow).names)


def test_a_column_may_be_empty_where_its_row_may_be_none_and_only_there():
    schema = arrow_schema(JobRow)
    assert schema.field("test_auc").nullable and schema.field("error").nullable
    assert not schema.field("job_id").nullable and not schema.field("status").nullable


def test_measured_columns_exist():
    assert set(arrow_schema(JobRow).names) >= MEASURED
