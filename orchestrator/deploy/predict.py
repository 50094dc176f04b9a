"""`predict`'s folder of results: the row of each picture as Parquet and CSV, heat maps, the program of its own.

What is written takes the place of an earlier run's at the end, as a whole: until then it lies in `.unfinished`. So all
that lies in the folder is of one run.
"""

import contextlib
import functools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq

from datasets.loose_pictures import LoosePicture
from datasets.picture import UnreadableError, read_pixels
from model.contract import Detector
from orchestrator.deploy import export, onnx_file, submission
from orchestrator.deploy.judging import CSV, MAPS, PARQUET, Judged, Prediction, Times, chunks, predictions, source
from orchestrator.errors import InputError, RunError
from orchestrator.results.row_files import for_spreadsheets, to_table
from orchestrator.results.storage import put_whole
from orchestrator.training.checkpoint import Checkpoint, Config

UNFINISHED = ".unfinished"


def judge(
    detector: Detector, config: Config, pictures: list[LoosePicture], to: Path, maps: str,
    see: Callable[[Judged], object], submitted: Path | None = None,
) -> tuple[list[Prediction], Times]:  # fmt: skip
    """A row for each picture, in order. Writes them, and heat maps of the pictures that `maps` says ("all", "defective"
    or "none"), into the folder `to`; and maps for an evaluation server into `submitted`, if given. `see` is called with
    each that has a verdict."""
    times, start = Times(), time.perf_counter()
    submit = functools.partial(submission.write, submitted, config) if submitted else None
    with _results(to) as folder:
        rows = predictions(detector, config, map(source, pictures), folder, maps, times, see, submit)
        table = to_table(Prediction, rows)
        pq.write_table(table, folder / PARQUET)
        pyarrow.csv.write_csv(for_spreadsheets(table), folder / CSV)
    times.wall_s = time.perf_counter() - start
    return rows, times


# -- the folder of results


@contextlib.contextmanager
def _results(to: Path) -> Iterator[Path]:
    """A folder to write results into, which then take the place of an earlier run's; nothing does if this fails."""
    unfinished = to / UNFINISHED
    if (to / PARQUET).is_dir():
        raise InputError(f"--to {to} holds what 'predict --watch' has judged. Name another folder.")
    if (to / MAPS).exists() and not (to / PARQUET).exists():
        raise InputError(f"--to {to} holds {MAPS} that are not of 'defectsweep predict'. Name another folder.")
    try:
        _remove(unfinished)
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"--to {to} cannot be written ({error.strerror}). Name a folder that can.") from None
    try:
        yield unfinished
        if (to / MAPS).exists():
            (to / MAPS).rename(unfinished / "earlier")
        for name in (PARQUET, CSV, MAPS):
            if (unfinished / name).exists():
                (unfinished / name).rename(to / name)
    except OSError as error:
        raise RunError(f"--to {to}: {error.strerror}: {error.filename}. What was there before stays.") from error
    finally:
        with contextlib.suppress(OSError):
            _remove(unfinished)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


# -- the program of its own


def check_program(file: Path) -> None:
    """Raises InputError unless a program may take the place of a file of this name, which may be a picture's."""
    if file.suffix.lower() not in export.FILES:
        endings = " or ".join(export.FILES)
        raise InputError(f"--export {file}: a name that ends in {endings} is expected, which no picture has.")
    if file.suffix.lower() == ".onnx":
        onnx_file.require()


def export_program(found: Checkpoint, pictures: list[LoosePicture], file: Path) -> export.Export:
    """For pictures of the size of the first that can be read, in the form that the file's name says."""
    for picture in pictures:
        with contextlib.suppress(UnreadableError):
            height, width = read_pixels(Path(picture.path)).shape[:2]
            return export.export(found, (height, width), file.suffix.lower())
    raise InputError("--export takes the size of the first picture that can be read, and none can.")


def write_program(
    exported: export.Export, pictures: list[LoosePicture], rows: list[Prediction], file: Path
) -> tuple[export.Difference, tuple[float, float]]:
    """Writes the program once it agrees with its detector on the pictures of its size, whose rows are `rows`. Says how
    far they are apart, and how many milliseconds the detector and its program take for one of them.

    Raises RunError where it does not, where there is none to compare them on, and where it cannot be written.
    """
    own = [
        picture
        for picture, row in zip(pictures, rows, strict=True)
        if row.error is None and (row.height_px, row.width_px) == exported.size
    ]
    if not own:
        raise RunError(f"--export {file}: no picture has a score to check the program with; it was not written.")
    pieces = chunks((read_pixels(Path(picture.path)) for picture in own), exported.pictures_at_a_time)
    difference = exported.difference(pieces)
    content = exported.file(difference)
    try:
        put_whole(file, content)
    except OSError as error:
        raise RunError(f"--export {file} cannot be written ({error.strerror}). Name a file that can.") from None
    return difference, exported.picture_ms(read_pixels(Path(own[0].path)))
