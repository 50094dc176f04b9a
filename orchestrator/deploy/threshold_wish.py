"""Another threshold for a trained detector, as a factory wishes it, and what it means in parts.

The scores of the images that chose the detector's own threshold lie in its checkpoint; they choose this one too, so
what is said of it is of those images: each is judged by the threshold that the others choose.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orchestrator.errors import InputError
from orchestrator.metrics import thresholds
from orchestrator.metrics.expected import Wrong, expected
from orchestrator.metrics.thresholds import Threshold
from orchestrator.training.checkpoint import SHARES, Checkpoint

EXPECTED = "fpr=X or recall=X with a share X above 0 and below 1, f1, or cost=ESCAPE:FALSE_ALARM is expected"
Rule = Callable[[np.ndarray, np.ndarray], Threshold]  # labels and scores -> threshold


@dataclass(frozen=True)
class Wish:
    """What a threshold is to reach."""

    text: str
    choose: Rule
    false_alarms: float | None = None  # the share that is wished for
    missed: float | None = None


def parse(text: str) -> Wish:
    """From the command line. Raises InputError for what is no wish."""
    name, _, value = text.strip().partition("=")
    try:
        if name == "f1" and not value:
            return Wish("the best F1", thresholds.for_best_f1)
        if name == "cost":
            escape, false_alarm = map(_positive, value.split(":"))
            return Wish(
                f"the least cost, {escape:g} for a defect that passes, {false_alarm:g} for a good part that is stopped",
                lambda labels, scores: thresholds.for_cost(labels, scores, escape, false_alarm),
            )
        share = _positive(value)
        if share < 1 and name == "fpr":
            rule = _at(thresholds.for_false_alarms, share)
            return Wish(f"{100 * share:.3g} % false alarms", rule, false_alarms=share)
        if share < 1 and name == "recall":
            return Wish(f"{100 * share:.4g} % recall", _at(thresholds.for_recall, share), missed=1 - share)
    except ValueError:
        pass
    raise InputError(f"--threshold-at {text!r}: {EXPECTED}.")


def granted(wish: Wish, found: Checkpoint) -> tuple[Checkpoint, list[str]]:
    """The detector with that threshold, and lines on what it means. What was measured at its own threshold is left out.
    Raises InputError where the checkpoint holds no scores to choose by."""
    labels, scores = found.scores_that_chose()
    good, bad = int((labels == 0).sum()), int((labels == 1).sum())
    if min(good, bad) < 2:
        raise InputError(
            f"--threshold-at: {found.place} was chosen on {good} good and {bad} defective pictures; two of each are "
            "expected. Leave it out, or run again with more labelled pictures."
        )
    chosen = wish.choose(labels, scores)
    config = dataclasses.replace(found.config, threshold=chosen.value, **dict.fromkeys(SHARES))
    lets_expect = expected(labels, scores, lambda labels, scores: wish.choose(labels, scores).value)
    defective = labels == 1
    where = "all labelled pictures" if config.protocol == "crossfit" else config.selection_split
    lines = [
        f"defective: a score of {chosen.value:.4g} or more, for {wish.text}, chosen on {where}: "
        f"{good} good pictures and {bad} defective ones",
        f"by these, of 1,000 good parts {_about(lets_expect.false_alarms, 1000)} would be stopped, "
        f"of 100 defective ones {_about(lets_expect.escapes, 100)} would pass",
    ]
    few = [
        _too_few(len(own), share, most, what)
        for own, share, most, what in (
            (scores[~defective], wish.false_alarms, chosen.most_false_alarms, "good"),
            (scores[defective], wish.missed, chosen.most_missed, "defective"),
        )
        if share is not None and len(own) < thresholds.normals_needed(share)
    ]
    return dataclasses.replace(found, config=config), lines + few


def _too_few(count: int, share: float, most: float, what: str) -> str:
    needed = thresholds.normals_needed(share)
    return (
        f"{count} {what} pictures cannot show {100 * share:.3g} %, which takes {needed}: with 95 % confidence it is "
        f"{100 * most:.3g} % at most"
    )


def _about(wrong: Wrong, of: int) -> str:
    """So many of a number of parts, with the 95 % interval."""
    return f"about {of * wrong.share:.0f} (95 %: {of * wrong.low:.0f} to {of * wrong.high:.0f})"


def _at(rule: Callable[[np.ndarray, np.ndarray, float], Threshold], share: float) -> Rule:
    return lambda labels, scores: rule(labels, scores, share)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(f"{text} is no number above 0")
    return value
