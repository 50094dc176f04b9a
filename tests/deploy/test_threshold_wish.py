"""Another threshold for a trained detector: what may be wished for, and what it is said to mean."""

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.deploy import threshold_wish
from orchestrator.errors import InputError
from orchestrator.training.checkpoint import CHOSE


@pytest.fixture(scope="module")
def found(load):
    """Its 60 good pictures score evenly from 0 to .6, its 30 defective ones from .4 to 1."""
    return load(recall=0.9, false_alarm_rate=0.1)


def granted(found, text: str):
    changed, lines = threshold_wish.granted(threshold_wish.parse(text), found)
    labels, scores = found.scores_that_chose()
    flagged = scores >= changed.config.threshold
    return changed.config, lines, int(flagged[labels == 0].sum()), int((~flagged[labels == 1]).sum())


@pytest.mark.parametrize(
    ("text", "alarms", "missed"),
    [("fpr=0.05", 2, 9), ("recall=0.9", 16, 2), ("cost=1000:1", 20, 0), ("cost=1:1000", 0, 10), ("f1", 0, 10)],
)
def test_the_wish_decides_what_is_stopped_and_what_passes(found, text, alarms, missed):
    *_, found_alarms, found_missed = granted(found, text)
    assert (found_alarms, found_missed) == (alarms, missed)


def test_it_is_said_in_parts_with_intervals_and_on_which_pictures(found):
    _, lines, *_ = granted(found, "fpr=0.05")
    assert "for 5 % false alarms, chosen on val: 60 good pictures and 30 defective ones" in lines[0]
    assert "of 1,000 good parts about 50 (95 %: 4 to 115) would be stopped" in lines[1], "3 of 60 by the others"
    assert "of 100 defective ones about 30 (95 %: 15 to 49) would pass" in lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fpr=0.001", "60 good pictures cannot show 0.1 %, which takes 999: with 95 % confidence it is 4.87 %"),
        ("recall=0.99", "30 defective pictures cannot show 1 %, which takes 99: with 95 % confidence it is 9.5 %"),
    ],
)
def test_too_few_pictures_for_the_wish_are_told(found, text, line):
    assert granted(found, text)[1][-1] == f"{line} at most"


def test_what_was_measured_at_the_detectors_own_threshold_is_not_said_of_another(found):
    config, *_ = granted(found, "f1")
    assert found.config.recall == 0.9 and config.recall is config.false_alarm_rate is config.false_alarms is None


@pytest.mark.parametrize(
    "text",
    ["", "fpr", "fpr=1", "fpr=0", "recall=-1", "f1=2", "cost=3", "cost=1:0", "accuracy=0.9", "fpr=nan", "cost=1:2:3"],
)
def test_what_is_no_wish_is_refused_in_one_line(text):
    with pytest.raises(InputError, match="--threshold-at .*: fpr=X or recall=X with .* is expected"):
        threshold_wish.parse(text)


def test_a_checkpoint_that_kept_no_scores_says_so(found):
    older = replace(found, weights={name: own for name, own in found.weights.items() if name != CHOSE})
    with pytest.raises(InputError, match="older version. Run it again with --fresh"):
        threshold_wish.granted(threshold_wish.parse("f1"), older)
    torn = replace(found, weights=found.weights | {CHOSE: {"normal": 3, "defective": np.zeros(2)}})
    with pytest.raises(InputError, match="does not hold the scores"):
        threshold_wish.granted(threshold_wish.parse("f1"), torn)


def test_one_picture_of_a_kind_chooses_nothing(found):
    few = {"normal": found.weights[CHOSE]["normal"], "defective": found.weights[CHOSE]["defective"][:1]}
    with pytest.raises(InputError, match="chosen on 60 good and 1 defective pictures; two of each are expected"):
        threshold_wish.granted(threshold_wish.parse("f1"), replace(found, weights=found.weights | {CHOSE: few}))
