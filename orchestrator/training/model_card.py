"""What a checkpoint's MODEL_CARD.md says: where the detector comes from, what it reached and on what, what its
threshold means, and what it was never shown. A pure function of its job's row."""

import json
from collections.abc import Iterable

from orchestrator.metrics.thresholds import normals_needed
from orchestrator.results.rows import JobRow
from orchestrator.words import count, printable

NAME = "MODEL_CARD.md"
HOW = {  # protocol -> what chose and what reports
    "holdout": "The labelled pictures were divided once. The validation part chose among the trials and set the "
    "threshold; the test part was looked at once, after that.",
    "synthetic": "Anomalies that were forged from good pictures chose among the trials and set the threshold; no real "
    "defect did. All real ones are in the test part, which was looked at once, after that.",
    "crossfit": "Each of {folds} parts of the labelled pictures was judged by what was best on the others, at the "
    "threshold that these set. The detector of this folder is what is best on all, at a threshold that all set.",
    "paper": "The test part chose too, as the literature often does: **the figures below are optimistic**.",
}
STRETCHED, BARS = "stretched to it", "at its own proportions, between bars where these are others"
FIGURES = (  # what it is called -> column
    ("AUROC", "test_auc"),
    ("average precision", "average_precision"),
    ("recall: share of defective pictures that are flagged", "recall"),
    ("false alarms: share of good pictures that are flagged", "false_alarm_rate"),
    ("precision", "precision"),
    ("F1", "f1"),
    ("F1 of flagging every picture", "f1_of_all"),
    ("AUROC of pixels", "pixel_auroc"),
    ("AU-PRO", "au_pro"),
)


def card(row: JobRow) -> str:
    """The file's text, in Markdown."""
    sections = {
        f"{_code(row.model)} for {_code(row.category)} of {_code(row.dataset)}": _use(row),
        "Where it comes from": _origin(row),
        "What it reached": _figures(row),
        "Its threshold": _threshold(row),
        "Speed": _speed(row),
        "Limits": _limits(row),
    }
    (title, use), *rest = sections.items()
    return "\n\n".join([f"# {title}", use, *(f"## {name}\n\n{text}" for name, text in rest)]) + "\n"


def _use(row: JobRow) -> str:
    frame = f"{row.width_px} x {row.height_px} px"
    tiles = f", and seen in tiles of {row.tile_px} px" if row.tile_px else ""
    return f"""A detector of visual anomalies, which learnt from good pictures alone. FOLDER is where this file lies:

```
defectsweep predict PICTURES --checkpoint FOLDER
```

```python
from orchestrator.deploy import load

detector = load(checkpoint="FOLDER")
frame = detector.judge(["part.png"])  # score, threshold, verdict
detector.heat_map("part.png").save("heat-map.png")
```

A picture of any size is brought to {frame}: {STRETCHED if row.fit == "stretch" else BARS}{tiles}."""


def _origin(row: JobRow) -> str:
    facts = {
        "job": _code(row.job_id),
        "experiment": _code(row.experiment),
        "dataset, category": f"{_code(row.dataset)}, {_code(row.category)}",
        "protocol, seed": f"{row.protocol}, {row.seed}",
        "training pictures": f"{_value(row.train_images)}, all good",
        "pictures that chose": f"{_value(row.val_images)} ({row.selection_split}), {_value(row.val_normals)} good",
        "test pictures": _value(row.test_images),
        "search": f"{count(row.trials, 'trial')}, {row.failed_trials} failed; refit of {count(row.epochs, 'epoch')}",
        "hyper-parameters": _code(row.params),
        "stands on": "nothing: trained from scratch" if row.pretrained is None else _code(row.pretrained),
        "data hash": _code(row.data_hash or "-"),
        "split hash": _code(row.split_hash or "-"),
        "settings hash": _code(row.settings),
        "code": f"commit {_code(row.git_commit or '-')}, torch {_value(row.torch_version)}",
        "finished": _value(row.finished_at),
    }
    return _table(("", ""), facts.items())


def _figures(row: JobRow) -> str:
    def interval(column: str) -> str:
        low, high = getattr(row, f"{column}_low", None), getattr(row, f"{column}_high", None)
        return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"

    lines = [(name, _value(getattr(row, column)), interval(column)) for name, column in FIGURES]
    pixels = (
        f"\n\nThe figures of pixels are of {count(row.pixel_images, 'picture')}, against masks of {row.mask_px} px."
        if row.pixel_images
        else ""
    )
    chosen = f" By the same detector, AUROC on {row.selection_split}, which chose it: {_value(row.val_auc)}."
    how = HOW[row.protocol].format(folds=len(json.loads(row.folds)) if row.folds else "several")
    return f"{how}{chosen}\n\n{_table((_where(row), 'value', '95 % interval'), lines)}{pixels}"


def _where(row: JobRow) -> str:
    return "on the labelled pictures" if row.protocol == "crossfit" else "on the test part"


def _threshold(row: JobRow) -> str:
    text = f"A picture of a score of {_value(row.threshold)} or more is defective. It was set "
    if row.false_alarms is None:
        text += "for the best F1."
    else:
        text += f"for {100 * row.false_alarms:.3g} % false alarms."
        text += _promise(row)
    return text + _in_parts(row) + "\n\n`predict --threshold-at` and `load(threshold_at=...)` set another."


def _promise(row: JobRow) -> str:
    """Of the good pictures that set it, where that is known."""
    if None in (row.false_alarms_most, row.val_normals):
        return ""
    needed = normals_needed(row.false_alarms)
    few = f"; to show what was wished for takes {needed}" if row.val_normals < needed else ""
    return (
        f" With 95 % confidence the share is {100 * row.false_alarms_most:.3g} % at most, by the {row.val_normals} "
        f"good pictures that set it{few}."
    )


def _in_parts(row: JobRow) -> str:
    """What it came to on the test part, where that is known, in parts of a line."""
    if None in (row.recall, row.recall_low, row.recall_high):
        return ""
    if None in (row.false_alarm_rate, row.false_alarm_rate_low, row.false_alarm_rate_high):
        return ""
    stopped = (1000 * rate for rate in (row.false_alarm_rate, row.false_alarm_rate_low, row.false_alarm_rate_high))
    passed = (100 * (1 - rate) for rate in (row.recall, row.recall_high, row.recall_low))
    return (
        "\n\nBy the figures above: of 1,000 good parts about {:.0f} (95 %: {:.0f} to {:.0f}) would be stopped, "
        "of 100 defective ones about {:.0f} ({:.0f} to {:.0f}) would pass.".format(*stopped, *passed)
    )


def _speed(row: JobRow) -> str:
    if row.score_ms is None:
        return "One picture by itself was not timed."
    return (
        f"One decoded picture by itself: {row.score_ms:.3g} ms, the median; {_value(row.score_ms_p99)} ms, the 99th "
        f"percentile. On {_value(row.device)}; where that is a CPU, on one thread of it."
    )


def _limits(row: JobRow) -> str:
    limits = [
        f"It was shown {_value(row.train_images)} good pictures of {_code(row.category)}, of the data hash above. "
        "Another product, camera, lens, light, background or position is new to it, and may be called defective.",
        "It was never trained on a real defect. A kind of defect that the test pictures lack was never measured, and "
        f"one that is smaller than it sees at {row.width_px} x {row.height_px} px may pass.",
        f"Its figures are of {_value(row.test_images)} pictures and one seed; the intervals are of the pictures alone, "
        "which say nothing of another seed or another day at the line.",
    ]
    if row.unreadable_images:
        limits.append(f"{count(row.unreadable_images, 'picture')} could not be read, and had no part in it.")
    if row.stopped:
        limits.append(f"It was searched less than was asked for: {printable(row.stopped)}.")
    if row.note:
        limits.append(f"To know: {printable(row.note)}.")
    return "\n".join(f"- {limit}" for limit in limits)


def _table(names: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    rows = [names, ("---",) * len(names), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _value(value: float | int | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def _code(text: str) -> str:
    """Text of anybody's making as code, which Markdown shows sign by sign, in a table too."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', '¦')}`"
