"""A trained detector in lines: which it is, what it reached and on what, what its threshold means."""

from orchestrator.deploy import TrainedDetector
from orchestrator.metrics import thresholds
from orchestrator.ranking import reading
from orchestrator.training.checkpoint import Config
from orchestrator.words import count


def description(detector: TrainedDetector) -> list[str]:
    """Lines on a detector, and what its threshold means."""
    config, meaning = detector.checkpoint.config, detector.meaning
    auc, test_auc = ("unknown" if value is None else f"{value:.3f}" for value in (config.val_auc, config.test_auc))
    if config.protocol == "crossfit":
        reached = f"AUROC {test_auc} by choosing on all folds of the labelled pictures but one, and looking at that one"
        chosen_on = "all labelled pictures"
    else:
        reached = f"AUROC {auc} on {config.selection_split}, on which it was chosen; {test_auc} on the test part"
        chosen_on = config.selection_split
    return [
        f"{config.category} ({config.dataset}) by {config.model}, seed {config.seed}, {_shape(config)}",
        reached,
        *(meaning or [f"defective: a score of {config.threshold:.4g} or more, chosen on {chosen_on} {_wish(config)}"]),
        *([] if meaning else _on_test(config)),
        f"from {detector.checkpoint.place}",
    ]


def _shape(config: Config) -> str:
    channels, height, width = config.image_shape
    shape = f"{height} px" if height == width else f"{height} x {width} px"
    return f"{shape} in tiles of {config.tile_px} px" if config.tile_px else shape


def _wish(config: Config) -> str:
    """What the threshold was chosen for, and how much of that is known."""
    if not config.false_alarms or None in (config.false_alarms_most, config.val_normals):
        return "for the best F1"
    wished, most = (f"{100 * share:.3g} %" for share in (config.false_alarms, config.false_alarms_most))
    text = f"for {wished} false alarms: its {count(config.val_normals, 'good picture')} can promise {most} at most"
    needed = thresholds.normals_needed(config.false_alarms)
    few = f"; to show {wished} takes {needed}" if config.val_normals < needed else ""
    return f"{text} (95 % confidence){few}"


def _on_test(config: Config) -> list[str]:
    """What the threshold came to on the test part; nothing where the checkpoint does not say."""
    if config.recall is None or config.false_alarm_rate is None:
        return []
    alarms, recall = (
        reading.with_interval(*(getattr(config, name + end) for end in ("", "_low", "_high")))
        for name in ("false_alarm_rate", "recall")
    )
    where = "so looked at" if config.protocol == "crossfit" else "on the test part"
    text = f"{where}, with 95 % intervals: false alarms {alarms}, recall {recall}"
    if None in (config.f1, config.f1_of_all):
        return [text]
    return [f"{text}, F1 {config.f1:.3f} ({config.f1_of_all:.3f} by calling everything defective)"]
