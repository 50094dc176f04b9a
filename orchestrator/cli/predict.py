"""`predict`: new pictures judged by a trained detector, and what it did said in lines."""

import sys
from pathlib import Path

import torch

from datasets.loose_pictures import Dump, readable
from orchestrator.cli.outputs import opened
from orchestrator.deploy import choose, predict, submission, threshold_wish
from orchestrator.deploy.export import Difference, Export
from orchestrator.deploy.predict import CSV, DEFECTIVE, MAPS, PARQUET, Prediction, Times
from orchestrator.errors import InputError
from orchestrator.metrics import thresholds
from orchestrator.ranking import reading
from orchestrator.training.checkpoint import Config
from orchestrator.words import count, printable

LISTED = 20  # up to so many pictures have a printed line each


def main(asked) -> int:
    """Judges them. Returns 1 where a picture could not be judged, else 0."""
    if asked.export:
        predict.check_program(Path(asked.export))
    wish = threshold_wish.parse(asked.threshold_at) if asked.threshold_at else None
    found, to = _checkpoint(asked), Path(asked.to).expanduser()
    meaning = []
    if wish:
        found, meaning = threshold_wish.granted(wish, found)
    detector = found.detector(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    dump = predict.pictures_of(asked.images)
    submitted = Path(asked.submission).expanduser() if asked.submission else None
    if submitted:
        submission.check(submitted, found.config, dump.pictures)
    exported = predict.export_program(found, dump.pictures, Path(asked.export)) if asked.export else None
    print(*map(printable, _description(found, meaning)), "", sep="\n")
    rows, times = predict.judge(detector, found.config, dump.pictures, to, asked.heat_maps, submitted)
    _print_rows(rows, dump)
    print(_rates(rows, times, detector.device))
    drawn = "" if asked.heat_maps == "none" else f", {MAPS}/"
    print(printable(f"results in {to}: {PARQUET}, {CSV}{drawn}"))
    if submitted:
        print(printable(f"to be submitted, in {submitted}: {submission.MAPS}/, {submission.THRESHOLDED}/"))
    if exported:
        file = Path(asked.export).expanduser()
        difference, picture_ms = predict.write_program(exported, dump.pictures, rows, file)
        print("", *_program(file, exported, difference, picture_ms), sep="\n")
    return int(bool(dump.closed) or any(row.error for row in rows))


def _checkpoint(asked) -> choose.Checkpoint:
    if asked.checkpoint and (asked.dataset or asked.category or asked.model or asked.protocol):
        raise InputError("--checkpoint names one detector: leave --dataset, --category, --model and --protocol out.")
    if asked.checkpoint:
        return choose.given(asked.checkpoint)
    with opened(asked.output) as output:
        return choose.best(output, asked.dataset, asked.category, asked.model, asked.protocol, tell=_warn)


def _warn(line: str) -> None:
    print(printable(f"defectsweep: {line}"), file=sys.stderr)


def _description(found: choose.Checkpoint, meaning: list[str]) -> list[str]:
    """Lines on a detector, and what its threshold means, which `meaning` says where it is not its own."""
    config = found.config
    auc, test_auc = ("unknown" if value is None else f"{value:.3f}" for value in (config.val_auc, config.test_auc))
    if config.protocol == "crossfit":
        reached = f"AUROC {test_auc} by choosing on four fifths of the labelled pictures and looking at the others"
        chosen_on = "all labelled pictures"
    else:
        reached = f"AUROC {auc} on {config.selection_split}, on which it was chosen; {test_auc} on the test part"
        chosen_on = config.selection_split
    return [
        f"{config.category} ({config.dataset}) by {config.model}, seed {config.seed}, {_shape(config)}",
        reached,
        *(meaning or [f"defective: a score of {config.threshold:.4g} or more, chosen on {chosen_on} {_wish(found)}"]),
        *([] if meaning else _on_test(found)),
        f"from {found.place}",
    ]


def _shape(config: Config) -> str:
    channels, height, width = config.image_shape
    shape = f"{height} px" if height == width else f"{height} x {width} px"
    return f"{shape} in tiles of {config.tile_px} px" if config.tile_px else shape


def _wish(found: choose.Checkpoint) -> str:
    """What the threshold was chosen for, and how much of that is known."""
    config = found.config
    if not config.false_alarms or None in (config.false_alarms_most, config.val_normals):
        return "for the best F1"
    wished, most = (f"{100 * share:.3g} %" for share in (config.false_alarms, config.false_alarms_most))
    text = f"for {wished} false alarms: its {count(config.val_normals, 'good picture')} can promise {most} at most"
    needed = thresholds.normals_needed(config.false_alarms)
    few = f"; to show {wished} takes {needed}" if config.val_normals < needed else ""
    return f"{text} (95 % confidence){few}"


def _on_test(found: choose.Checkpoint) -> list[str]:
    """What the threshold came to on the test part; nothing where the checkpoint does not say."""
    config = found.config
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


def _print_rows(rows: list[Prediction], dump: Dump) -> None:
    """Those of a few pictures; what went wrong, of any number of them, on stderr; and how many there are of each."""
    for row in rows:
        if row.error is not None:
            _warn(f"{row.path} cannot be judged: {row.error}")
        elif len(rows) <= LISTED:
            print(printable(f"{row.verdict:9}  {row.score:<10.4g}  {row.path}"))
    for line in dump.closed:
        _warn(f"not looked into {readable(line)}")
    flagged, failed = sum(row.verdict == DEFECTIVE for row in rows), sum(row.error is not None for row in rows)
    parts = [
        count(len(rows), "picture"),
        f"{flagged} defective",
        f"{failed} CANNOT BE JUDGED" if failed else "",
        f"{count(dump.others, 'other file')} ignored" if dump.others else "",
    ]
    print(("\n" if len(rows) <= LISTED else "") + ", ".join(filter(None, parts)))


def _rates(rows: list[Prediction], times: Times, device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu x{torch.get_num_threads()}"
    scoring = f"scoring alone {times.pictures / times.score_s:.1f} images/s" if times.score_s else "nothing scored"
    return f"{len(rows) / times.wall_s:.1f} images/s in all, {scoring}, on {name}"


def _program(file: Path, exported: Export, difference: Difference, picture_ms: tuple[float, float]) -> list[str]:
    height, width = exported.size
    return [
        f"program in {printable(str(file))}: takes uint8 RGB (N, {height}, {width}, 3), on the CPU",
        f"on {difference.pictures} of these pictures its scores differ from the detector's by at most "
        f"{difference.absolute:.2g} ({difference.relative:.2g} of the score or of the threshold), and "
        f"{difference.verdicts} verdicts",
        "one picture, decoded: {:.3g} ms by the detector, {:.3g} ms by the program, on cpu x{}".format(
            *picture_ms, torch.get_num_threads()
        ),
    ]
