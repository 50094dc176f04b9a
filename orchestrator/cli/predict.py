"""`predict`: new pictures judged by a trained detector, and what it did said in lines."""

from pathlib import Path

import torch

from datasets.loose_pictures import Dump, readable
from orchestrator.cli.detector_in_words import description
from orchestrator.cli.outputs import warn
from orchestrator.cli.watch import watch
from orchestrator.deploy import TrainedDetector, load, predict, submission
from orchestrator.deploy.export import Difference, Export
from orchestrator.deploy.judging import CSV, DEFECTIVE, MAPS, PARQUET, Prediction, Times, pictures_of
from orchestrator.deploy.lookout import Lookout
from orchestrator.errors import InputError
from orchestrator.words import count, printable

LISTED = 20  # up to so many pictures have a printed line each


def main(asked) -> int:
    """Judges them. Returns 1 where a picture could not be judged, else 0; of a watch, see there."""
    _check(asked)
    if asked.watch:
        return watch(asked, _detector(asked))
    if asked.export:
        predict.check_program(Path(asked.export))
    detector, to = _detector(asked), Path(asked.to).expanduser()
    dump = pictures_of(asked.images)
    found, network = detector.checkpoint, detector.network
    submitted = Path(asked.submission).expanduser() if asked.submission else None
    if submitted:
        submission.check(submitted, found.config, dump.pictures)
    exported = predict.export_program(found, dump.pictures, Path(asked.export)) if asked.export else None
    print(*map(printable, description(detector)), "", sep="\n")
    lookout = Lookout(found.config)
    rows, times = predict.judge(
        network, found.config, dump.pictures, to, asked.heat_maps or "all", lookout.see, submitted
    )
    _print_rows(rows, dump)
    lookout.end()
    for line in lookout.news():
        warn(line)
    print(_rates(rows, times, network.device))
    drawn = "" if asked.heat_maps == "none" else f", {MAPS}/"
    print(printable(f"results in {to}: {PARQUET}, {CSV}{drawn}"))
    if submitted:
        print(printable(f"to be submitted, in {submitted}: {submission.MAPS}/, {submission.THRESHOLDED}/"))
    if exported:
        file = Path(asked.export).expanduser()
        difference, picture_ms = predict.write_program(exported, dump.pictures, rows, file)
        print("", *_program(file, exported, difference, picture_ms), sep="\n")
    return int(bool(dump.closed) or any(row.error for row in rows))


def _check(asked) -> None:
    """Raises InputError where the words do not go together."""
    if bool(asked.watch) == bool(asked.images):
        raise InputError("IMAGES to judge, or --watch FOLDER alone, is expected. See 'defectsweep predict --help'.")
    if asked.watch and asked.export:
        raise InputError("--export checks the program on IMAGES: leave --watch out.")
    if asked.watch and asked.submission:
        raise InputError("--submission takes IMAGES of a private test set: leave --watch out.")
    if asked.sort_into and not asked.watch:
        raise InputError("--sort-into is of --watch FOLDER: name one, or leave it out.")


def _detector(asked) -> TrainedDetector:
    names = ("checkpoint", "dataset", "category", "model", "protocol", "threshold_at")
    return load(asked.output, **{name: getattr(asked, name) for name in names}, tell=warn)


def _print_rows(rows: list[Prediction], dump: Dump) -> None:
    """Those of a few pictures; what went wrong, of any number of them, on stderr; and how many there are of each."""
    for row in rows:
        if row.error is not None:
            warn(f"{row.path} cannot be judged: {row.error}")
        elif len(rows) <= LISTED:
            print(printable(f"{row.verdict:9}  {row.score:<10.4g}  {row.path}"))
    for line in dump.closed:
        warn(f"not looked into {readable(line)}")
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
