"""A checkpoint's card: every figure is the row's, with its interval and on what it was made; names are only shown."""

import dataclasses
import re

import pytest

from datasets.split import PROTOCOLS
from orchestrator.training.model_card import NAME, card

MEASURED = {
    "train_images": 209, "val_images": 41, "val_normals": 10, "test_images": 42, "data_hash": "d" * 64,
    "split_hash": "e" * 64, "val_auc": 0.9375, "test_auc": 0.875, "test_auc_low": 0.75, "test_auc_high": 0.96875,
    "recall": 0.8, "recall_low": 0.6, "recall_high": 0.9, "false_alarm_rate": 0.012, "false_alarm_rate_low": 0.004,
    "false_alarm_rate_high": 0.031, "threshold": 0.625, "false_alarms": 0.05, "false_alarms_most": 0.26, "f1": 0.7,
    "score_ms": 1.25, "score_ms_p99": 2.5, "device": "cpu x1", "torch_version": "2.14.0", "au_pro": 0.5,
    "pixel_images": 40, "mask_px": 256,
}  # fmt: skip


@pytest.fixture
def row(make_job, make_job_row):
    """A finished job that was measured; keywords are columns, `protocol` is the experiment's."""

    def row(protocol: str = "holdout", **columns):
        return dataclasses.replace(make_job_row(make_job(protocol=protocol)), **{**MEASURED, **columns})

    return row


def test_it_says_what_the_row_says(row):
    own = row()
    text = card(own)
    assert text.startswith("# `sa_skip_ganomaly` for `bottle` of `mvtec_ad`\n")
    for fact in (own.job_id, own.experiment, own.data_hash, own.split_hash, own.settings, own.params):
        assert f"`{fact}`" in text
    assert "| protocol, seed | holdout, 0 |" in text and "| training pictures | 209, all good |" in text
    assert "| pictures that chose | 41 (val), 10 good |" in text and "| test pictures | 42 |" in text
    assert "| AUROC | 0.875 | 0.750 to 0.969 |" in text and "| F1 | 0.7 | - |" in text
    assert "AUROC on val, which chose it: 0.9375" in text
    assert "The figures of pixels are of 40 pictures, against masks of 256 px." in text
    assert "1.25 ms, the median; 2.5 ms, the 99th percentile. On cpu x1" in text
    assert "brought to 64 x 64 px: at its own proportions" in text


def test_the_threshold_is_said_in_parts_of_a_line_and_where_it_promises_too_little(row):
    text = card(row())
    assert "A picture of a score of 0.625 or more is defective. It was set for 5 % false alarms." in text
    assert "26 % at most, by the 10 good pictures that set it; to show what was wished for takes 19." in text
    assert "of 1,000 good parts about 12 (95 %: 4 to 31) would be stopped" in text
    assert "of 100 defective ones about 20 (10 to 40) would pass" in text
    assert "wished for" not in card(row(val_normals=19))
    assert "It was set for the best F1." in card(row(false_alarms=None))


@pytest.mark.parametrize(
    ("protocol", "said"),
    [("holdout", "the test part was looked at once"), ("synthetic", "no real defect did"),
     ("crossfit", "judged by what was best on the others"), ("paper", "the figures below are optimistic")],
)  # fmt: skip
def test_each_protocol_says_what_chose(row, protocol, said):
    assert said in card(row(protocol))


def test_the_folds_are_as_many_as_the_row_tells(row):
    assert "Each of 3 parts of the labelled pictures" in card(row("crossfit", folds="[{}, {}, {}]"))


def test_its_limits_are_those_of_its_data(row):
    limits = card(row(unreadable_images=2, stopped="behind by the race", note="batch halved")).split("## Limits")[1]
    assert "209 good pictures of `bottle`" in limits and "Its figures are of 42 pictures" in limits
    assert "2 pictures could not be read" in limits
    assert "searched less than was asked for: behind by the race" in limits and "batch halved" in limits


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_known_is_left_open(make_job, make_job_row, protocol):
    text = card(make_job_row(make_job(protocol=protocol), test_auc=None))
    assert "None" not in text and "nan" not in text
    assert "| AUROC | - | - |" in text and "was not timed" in text and "would be stopped" not in text


def test_names_of_anybodys_making_are_shown_and_make_no_markup(row):
    text = card(row(category="a`b|<b>c\n# d", note="x\n## y"))
    assert "for `a'b¦<b>c\\n# d` of" in text
    assert len(re.findall("^#", text, re.M)) == len(re.findall("^#", card(row()), re.M))


def test_it_lies_beside_the_weights_and_equal_rows_give_equal_cards(make_checkpoint, row):
    own, files = make_checkpoint("mean_image", val_auc=0.75)
    assert files[NAME].decode() == card(own)
    assert card(row()) == card(row())
